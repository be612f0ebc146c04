"""Actions on sweeps: plan, start, cancel and open."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.services import Services
from spotlab.sweeps.plan import Sweep
from spotlab.sweeps.queue import SweepProgress, SweepQueue
from spotlab.sweeps.spec import SweepSpec
from spotlab.ui.common import links, session


@st.cache_resource(show_spinner=False, max_entries=1, on_release=SweepQueue.close)
def jobs() -> SweepQueue:
    """The thread of this server that runs the queued sweeps, one at a time."""
    return session.services().backtests.open_jobs()


def planned(spec: SweepSpec) -> Sweep:
    """A sweep that could be started. Shared. Raises what `plan_sweep` raises, and Forbidden."""
    services = session.services()
    services.principal.require(Right.BACKTEST)
    return _planned(spec, services)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=60)
def _planned(spec: SweepSpec, _services: Services) -> Sweep:
    return _services.backtests.plan(spec)


def find(sweep_id: str) -> SweepRecord | None:
    """The record of a sweep; None: it was never started."""
    known = session.services().backtests.list(limit=1000)
    return next((record for record in known if record.sweep_id == sweep_id), None)


def begin(sweep: Sweep) -> None:
    """Start a sweep unless it is running or done, then open it."""
    session.services().backtests.start(sweep, jobs())
    show(sweep.plan.sweep_id)


def show(sweep_id: str) -> NoReturn:
    """Open a sweep at its own URL."""
    st.switch_page(links.page("backtests"), query_params={"sweep": sweep_id})


def show_all() -> NoReturn:
    """Open the list of sweeps."""
    st.switch_page(links.page("backtests"))


def progress(sweep_id: str) -> SweepProgress:
    """The progress of a sweep."""
    return session.services().backtests.progress(sweep_id, jobs())


def cancel(sweep_id: str) -> None:
    """Stop a sweep; its finished cells remain stored."""
    session.services().backtests.cancel(sweep_id, jobs())


def state(record: SweepRecord) -> str:
    """Its state; "interrupted" if it is recorded as running but no process runs it."""
    return progress(record.sweep_id).state if record.state == "running" else record.state
