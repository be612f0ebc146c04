"""The lab, the services of this user, and cached reads that pages share.

Pages reach the lab only through `services()`. Caches are shared by users: the right to read is
checked before a cache is used, and access to an account again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Instance
from spotlab.domain.decision_explanation import DecisionExplanation
from spotlab.domain.market import MarketData
from spotlab.domain.ports import ExperimentSummary, SnapshotInfo, Topic
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, Workload
from spotlab.errors import NoMarketData
from spotlab.monitoring.health.report import Health
from spotlab.pipeline.rank import Ranking
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Services
from spotlab.services.workload_consequence import Consequence
from spotlab.settings import Settings
from spotlab.ui.common import background_tasks, identity

MARKET_FOR = timedelta(seconds=30)
HEALTH_FOR = timedelta(seconds=15)


@st.cache_resource(show_spinner=False, max_entries=1)
def lab() -> Lab:
    """The lab of this server."""
    return app_process.lab()


def services() -> Services:
    """The services, with the rights of this user."""
    return Services(lab(), identity.current())


def deferred_services() -> Callable[[], Services]:
    """A function that returns the services when a deferred file is built; checks the user then."""
    reader = identity.deferred_reader()
    return lambda: Services(app_process.lab(), reader())


def reader() -> Services:
    """The services, if this user may read; called before a shared cache is used.

    Raises:
        Forbidden: they may not.
    """
    allowed = services()
    allowed.principal.require(Right.READ)
    return allowed


@st.cache_resource(show_spinner=False, max_entries=1)
def first_run() -> background_tasks.Run[None]:
    """The server's first run: fleet, market and first decisions; all users see its progress."""
    shared_lab = lab()
    return background_tasks.start("Preparing", lambda tell, _stopped: get_ready(shared_lab, tell))


def by_accounts(services: Services) -> object:
    """The key of a cache that is shared by users who see the same accounts."""
    return services.principal.accounts


def now() -> datetime:
    """The time of the lab's clock."""
    return lab().clock.now()


def settings() -> Settings:
    """The settings as loaded; secrets in them are masked when shown."""
    return lab().settings


def market() -> MarketData:
    """The active market, read at most every 30 s. Shared: do not modify."""
    return _market(reader())


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=2)
def _market(_services: Services) -> MarketData:
    return _services.market.read()


def market_if_any() -> tuple[MarketData | None, tuple[str, ...]]:
    """The market and why it is degraded; None and the reason if no market has been collected."""
    try:
        data = market()
    except NoMarketData as exc:
        return None, (str(exc),)
    return data, data.degraded


def health() -> Health:
    """All components and their last 24 hours, read at most every 15 s. Shared by users who see the
    same accounts: do not modify."""
    return _health(reader(), lab().bus.version(Topic.HEALTH))


@st.cache_resource(
    show_spinner=False, ttl=HEALTH_FOR, max_entries=8, hash_funcs={Services: by_accounts}
)
def _health(services: Services, version: int) -> Health:  # noqa: ARG001  (reads again after a change)
    return services.health.read()


def applied_workload(instance: Instance | None) -> AppliedWorkload:
    """The workload of an instance, and the rule that chose it; the default for no instance."""
    if instance is None:
        return NO_WORKLOAD
    return reader().workloads.applied([instance])[instance.instance_id]


def decided(
    instance: Instance, applied: AppliedWorkload, requirements: Requirements | None = None
) -> tuple[Experiment, Ranking]:
    """What an evaluation would decide now, and the ranking. Shared: not to be changed.

    Args:
        instance: the instance.
        applied: its workload.
        requirements: instead of its own or derived ones, for a what-if; None: those.
    """
    key = (
        instance.instance_id,
        instance.pool,
        instance.lifecycle,
        instance.model,
        _policy_version(),
        instance.requirements,
    )
    return _decided(key, applied, requirements, instance, reader())


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=8)
def _decided(
    key: tuple[object, ...],  # noqa: ARG001  stands for the instance
    applied: AppliedWorkload,
    requirements: Requirements | None,
    _instance: Instance,
    _services: Services,
) -> tuple[Experiment, Ranking]:
    return _services.market.decide(_instance, applied, requirements)


def ranking(requirements: Requirements, workload: Workload) -> Ranking:
    """Every pool of the market now, ranked for no instance. Shared: not to be changed.

    Args:
        requirements: what a pool must offer.
        workload: says what an interruption costs.
    """
    return _ranking(_policy_version(), requirements, workload, reader())


def _policy_version() -> int:
    """Changes with the active policy."""
    return lab().bus.version(Topic.POLICIES)


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=8)
def _ranking(
    version: int,  # noqa: ARG001  ranks again after a change of policies
    requirements: Requirements,
    workload: Workload,
    _services: Services,
) -> Ranking:
    return _services.market.rank(requirements, workload=workload)


def workload_consequence(workload: Workload) -> Consequence:
    """What a workload would change now; computed at most every 30 s for the same workload."""
    bus = lab().bus
    versions = tuple(bus.version(each) for each in (Topic.MARKET, Topic.FLEET, Topic.POLICIES))
    return _workload_consequence(repr(workload), versions, workload, reader())


@st.cache_resource(
    show_spinner=False, ttl=MARKET_FOR, max_entries=32, hash_funcs={Services: by_accounts}
)
def _workload_consequence(
    key: str,  # noqa: ARG001  stands for the workload
    versions: tuple[int, ...],  # noqa: ARG001  computed again after a change
    _workload: Workload,
    services: Services,
) -> Consequence:
    return services.workloads.consequence(_workload)


def forget_market() -> None:
    """Clear the cached market; called after a collection."""
    _market.clear()
    _ranking.clear()
    _decided.clear()
    _snapshots.clear()


def forget_market_of(version: int) -> None:
    """Clear the cached market of all users, unless it was cleared for this version already."""
    cleared_for = _market_version()
    if cleared_for != [version]:
        cleared_for[:] = [version]
        forget_market()


@st.cache_resource(show_spinner=False, max_entries=1)
def _market_version() -> list[int]:
    """The version of the market topic for which the cache was last cleared."""
    return []


def fleet() -> list[Instance]:
    """The managed instances that this user may see."""
    return services().instances.list()


def decisions() -> Mapping[str, ExperimentSummary]:
    """The newest decision about each instance that this user may see."""
    return services().experiments.latest_per_instance()


def experiment(experiment_id: int) -> Experiment:
    """One decision with all its inputs. Raises NotFound, also if this user may not see it."""
    services = reader()
    return services.experiments.if_visible(_experiment(experiment_id, services))


@st.cache_resource(show_spinner=False, ttl=timedelta(minutes=10), max_entries=16)
def _experiment(experiment_id: int, _services: Services) -> Experiment:
    """Decisions never change; access is checked again after this cache."""
    return _services.experiments.get(experiment_id)


def decision_explanation(experiment_id: int) -> DecisionExplanation:
    """Why a decision was made, and what would change it. Raises NotFound, InvalidInput."""
    services = reader()
    services.experiments.if_visible(_experiment(experiment_id, services))
    return _decision_explanation(experiment_id, services)


@st.cache_resource(
    show_spinner="Looking for what would change it", ttl=timedelta(minutes=10), max_entries=64
)
def _decision_explanation(experiment_id: int, _services: Services) -> DecisionExplanation:
    """Decisions never change; access is checked before this cache."""
    return _services.explanations.of_decision(experiment_id)


def snapshots() -> Sequence[SnapshotInfo]:
    """The newest snapshot of each feed and region of the active market."""
    return _snapshots(reader())


@st.cache_resource(show_spinner=False, ttl=MARKET_FOR, max_entries=1)
def _snapshots(_services: Services) -> Sequence[SnapshotInfo]:
    return _services.market.snapshots()
