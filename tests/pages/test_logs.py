"""The Logs page: its answer, filters in the URL, one line opened, and what it says when it cannot
read."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.domain.access import Role
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.logs import log_table
from tests.pages.conftest import Open, said
from tests.support.lab import FLEET
from tests.support.log_lines import ListStream
from tests.support.people import ANA, open_pages_as, person


def stream_of(lab: Lab) -> ListStream:
    assert isinstance(lab.log_stream, ListStream)
    return lab.log_stream


def tell(lab: Lab, message: str, *, ago_s: float = 10, **more: Any) -> None:
    written = {
        "time": (lab.clock.now() - timedelta(seconds=ago_s)).isoformat(),
        "level": "INFO",
        "component": "runtime.evaluating",
        "message": message,
        "process": "host-1-abc",
        "role": "app",
    }
    stream_of(lab).append([json.dumps(written | more)])


@pytest.fixture(autouse=True)
def _told(lab: Lab) -> None:
    tell(lab, "too old to count", ago_s=900)
    tell(lab, "decided STAY", correlation_id="c1", account="acme", fields={"experiment_id": 7})
    tell(lab, "no shadow", level="WARNING", process="host-2-def", role="worker")
    tell(lab, "failed", level="ERROR", correlation_id="c2", error="Traceback: ValueError: Boom")


def shown(app: AppTest) -> list[str]:
    return list(app.dataframe[0].value["message"])


def test_first_line_counts_the_last_minutes(open_page: Open) -> None:
    app = open_page("logs")
    assert not app.exception
    assert (
        app.title[0].value == "3 log lines in the last 5 min: 1 error, 1 warning, from 2 processes"
    )
    assert shown(app) == ["failed", "no shadow", "decided STAY", "too old to count"]


def test_filters_come_from_the_url(open_page: Open) -> None:
    app = open_page("logs", id="c1")
    assert shown(app) == ["decided STAY"]
    assert app.title[0].value.startswith("1 log line, the newest 10 s ago: 0 errors")
    assert shown(open_page("logs", level="WARNING")) == ["failed", "no shadow"]
    assert shown(open_page("logs", q="boom", component="runtime")) == ["failed"]
    app = open_page("logs", process="nobody")
    assert not app.dataframe
    assert "No log line matches the filters." in said(app)


def test_errors_open_with_their_traceback(open_page: Open) -> None:
    app = open_page("logs")
    assert "failed" in app.expander[0].label
    assert "Boom" in app.expander[0].code[0].value


def test_new_lines_appear_and_wait_while_it_is_paused(lab: Lab, open_page: Open) -> None:
    app = open_page("logs")
    tell(lab, "news")
    assert shown(app.run())[0] == "news"
    app.toggle(key="pause").set_value(True).run()
    tell(lab, "later news")
    assert shown(app.run())[0] == "news"
    assert "Paused." in said(app)
    app.toggle(key="pause").set_value(False).run()
    assert shown(app)[0] == "later news"


def test_a_selected_line_is_whole_and_stays(lab: Lab, open_page: Open) -> None:
    app = open_page("logs")
    app.session_state["lines"] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    tell(lab, "news")
    app.run()
    assert shown(app)[2] == "decided STAY"
    assert "experiment_id: 7" in said(app)
    assert "account: acme" in said(app)


def test_without_the_online_store_it_says_what_is_missing(lab: Lab, open_page: Open) -> None:
    stream_of(lab).down = True
    app = open_page("logs")
    assert not app.exception
    assert "stderr" in app.warning[0].value
    stream_of(lab).down = False
    app.run()
    stream_of(lab).down = True
    app.run()
    assert shown(app)[0] == "failed", "what was read before stays"
    assert "stderr" in app.warning[0].value


def test_who_sees_some_accounts_is_told_so(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pages_as(monkeypatch, person(Role.RESEARCHER, "acme"))
    app = open_page("logs")
    assert shown(app) == ["decided STAY"]
    assert "only lines that name your accounts: acme" in said(app)
    open_pages_as(monkeypatch, person(Role.VIEWER))
    app = open_page("logs")
    assert not app.dataframe
    assert "read log lines" in app.error[0].value


def test_a_decision_leads_to_its_lines(lab: Lab, open_page: Open) -> None:
    open_page("instances")
    made = lab.store.ledger.latest_per_instance()[FLEET[0][0]]
    correlation_id = lab.store.ledger.correlation_id(made.experiment_id)
    assert correlation_id
    app = open_page("experiments", id=str(made.experiment_id))
    links = [each.proto for each in app.get("page_link")]
    assert any(link.label == "Log lines" and correlation_id in str(link) for link in links)


def test_the_file_has_a_line_each(lab: Lab) -> None:
    found = Services(lab, ANA).logs.query(limit=100).lines
    file = [json.loads(each) for each in log_table.as_json_lines(found).splitlines()]
    assert [line["message"] for line in file][:2] == ["failed", "no shadow"]
    assert file[0]["error"].startswith("Traceback")
