"""The frame, run on a small lab, without a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.ui.common import session
from tests.conftest import ROOT
from tests.support.app_test import AppTest
from tests.support.first_decisions import FirstDecisions
from tests.support.lab import DictStore, empty_lab, save_toy_model, small_lab
from tests.support.people import open_pages_as

DECISIONS = FirstDecisions()
FIRST_RUN_S = 30.0
Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def _somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator, where a test does not name another with `open_pages_as`."""
    open_pages_as(monkeypatch, LOCAL_ADMINISTRATOR)


@pytest.fixture
def online() -> DictStore:
    return DictStore()


@pytest.fixture
def lab(
    tmp_path: Path, models_dir: Path, online: DictStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    """A lab with a market and a fleet of four, each decided about once."""
    made = small_lab(tmp_path, models_dir, online)
    monkeypatch.setattr(app_process, "lab", lambda: made)
    with DECISIONS.watching(made, online):
        yield made
    made.close()


@pytest.fixture
def bare_lab(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab on its first day, whose AWS cannot be reached."""
    made = empty_lab(tmp_path, models_dir)
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


@pytest.fixture
def open_page() -> Open:
    """Opens a page of the app, once the first run is over."""

    def opened(name: str, **query: str) -> AppTest:
        DECISIONS.prepare(app_process.lab())
        session.first_run().wait(FIRST_RUN_S)
        app = AppTest.from_file(str(ROOT / "spotlab/ui/common/frame.py"), default_timeout=30)
        app.query_params.update(query)
        if name != "instances":
            app.switch_page(str(ROOT / "pages" / f"{name}.py"))
        return app.run()

    return opened


def said(app: AppTest) -> str:
    """All that the page says in words, one element a line."""
    kinds = ("title", "header", "markdown", "caption", "error", "warning", "info")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def finish(app: AppTest, slot: str) -> AppTest:
    """Wait for what a click started, and look again; what ended at once was seen at once."""
    if f"run:{slot}" in app.session_state:
        assert app.session_state[f"run:{slot}"].wait(FIRST_RUN_S)
        app.run()
    return app


def button(app: AppTest, label: str) -> Any:
    """The button of this name, a form's too."""
    (found,) = (each for each in app.button if each.label == label)
    return found


def select(row: int) -> dict[str, dict[str, list[int]]]:
    """The state of a table with this row selected."""
    return {"selection": {"rows": [row], "columns": [], "cells": []}}
