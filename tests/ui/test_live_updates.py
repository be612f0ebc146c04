"""News runs one fragment again, not the page: by Streamlit's own queue of asked-for runs."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

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
