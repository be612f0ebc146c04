"""Open screens that follow what happens elsewhere: on this server or on another.

A fragment without any element looks at the news now and then, in this process's memory. Where
something moved, the page is run again, or the one fragment that shows it; where rows that are being
read would move, a quiet button says what is new instead. A reader whose session has ended is shown
nothing any more, although their connection is still open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from spotlab.domain.ports import Topic
from spotlab.errors import NotSignedIn, SpotlabError
from spotlab.ui.common import identity, session

LOOK_EVERY_S: Final = 1.2
"""With the time a page takes to run, a change is on every open screen within two seconds."""
REST_S: Final = 1.0
"""A page that has just been run is left alone for this long, and for as long as it took twice."""
_SAID: Final = "news that is held"
Hold = Callable[[], str | None]
"""Words of a button that the reader may press instead ("2 new decisions: show"); "": the page may
be run again by itself; None: nothing of it concerns this page."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How far the news had come when a page began to read.

    Args:
        versions: by topic.
        at: monotonic seconds.
    """

    versions: Mapping[Topic, int]
    at: float

    def moved(self) -> list[Topic]:
        """The topics that something happened in since."""
        bus = session.lab().bus
        return [topic for topic, version in self.versions.items() if bus.version(topic) != version]


def seen(*topics: Topic) -> Seen:
    """Where the news is now; ask before the page reads anything."""
    bus = session.lab().bus
    return Seen({topic: bus.version(topic) for topic in topics}, time.monotonic())


def refresh_on(*topics: Topic) -> None:
    """Run the page again when one of these topics moved; call it before the page reads anything."""
    follow(seen(*topics))


def follow(since: Seen, hold: Hold | None = None) -> None:
    """Run the page again when something moved since.

    Args:
        since: see `seen`.
        hold: asked when something moved.
    """
    took_s = time.monotonic() - since.at
    _look(since, time.monotonic() + max(REST_S, 2.0 * took_s), hold)


def follow_here(since: Seen, concerns: Callable[[], bool] = lambda: True) -> None:
    """Run the fragment that this is called in again when something moved since; not the page.

    Args:
        since: see `seen`.
        concerns: asked when something moved: whether it is about what the fragment shows.
    """
    took_s = time.monotonic() - since.at
    rest_until = time.monotonic() + max(REST_S, 2.0 * took_s)
    _look_for(ThreadState.get().fragment_id or "", since, rest_until, concerns)


@st.fragment(run_every=LOOK_EVERY_S)
def _look_for(
    fragment_id: str, since: Seen, rest_until: float, concerns: Callable[[], bool]
) -> None:
    """One look for a fragment, without an element."""
    _leave_if_ended()
    if since.moved() and time.monotonic() >= rest_until and concerns():
        _run_fragment(fragment_id)


def _run_fragment(fragment_id: str) -> None:
    """Ask for a fragment's run as a browser's timer does: st.rerun cannot name another here."""
    ctx = get_script_run_ctx()
    if ctx is not None and ctx.script_requests is not None:
        again = RerunData(
            query_string=ctx.query_string,
            page_script_hash=ctx.page_script_hash,
            fragment_id_queue=[fragment_id],
            is_fragment_scoped_rerun=True,
            context_info=ctx.context_info,
        )
        ctx.script_requests.request_rerun(again)


def selected(key: str) -> bool:
    """Whether a row of a table is selected: what is read beside it must not change rows."""
    chosen = st.session_state.get(key, {}).get("selection", {})
    return bool(chosen.get("rows") or chosen.get("cells"))


@st.fragment(run_every=LOOK_EVERY_S)
def _look(since: Seen, rest_until: float, hold: Hold | None) -> None:
    """One look, without an element unless something is to be said."""
    _leave_if_ended()
    moved = since.moved()
    if not moved or time.monotonic() < rest_until:
        return
    words = _held(since, hold) if hold is not None else ""
    if words is None or (words and not _pressed(words)):
        return
    if Topic.MARKET in moved:
        session.forget_market_of(session.lab().bus.version(Topic.MARKET))
    if not words:
        st.session_state[identity.BY_ITSELF] = True
    st.rerun()


def _leave_if_ended() -> None:
    """Run the page again where its reader's session has ended: its guard then clears the screen."""
    try:
        identity.current()
    except NotSignedIn:
        st.rerun()
    except SpotlabError:  # it cannot be looked up now: the next look asks again
        return


def _held(since: Seen, hold: Hold) -> str | None:
    """What `hold` says; asked again when more moved, or when the reader may have let go."""
    bus = session.lab().bus
    now = (since.at, *(bus.version(topic) for topic in since.versions))
    kept: tuple[object, str | None] = st.session_state.get(_SAID, (None, None))
    if kept[0] != now or not kept[1]:
        kept = (now, hold())
        st.session_state[_SAID] = kept
    return kept[1]


def _pressed(words: str) -> bool:
    return st.button(
        f":primary[{words}]", type="tertiary", icon=":material/refresh:", key="show-news"
    )
