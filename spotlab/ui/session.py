"""The lab and what pages share of it, each for a limited time. Screens floor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import streamlit as st

from spotlab.domain.decision import Experiment, Instance, PolicyParams, Requirements
from spotlab.domain.market import MarketData
from spotlab.domain.ports import ComponentState, ExperimentSummary, SnapshotInfo
from spotlab.errors import NoMarketData
from spotlab.pipeline.rank import Ranking, rank
from spotlab.runtime import process
from spotlab.runtime.desk import Desk
from spotlab.runtime.lab import Lab
from spotlab.ui import guard, runs

MARKET_FOR = timedelta(seconds=30)
HEALTH_FOR = timedelta(seconds=5)


@st.cache_resource(show_spinner=False, max_entries=1)
def lab() -> Lab:
    """The one lab of this server."""
    return process.lab()


def desk() -> Desk:
    """What this reader may see and do."""
    return Desk(lab(), guard.current())


@st.cache_resource(show_spinner=False, max_entries=1)
def first_run() -> runs.Run[None]:
    """Fleet, market and first decisions, once a server; every reader sees the same progress."""
    opened = lab()
    return runs.start("Getting ready", lambda tell, _stopped: opened.start(tell))


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=2)
def market() -> MarketData:
    """The active market, read at most every 30 s. Shared: not to be changed."""
    return lab().market()


def market_if_any() -> tuple[MarketData | None, tuple[str, ...]]:
    """The market, and why it is less than it should be; None where nothing was collected."""
    try:
        data = market()
    except NoMarketData as exc:
        return None, (str(exc),)
    return data, data.degraded


@st.cache_resource(show_spinner=False, ttl=HEALTH_FOR, max_entries=1)
def health() -> list[ComponentState]:
    """Every component's state, probed at most every 5 s."""
    return lab().health()


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=8)
def ranking(
    requirements: Requirements, model: str | None, outage_usd_per_hour: float | None
) -> Ranking:
    """Every pool of the market now, ranked for these requirements. Shared: not to be changed."""
    return rank(lab().scored(model), requirements, PolicyParams(), outage_usd_per_hour)


def forget_market() -> None:
    """After a collect: the next read is a new one."""
    market.clear()
    ranking.clear()
    snapshots.clear()


def forget_market_of(version: int) -> None:
    """After another process collected: the first who hears of it forgets, for everybody."""
    known = _market_version()
    if known != [version]:
        known[:] = [version]
        forget_market()


@st.cache_resource(show_spinner=False, max_entries=1)
def _market_version() -> list[int]:
    """Which news of the market this server has read."""
    return []


def fleet() -> list[Instance]:
    """The instances that are looked after, as far as this reader sees them."""
    return desk().instances.list()


def decisions() -> Mapping[str, ExperimentSummary]:
    """The newest decision about each instance that this reader sees."""
    return desk().decisions.latest_per_instance()


def experiment(experiment_id: int) -> Experiment:
    """One decision, whole. Raises NotFound, also where this reader does not see its account."""
    return desk().decisions.shown(_experiment(experiment_id))


@st.cache_resource(show_spinner=False, ttl=timedelta(minutes=10), max_entries=16)
def _experiment(experiment_id: int) -> Experiment:
    """It never changes; whoever asks is asked who they are first."""
    return lab().store.ledger.get(experiment_id)


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=1)
def snapshots() -> list[SnapshotInfo]:
    """What has been collected for the active market, newest first."""
    store = lab().store.archive
    active = store.active_market()
    return store.infos(active) if active is not None else []
