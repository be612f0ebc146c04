"""Loading of compiled kernels: compiled once, and a reason where they cannot be used."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from spotlab.processes.kernels import KernelLoader


def loader_of(folder: Path) -> KernelLoader:
    source = folder / "some_kernels.py"
    source.touch()
    return KernelLoader(
        source, "some_kernels", ("_one", "_other"), when="it pays off", instead="Slowly"
    )


def cache_files(folder: Path, *names: str) -> None:
    (folder / "__pycache__").mkdir()
    for name in names:
        (folder / "__pycache__" / f"some_kernels.{name}-12.py311.nbi").touch()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; the module can then be imported."""
    run: list[list[str]] = []

    class Module(ModuleType):
        def warm_up(self) -> None: ...

    def record(command: list[str], **options: Any) -> None:
        run.append(command)

    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(importlib, "import_module", lambda name: Module(name))
    return run


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("cannot cache function: no locator available"),
        subprocess.TimeoutExpired("python", 300.0),
        ImportError("No module named 'numba'"),
    ],
)
def test_without_kernels_the_reason_is_known(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(name: str) -> ModuleType:
        raise failure

    monkeypatch.setattr(importlib, "import_module", fail)
    cache_files(tmp_path, "_one", "_other")
    loader = loader_of(tmp_path)
    assert type(failure).__name__ in loader.load()
    assert loader.module is None


@pytest.mark.parametrize("names", [(), ("_one",)])
def test_another_process_compiles_what_is_missing(
    names: tuple[str, ...], commands: list[list[str]], tmp_path: Path
) -> None:
    cache_files(tmp_path, *names)
    assert loader_of(tmp_path).load() == ""
    assert "warm_up" in commands[0][-1]


def test_what_is_compiled_is_only_loaded(commands: list[list[str]], tmp_path: Path) -> None:
    loader = loader_of(tmp_path)
    cache_files(tmp_path, "_one", "_other")
    assert loader.load() == ""
    assert loader.module is not None
    assert commands == []


def test_they_are_loaded_at_the_second_request(commands: list[list[str]], tmp_path: Path) -> None:
    loader = loader_of(tmp_path)
    loader.note_request()
    assert loader.why_not == "they are loaded when it pays off"
    loader.note_request()
    assert loader.load() == ""
    assert loader.module is not None


def test_disabled_kernels_are_never_loaded(commands: list[list[str]], tmp_path: Path) -> None:
    loader = loader_of(tmp_path)
    loader.disable("nobody wants them")
    loader.note_request()
    loader.note_request()
    assert loader.load() == "nobody wants them"
    assert (loader.module, commands) == (None, [])
