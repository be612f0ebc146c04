"""Progress of a sweep that is not done, with buttons to cancel and resume it."""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.ui.backtests import actions, time_estimate
from spotlab.ui.common import errors, formatting, permissions, session

ACTIVE: Final = ("queued", "running")
REFRESH_EVERY_S: Final = 1.0
_EXPLANATIONS: Final = {
    "cancelled": "It was cancelled.",
    "interrupted": "It was interrupted: its process was killed or the machine restarted.",
    "failed": "It failed.",
}


def show(record: SweepRecord) -> None:
    """Shows the progress of a running sweep, or why a stopped one ended and a button to resume."""
    state = actions.state(record)
    reason = permissions.why_not(Right.BACKTEST)
    if state in ACTIVE:
        _show_progress(record.sweep_id, reason)
    elif state != "done":
        _show_stopped(record, state, reason)


@st.fragment(run_every=REFRESH_EVERY_S)
def _show_progress(sweep_id: str, reason: str | None) -> None:
    progress = actions.progress(sweep_id)
    record = progress.record
    if progress.state not in ACTIVE:
        st.rerun()
    first = f"backtest-first {sweep_id}"
    if record.done >= 2 * len(record.config["policies"]) and not st.session_state.get(first):
        st.session_state[first] = True
        st.rerun()  # once: the first windows are complete, and have figures
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(progress.share, text=formatting.plain(_text(record, progress.text)))
        stopping = record.cancel_requested
        if st.button(
            "Stopping…" if stopping else "Cancel",
            disabled=stopping or reason is not None,
            help=reason,
            key="backtest-cancel",
        ):
            actions.cancel(sweep_id)
            st.rerun(scope="fragment")
        if st.button("Show results so far", icon=":material/refresh:", key="backtest-so-far"):
            st.rerun()


def _text(record: SweepRecord, text: str) -> str:
    done = f"{record.done:,} of {formatting.count(record.total, 'cell')}"
    if record.state == "queued":
        return f"Waiting for another backtest to end: {done}"
    if not record.done and text:
        return text.capitalize()
    return f"{done}{_time_left(record)}"


def _time_left(record: SweepRecord) -> str:
    """The estimated time left, from the rate since this browser session opened the page."""
    key = f"backtest-rate {record.sweep_id}"
    since, done_before = st.session_state.setdefault(key, (time.monotonic(), record.done))
    elapsed_s = time.monotonic() - since
    if record.done - done_before < 2 or elapsed_s < 2 * REFRESH_EVERY_S:
        return ""
    left_s = elapsed_s / (record.done - done_before) * (record.total - record.done)
    return f", about {time_estimate.rounded_up(left_s)} left"


def _show_stopped(record: SweepRecord, state: str, reason: str | None) -> None:
    explanation = f"{_EXPLANATIONS[state]} {formatting.plain(record.error)}".strip()
    st.warning(
        f"{explanation} {record.done:,} of {record.total:,} cells are finished and stored."
        "\n\n**What to do:** resume it; the result is the same as without a break.",
        title=f"Not finished: {state}",
        icon=":material/warning:",
    )
    if st.button(
        "Resume",
        type="primary",
        icon=":material/play_arrow:",
        disabled=reason is not None,
        help=reason,
        key="backtest-on",
    ):
        with errors.boundary():
            _resume(record)


def _resume(record: SweepRecord) -> None:
    sweep = session.services().backtests.replan(record)
    if sweep.plan.sweep_id == record.sweep_id:
        actions.begin(sweep)
    st.warning(
        "SpotLab's code, a model or a trace has changed since then, so these cells cannot be mixed "
        "with new ones.\n\n**What to do:** set up a new backtest under “All backtests”; the "
        "finished cells of this one can still be viewed here.",
        title="This backtest cannot be resumed",
        icon=":material/warning:",
    )
