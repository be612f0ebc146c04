"""A sweep that is not done: how far it is, a way out, and a way on."""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.ui.backtests import actions, time_estimate
from spotlab.ui.common import errors, formatting, permissions, session

ACTIVE: Final = ("queued", "running")
EVERY_S: Final = 1.0
_TOLD: Final = {
    "cancelled": "It was cancelled.",
    "interrupted": "Whoever ran it is gone: it was killed, or the machine was restarted.",
    "failed": "It failed.",
}


def show(record: SweepRecord) -> None:
    """Progress while it runs; else what happened, and a button to go on, for who may."""
    state = actions.state(record)
    reason = permissions.why_not(Right.BACKTEST)
    if state in ACTIVE:
        _progress(record.sweep_id, reason)
    elif state != "done":
        _stopped(record, state, reason)


@st.fragment(run_every=EVERY_S)
def _progress(sweep_id: str, reason: str | None) -> None:
    progress = actions.progress(sweep_id)
    record = progress.record
    if progress.state not in ACTIVE:
        st.rerun()
    first = f"backtest-first {sweep_id}"
    if record.done >= 2 * len(record.config["policies"]) and not st.session_state.get(first):
        st.session_state[first] = True
        st.rerun()  # once: the first windows are complete, and have figures
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(progress.share, text=formatting.plain(_said(record, progress.text)))
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


def _said(record: SweepRecord, text: str) -> str:
    done = f"{record.done:,} of {formatting.count(record.total, 'cell')}"
    if record.state == "queued":
        return f"Waiting for another backtest to end: {done}"
    if not record.done and text:
        return text.capitalize()
    return f"{done}{_left(record)}"


def _left(record: SweepRecord) -> str:
    """What is left, from how fast it went since this reader looked first."""
    key = f"backtest-rate {record.sweep_id}"
    since, then = st.session_state.setdefault(key, (time.monotonic(), record.done))
    passed = time.monotonic() - since
    if record.done - then < 2 or passed < 2 * EVERY_S:
        return ""
    seconds = passed / (record.done - then) * (record.total - record.done)
    return f", about {time_estimate.rounded_up(seconds)} left"


def _stopped(record: SweepRecord, state: str, reason: str | None) -> None:
    left = formatting.count(record.total - record.done, "cell")
    st.warning(
        f"{_TOLD[state]} {formatting.plain(record.error)} {record.done:,} of {record.total:,} "
        "cells "
        f"are kept, {left} left.\n\n**What to do:** let it go on; "
        "the result is the same as if it had never stopped.",
        title=f"Not finished: {state}",
        icon=":material/warning:",
    )
    if st.button(
        "Go on",
        type="primary",
        icon=":material/play_arrow:",
        disabled=reason is not None,
        help=reason,
        key="backtest-on",
    ):
        with errors.boundary():
            _go_on(record)


def _go_on(record: SweepRecord) -> None:
    sweep = session.desk().backtests.replan(record)
    if sweep.plan.sweep_id == record.sweep_id:
        actions.begin(sweep)
    st.warning(
        "SpotLab's code, a model or a trace has changed since, so these cells cannot be mixed with "
        "new ones.\n\n**What to do:** set it up anew on the list of backtests; the kept cells stay "
        "readable here.",
        title="It cannot go on",
        icon=":material/warning:",
    )
