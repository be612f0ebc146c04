"""News runs one fragment again, not the page: by Streamlit's own queue of asked-for runs."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from spotlab.domain.ports import LocalBus, Topic
from spotlab.ui import live, session


def test_the_fragment_is_run_again_once_its_news_concerns_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus, asked = LocalBus(), ScriptRequests()
    ctx = SimpleNamespace(
        script_requests=asked, query_string="job=alerts", page_script_hash="jobs", context_info=None
    )
    monkeypatch.setattr(session, "lab", lambda: SimpleNamespace(bus=bus))
    monkeypatch.setattr(live, "get_script_run_ctx", lambda: ctx)
    look: Any = live._look_for.__wrapped__  # type: ignore[attr-defined]
    since = live.seen(Topic.JOBS)
    look("shown", since, 0.0, lambda: True)
    bus.publish(Topic.JOBS)
    look("shown", since, time.monotonic() + 60, lambda: True)
    look("shown", since, 0.0, lambda: False)
    assert asked._rerun_data == RerunData()
    look("shown", since, 0.0, lambda: True)
    assert asked._rerun_data.fragment_id_queue == ["shown"]
    assert asked._rerun_data.query_string == "job=alerts"
