"""Sweeps in the background of this server, and the way back to one that was kept. Screens floor."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.runtime.lab import Lab
from spotlab.runtime.sweep_jobs import SweepJobs
from spotlab.runtime.sweep_plans import Sweep, plan_sweep
from spotlab.runtime.sweep_records import spec_of
from spotlab.runtime.sweep_specs import SweepSpec
from spotlab.runtime.sweeps import choose_workers
from spotlab.ui import links, session


@st.cache_resource(show_spinner=False, max_entries=1, on_release=SweepJobs.close)
def jobs() -> SweepJobs:
    """The one thread of this server that works sweeps off."""
    lab = session.lab()
    home = lab.settings.home.absolute()
    return SweepJobs(lab.store.sweeps, choose_workers(lab.settings), home, lab.clock)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=60)
def planned(spec: SweepSpec) -> Sweep:
    """A sweep that could be started; see `plan_sweep` for what is raised. Shared."""
    return plan_sweep(session.lab(), spec)


def kept(sweep_id: str) -> SweepRecord | None:
    """What is known of a sweep; None: it was never asked for."""
    known = session.lab().store.sweeps.list(limit=1000)
    return next((record for record in known if record.sweep_id == sweep_id), None)


def asked_again(lab: Lab, record: SweepRecord) -> Sweep:
    """A kept sweep as it would be planned today: another id where something has changed since.

    Raises:
        NotAvailable: not all that was asked is written down.
        InvalidInput, NotFound: its traces or models are not there any more.
    """
    return plan_sweep(lab, spec_of(record.config))


def begin(sweep: Sweep) -> None:
    """Start it, or leave it as it is where it runs or is done; then open it."""
    jobs().submit(sweep.plan)
    show(sweep.plan.sweep_id)


def show(sweep_id: str) -> NoReturn:
    """Open a sweep by its address."""
    st.switch_page(links.page("backtests"), query_params={"sweep": sweep_id})


def show_all() -> NoReturn:
    """Back to the list."""
    st.switch_page(links.page("backtests"))


def state(record: SweepRecord) -> str:
    """Its state, but "interrupted" where it says that it runs and nobody runs it."""
    return jobs().progress(record.sweep_id).state if record.state == "running" else record.state
