"""The lab and what pages share of it, each for a limited time.

Pages reach the lab through `desk()` alone. What is cached is shared between readers: who asks is
asked before the cache, and what belongs to an account again after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Instance, Requirements
from spotlab.domain.market import MarketData
from spotlab.domain.ports import ExperimentSummary, SnapshotInfo, Topic
from spotlab.errors import NoMarketData
from spotlab.monitoring.health.report import Health
from spotlab.pipeline.rank import Ranking
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Desk
from spotlab.settings import Settings
from spotlab.ui.common import background_tasks, identity

MARKET_FOR = timedelta(seconds=30)
HEALTH_FOR = timedelta(seconds=15)


@st.cache_resource(show_spinner=False, max_entries=1)
def lab() -> Lab:
    """The one lab of this server."""
    return app_process.lab()


def desk() -> Desk:
    """What this reader may see and do."""
    return Desk(lab(), identity.current())


def later() -> Callable[[], Desk]:
    """The same, for a file that is made when it is clicked on: whoever asks is asked anew then."""
    asked = identity.later()
    return lambda: Desk(app_process.lab(), asked())


def reader() -> Desk:
    """The same, of somebody who may read: asked before a cache that others fill too.

    Raises:
        Forbidden: they may not.
    """
    mine = desk()
    mine.who.require(Right.READ)
    return mine


@st.cache_resource(show_spinner=False, max_entries=1)
def first_run() -> background_tasks.Run[None]:
    """Fleet, market and first decisions, once a server; every reader sees the same progress."""
    opened = lab()
    return background_tasks.start("Getting ready", lambda tell, _stopped: get_ready(opened, tell))


def by_accounts(desk: Desk) -> object:
    """The key of a cache that only those share who see the same accounts."""
    return desk.who.accounts


def now() -> datetime:
    """The time, as the lab has it."""
    return lab().clock.now()


def settings() -> Settings:
    """As loaded; secrets in it are masked where they are shown."""
    return lab().settings


def market() -> MarketData:
    """The active market, read at most every 30 s. Shared: not to be changed."""
    return _market(reader())


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=2)
def _market(_desk: Desk) -> MarketData:
    return _desk.market.read()


def market_if_any() -> tuple[MarketData | None, tuple[str, ...]]:
    """The market, and why it is less than it should be; None where nothing was collected."""
    try:
        data = market()
    except NoMarketData as exc:
        return None, (str(exc),)
    return data, data.degraded


def health() -> Health:
    """Every component and its last 24 hours, read at most every 15 s for those who see the same
    accounts. Shared: not to be changed."""
    return _health(reader(), lab().bus.version(Topic.HEALTH))


@st.cache_resource(
    show_spinner=False, ttl=HEALTH_FOR, max_entries=8, hash_funcs={Desk: by_accounts}
)
def _health(desk: Desk, news: int) -> Health:  # noqa: ARG001  (a state that changed is read anew)
    return desk.health.read()


def ranking(
    requirements: Requirements, model: str | None, workload_usd_per_hour: float | None
) -> Ranking:
    """Every pool of the market now, ranked for these requirements. Shared: not to be changed."""
    return _ranking(requirements, model, workload_usd_per_hour, reader())


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=8)
def _ranking(
    requirements: Requirements, model: str | None, workload_usd_per_hour: float | None, _desk: Desk
) -> Ranking:
    return _desk.market.rank(requirements, None, model, workload_usd_per_hour)


def forget_market() -> None:
    """After a collect: the next read is a new one."""
    _market.clear()
    _ranking.clear()
    _snapshots.clear()


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
    """The instances that are managed, as far as this reader sees them."""
    return desk().instances.list()


def decisions() -> Mapping[str, ExperimentSummary]:
    """The newest decision about each instance that this reader sees."""
    return desk().decisions.latest_per_instance()


def experiment(experiment_id: int) -> Experiment:
    """One decision, whole. Raises NotFound, also where this reader does not see its account."""
    asked = reader()
    return asked.decisions.shown(_experiment(experiment_id, asked))


@st.cache_resource(show_spinner=False, ttl=timedelta(minutes=10), max_entries=16)
def _experiment(experiment_id: int, _desk: Desk) -> Experiment:
    """It never changes; whoever asks is asked who they are again, after this cache."""
    return _desk.decisions.get(experiment_id)


def snapshots() -> Sequence[SnapshotInfo]:
    """What has been collected for the active market, newest first."""
    return _snapshots(reader())


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=1)
def _snapshots(_desk: Desk) -> Sequence[SnapshotInfo]:
    return _desk.market.snapshots()
