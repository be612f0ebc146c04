"""Sweeps in the background of this server, and the way back to one that was kept."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.services import Desk
from spotlab.sweeps.plan import Sweep
from spotlab.sweeps.queue import SweepJobs, SweepProgress
from spotlab.sweeps.spec import SweepSpec
from spotlab.ui.common import links, session


@st.cache_resource(show_spinner=False, max_entries=1, on_release=SweepJobs.close)
def jobs() -> SweepJobs:
    """The one thread of this server that works sweeps off."""
    return session.desk().backtests.open_jobs()


def planned(spec: SweepSpec) -> Sweep:
    """A sweep that could be started; see `plan_sweep` for what is raised. Shared."""
    desk = session.desk()
    desk.who.require(Right.BACKTEST)
    return _planned(spec, desk)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=60)
def _planned(spec: SweepSpec, _desk: Desk) -> Sweep:
    return _desk.backtests.plan(spec)


def kept(sweep_id: str) -> SweepRecord | None:
    """What is known of a sweep; None: it was never asked for."""
    known = session.desk().backtests.list(limit=1000)
    return next((record for record in known if record.sweep_id == sweep_id), None)


def begin(sweep: Sweep) -> None:
    """Start it, or leave it as it is where it runs or is done; then open it."""
    session.desk().backtests.start(sweep, jobs())
    show(sweep.plan.sweep_id)


def show(sweep_id: str) -> NoReturn:
    """Open a sweep by its address."""
    st.switch_page(links.page("backtests"), query_params={"sweep": sweep_id})


def show_all() -> NoReturn:
    """Back to the list."""
    st.switch_page(links.page("backtests"))


def progress(sweep_id: str) -> SweepProgress:
    """How far it is."""
    return session.desk().backtests.progress(sweep_id, jobs())


def cancel(sweep_id: str) -> None:
    """Stop it."""
    session.desk().backtests.cancel(sweep_id, jobs())


def state(record: SweepRecord) -> str:
    """Its state, but "interrupted" where it says that it runs and nobody runs it."""
    return progress(record.sweep_id).state if record.state == "running" else record.state
