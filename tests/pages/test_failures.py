"""When a part is gone, every page says so once, in words, and shows no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.errors import DatabaseDown
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.store.tables.metadata import METADATA
from spotlab.ui.common import session
from spotlab.ui.common.links import PAGE_TABLE
from tests.conftest import ROOT
from tests.pages.conftest import Open, said
from tests.support.lab import small_lab

NAMES = [page.name for page in PAGE_TABLE]


@pytest.mark.parametrize("name", NAMES)
def test_a_database_that_is_gone_is_explained_once(name: str, lab: Lab, open_page: Open) -> None:
    session.lab()
    session.first_run().wait(30)
    with lab.store.engine.begin() as connection:
        for table in METADATA.tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO gone_{table}")
    app = open_page(name)
    assert not app.exception
    assert "mode unknown" in said(app)
    if name == "health":
        assert "of 9 components healthy: " in app.title[0].value
        return
    if name == "logs":
        assert not app.error, "log lines are not in the database"
        return
    assert len(app.error) == 1
    assert "What to do" in said(app)


def test_a_lab_that_cannot_open_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed() -> Lab:
        raise DatabaseDown("The database is locked.", remedy="Stop the other writer.")

    monkeypatch.setattr(app_process, "lab", closed)
    app = AppTest.from_file(str(ROOT / "spotlab/ui/common/frame.py"), default_timeout=30).run()
    assert not app.exception
    assert len(app.error) == 1
    assert "Stop the other writer." in app.error[0].value


@pytest.fixture
def lab_without_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    empty = tmp_path / "no-models"
    empty.mkdir()
    made = small_lab(tmp_path / "home", empty)
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


def test_without_a_model_the_fleet_is_shown_undecided(
    lab_without_model: Lab, open_page: Open
) -> None:
    app = open_page("instances")
    assert app.title[0].value == "4 instances, no decisions yet"
    assert set(app.dataframe[0].value["decision"]) == {"○ not decided"}
    assert "The first run failed" in said(app)
    assert "No champion model is registered." in said(app)


def test_without_a_model_candidates_say_what_is_missing(
    lab_without_model: Lab, open_page: Open
) -> None:
    app = open_page("candidates")
    assert not app.exception
    assert "No champion model is registered." in said(app)
