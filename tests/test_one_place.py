"""Rights are checked in one place: screens and commands reach the lab only through `services`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT

CLOCK_AND_SUCH: Final = {"clock", "settings", "bus", "close"}
"""Attributes of a lab that expose no user's data."""

EXCEPTIONS: Final = {
    "spotlab/ui/common/session.py": "opens the shared lab and creates each user's services",
    "spotlab/cli/local_session.py": "opens a command's lab and creates its user's services",
    "spotlab/cli/installation.py": "`doctor` checks the installation, for anyone who has its files",
    "spotlab/cli/worker.py": "`worker` is the app without screens",
    "spotlab/cli/results.py": "`results` measures the shipped models on recorded data",
}
"""Modules that use the lab directly, with the reason."""

MODULES = sorted(
    path
    for folder in ("pages", "spotlab/ui", "spotlab/cli")
    for path in (ROOT / folder).rglob("*.py")
    if str(path.relative_to(ROOT)) not in EXCEPTIONS
)


def takes_a_lab(function: ast.FunctionDef) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = [ast.unparse(a.annotation) for a in arguments if a.annotation is not None]
    return any(text.strip("'\"") == "Lab" for text in annotations)


UNCHECKED: Final = ("runtime", "monitoring", "maintenance", "scheduling", "sweeps")
"""Rooms whose functions act on a lab without checking rights."""


def acts_on_a_lab() -> dict[str, str]:
    """Every function and class in these rooms that takes a lab as an argument."""
    found = {}
    paths = [path for room in UNCHECKED for path in (ROOT / "spotlab" / room).rglob("*.py")]
    for path in sorted(paths):
        inside = path.relative_to(ROOT).with_suffix("")
        module = ".".join(inside.parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and takes_a_lab(node):
                found[f"{module}.{node.name}"] = f"{node.name} takes a lab"
            if isinstance(node, ast.ClassDef) and any(
                isinstance(each, ast.FunctionDef) and takes_a_lab(each) for each in node.body
            ):
                found[f"{module}.{node.name}"] = f"{node.name} is created from a lab"
    return found


ACTS = acts_on_a_lab()


def breaches(tree: ast.Module) -> Iterator[str]:
    labs = {"lab"} | {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_a_lab(node.value, {"lab"})
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in ACTS:
                    yield f"line {node.lineno}: {ACTS[name]}"
                if name.startswith("spotlab.store") or alias.name == "bootstrap":
                    yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Attribute):
            if node.attr in ("store", "_store"):
                yield f"line {node.lineno}: {ast.unparse(node)}"
            if _is_a_lab(node.value, labs) and node.attr not in CLOCK_AND_SUCH:
                yield f"line {node.lineno}: {ast.unparse(node)}"


def _is_a_lab(node: ast.expr, labs: Set[str]) -> bool:
    """`lab`, `session.lab()`, `process.lab()`, `services.lab`, `self.lab`."""
    called = node.func if isinstance(node, ast.Call) else node
    if isinstance(called, ast.Name):
        return called.id in labs
    return isinstance(called, ast.Attribute) and called.attr == "lab"


def test_what_acts_on_a_lab_is_found() -> None:
    assert "spotlab.runtime.outcomes.settle" in ACTS
    assert "spotlab.runtime.evaluation.evaluate_instances" in ACTS
    assert "spotlab.monitoring.health.prober.probe_all" in ACTS
    assert "spotlab.maintenance.retention.apply_retention" in ACTS
    assert "spotlab.scheduling.first_run.get_ready" in ACTS
    assert list(breaches(ast.parse("from spotlab.runtime.outcomes import settle")))
    assert list(breaches(ast.parse("def f(lab): return lab.store.ledger.list()")))
    assert list(breaches(ast.parse("session.lab().evaluate(None)")))
    assert not list(
        breaches(ast.parse("session.services().decisions.list(); services.lab.clock.now()"))
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_screens_and_commands_ask_the_desk(path: Path) -> None:
    found = list(breaches(ast.parse(path.read_text())))
    assert not found, "\n".join([*found, "Use a service in spotlab/services, or add one."])


def test_every_exception_is_still_one() -> None:
    for name in EXCEPTIONS:
        assert list(breaches(ast.parse((ROOT / name).read_text()))), f"{name} needs no exception"
