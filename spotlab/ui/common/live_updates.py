"""Live updates of open screens after changes on this server or another one.

A fragment without elements compares the versions of bus topics every second. After a change it
reruns the page, or the one fragment that shows the changed data. If that would move rows that the
user is reading, a button offers the update instead. A user whose session has ended is shown
nothing more, even while the connection is open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import streamlit as st

from spotlab.domain.ports import Topic
from spotlab.errors import NotSignedIn, SpotlabError
from spotlab.ui.common import identity, session, streamlit_internals

CHECK_EVERY_S: Final = 1.2
"""Together with the time of a run, a change is on every open screen within two seconds."""
MIN_REST_S: Final = 1.0
"""A page is not rerun for this long after a run, nor for twice the time that the run took."""
_LABEL: Final = "label of the update button"
Hold = Callable[[], str | None]
"""Label of a button that offers the update ("2 new decisions: show"); "": rerun without asking;
None: the change does not concern this page."""


@dataclass(frozen=True, slots=True)
class TopicVersions:
    """The versions of some topics when a page began to read.

    Args:
        versions: by topic.
        at: monotonic seconds.
    """

    versions: Mapping[Topic, int]
    at: float

    def changed_topics(self) -> list[Topic]:
        """The topics with a newer version."""
        bus = session.lab().bus
        return [topic for topic, version in self.versions.items() if bus.version(topic) != version]


def topic_versions(*topics: Topic) -> TopicVersions:
    """The present versions of topics; call it before the page reads anything."""
    bus = session.lab().bus
    return TopicVersions({topic: bus.version(topic) for topic in topics}, time.monotonic())


def rerun_page_on_change(since: TopicVersions, hold: Hold | None = None) -> None:
    """Rerun the page after a change.

    Args:
        since: from `topic_versions`.
        hold: called after a change.
    """
    _check_for_page(since, _rest_until(since), hold)


def rerun_fragment_on_change(
    since: TopicVersions, concerns: Callable[[], bool] = lambda: True
) -> None:
    """Rerun the fragment that calls this after a change, but not the page.

    Args:
        since: from `topic_versions`.
        concerns: called after a change: whether it affects the fragment.
    """
    _check_for_fragment(streamlit_internals.fragment_id(), since, _rest_until(since), concerns)


def _rest_until(since: TopicVersions) -> float:
    now = time.monotonic()
    return now + max(MIN_REST_S, 2.0 * (now - since.at))


@st.fragment(run_every=CHECK_EVERY_S)
def _check_for_fragment(
    fragment_id: str, since: TopicVersions, rest_until: float, concerns: Callable[[], bool]
) -> None:
    _rerun_if_session_ended()
    if since.changed_topics() and time.monotonic() >= rest_until and concerns():
        streamlit_internals.rerun_fragment(fragment_id)


def has_selection(key: str) -> bool:
    """Whether a row of a table is selected: its rows must not move then."""
    selection = st.session_state.get(key, {}).get("selection", {})
    return bool(selection.get("rows") or selection.get("cells"))


@st.fragment(run_every=CHECK_EVERY_S)
def _check_for_page(since: TopicVersions, rest_until: float, hold: Hold | None) -> None:
    _rerun_if_session_ended()
    topics = since.changed_topics()
    if not topics or time.monotonic() < rest_until:
        return
    label = _label(since, hold) if hold is not None else ""
    if label is None or (label and not _is_clicked(label)):
        return
    if Topic.MARKET in topics:
        session.forget_market_of(session.lab().bus.version(Topic.MARKET))
    if not label:
        st.session_state[identity.AUTOMATIC_RERUN] = True
    st.rerun()


def _rerun_if_session_ended() -> None:
    """The guard of the page then clears the screen."""
    try:
        identity.current()
    except NotSignedIn:
        st.rerun()
    except SpotlabError:  # unknown for now: checked again next time
        return


def _label(since: TopicVersions, hold: Hold) -> str | None:
    """The result of `hold`; called again after more changes, or if there was no label yet."""
    bus = session.lab().bus
    versions = (since.at, *(bus.version(topic) for topic in since.versions))
    cached: tuple[object, str | None] = st.session_state.get(_LABEL, (None, None))
    if cached[0] != versions or not cached[1]:
        cached = (versions, hold())
        st.session_state[_LABEL] = cached
    return cached[1]


def _is_clicked(label: str) -> bool:
    return st.button(
        f":primary[{label}]", type="tertiary", icon=":material/refresh:", key="show-news"
    )
