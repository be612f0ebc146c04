"""News runs one fragment again, not the page: by Streamlit's own queue of asked-for runs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.runtime.scriptrunner_utils.script_run_context import (
    ScriptRunContext,
    add_script_run_ctx,
)
from streamlit.runtime.state import SafeSessionState, SessionState

from spotlab.domain.ports import LocalBus, Topic
from spotlab.errors import DatabaseDown, NotSignedIn, SpotlabError
from spotlab.ui.common import (
    background_tasks,
    identity,
    live_updates,
    session,
    streamlit_internals,
)
from tests.support.people import ANA, open_pages_as


def test_the_fragment_is_run_again_once_its_news_concerns_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus, asked = LocalBus(), ScriptRequests()
    ctx = SimpleNamespace(
        script_requests=asked, query_string="job=alerts", page_script_hash="jobs", context_info=None
    )
    monkeypatch.setattr(session, "lab", lambda: SimpleNamespace(bus=bus))
    monkeypatch.setattr(streamlit_internals, "get_script_run_ctx", lambda: ctx)
    open_pages_as(monkeypatch, ANA)
    look: Any = live_updates._check_for_fragment.__wrapped__  # type: ignore[attr-defined]
    since = live_updates.topic_versions(Topic.JOBS)
    look("shown", since, 0.0, lambda: True)
    bus.publish(Topic.JOBS)
    look("shown", since, time.monotonic() + 60, lambda: True)
    look("shown", since, 0.0, lambda: False)
    assert asked._rerun_data == RerunData()
    look("shown", since, 0.0, lambda: True)
    assert asked._rerun_data.fragment_id_queue == ["shown"]
    assert asked._rerun_data.query_string == "job=alerts"


class Rerun(Exception):
    """The page is run again."""


@pytest.mark.parametrize(
    "look",
    [live_updates._check_for_page, live_updates._check_for_fragment],
    ids=["page", "fragment"],
)
def test_an_open_screen_is_left_once_its_session_has_ended(
    monkeypatch: pytest.MonkeyPatch, look: Any
) -> None:
    def again() -> None:
        raise Rerun

    def told(failure: SpotlabError) -> None:
        def reader(*, used: bool) -> None:
            assert not used, "what looks by itself keeps no session"
            raise failure

        monkeypatch.setattr(identity, "reader", reader)

    bus = LocalBus()
    monkeypatch.setattr(session, "lab", lambda: SimpleNamespace(bus=bus))
    monkeypatch.setattr(live_updates.st, "rerun", again)
    since = live_updates.topic_versions(Topic.JOBS)
    given = (
        (since, 0.0, None)
        if look is live_updates._check_for_page
        else ("shown", since, 0.0, lambda: True)
    )
    told(DatabaseDown("It does not answer."))
    look.__wrapped__(*given)
    told(NotSignedIn("This session was ended."))
    with pytest.raises(Rerun):
        look.__wrapped__(*given)


def test_who_is_signed_out_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*, used: bool) -> None:
        raise NotSignedIn("This session was ended.")

    run: background_tasks.Run[None] = background_tasks.Run("Evaluating")
    with monkeypatch.context() as patched:
        patched.setattr(identity, "reader", ended)
        with pytest.raises(NotSignedIn):
            background_tasks._stop(run)
    assert not run.stopping
    open_pages_as(monkeypatch, ANA)
    background_tasks._stop(run)
    assert run.stopping


def test_a_timer_that_has_not_seen_the_new_url_does_not_undo_a_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ScriptRunContext, "reset", ScriptRunContext.reset)  # put back afterwards
    streamlit_internals.keep_url_in_fragment_runs()

    def runs_of_a_session() -> None:
        context = ScriptRunContext(
            session_id="ana",
            _enqueue=lambda message: None,
            query_string="",
            session_state=SafeSessionState(SessionState(), lambda: None),
            uploaded_file_mgr=MemoryUploadedFileManager("/files"),
            main_script_path="frame.py",
            user_info={},
            fragment_storage=MemoryFragmentStorage(),
            pages_manager=PagesManager("frame.py"),
        )
        add_script_run_ctx(ctx=context)
        context.reset(query_string="region=eu-west-1")
        st.query_params["q"] = "checkout"
        st.query_params["region"] = ["eu-west-1", "us-east-1"]
        context.reset(query_string="region=eu-west-1", fragment_ids_this_run=["timer"])
        assert context.query_string == "region=eu-west-1&region=us-east-1&q=checkout"
        assert st.query_params["q"] == "checkout"

        context.reset(query_string="region=eu-west-1", is_history_navigation=True)
        assert "q" not in st.query_params, "Back still leads to the URL before"

    with ThreadPoolExecutor(1) as thread:
        thread.submit(runs_of_a_session).result()
