"""Probes of the components: by a round trip, or by the outcome of their last work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from spotlab.domain.components import (
    ADVISOR_SCRAPER,
    APP_SERVER,
    DATABASE,
    DEGRADED,
    DOWN,
    HEALTHY,
    INSTANCE_MANAGER,
    LINEAR_OPTIMIZER,
    ML_INFERENCE,
    PRICE_SCRAPER,
    REDIS_CACHE,
    SCHEDULER,
    UNKNOWN,
)
from spotlab.domain.ports import ComponentState, RiskModel
from spotlab.errors import DatabaseDown, SpotlabError
from spotlab.runtime.model_registration import notices

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab
from spotlab.domain.uptime import MAX_HOLD

FRESH: Final = MAX_HOLD
"""Older heartbeats do not count."""
_MAX_SHOWN: Final = 3


def app_server(lab: Lab) -> ComponentState:
    """Whether an app server runs, on any machine."""
    now = lab.clock.now()
    processes = lab.store.heartbeats.processes("app")
    if not processes:
        reason = "No app server has sent a heartbeat yet."
        return ComponentState(APP_SERVER, UNKNOWN, reason, None, None, now)
    newest = max(each.seen_at for each in processes)
    alive = [each for each in processes if now - each.seen_at <= FRESH]
    if not alive:
        age_s = (now - newest).total_seconds()
        reason = f"No heartbeat for {age_s / 60:.0f} min."
        return ComponentState(APP_SERVER, DOWN, reason, newest, None, now)
    names = ", ".join(f"{each.host} ({each.pid})" for each in alive[:_MAX_SHOWN])
    more = f" and {len(alive) - _MAX_SHOWN} more" if len(alive) > _MAX_SHOWN else ""
    count = f"{len(alive)} app server{'' if len(alive) == 1 else 's'}"
    return ComponentState(APP_SERVER, HEALTHY, f"{count}: {names}{more}.", newest, None, now)


def scheduler(lab: Lab) -> ComponentState:
    """Whether jobs run, in whichever process is the leader."""
    now = lab.clock.now()
    last = lab.store.heartbeats.last_runs()
    if not last:
        reason = "No job has run yet."
        return ComponentState(SCHEDULER, UNKNOWN, reason, None, None, now)
    newest = max(run.started_at for run in last)
    success = max((run.ended_at for run in last if run.ok and run.ended_at), default=None)
    if now - newest > FRESH:
        age_s = (now - newest).total_seconds()
        reason = f"No job has started for {age_s / 60:.0f} min."
        return ComponentState(SCHEDULER, DOWN, reason, success, None, now)
    failed = [run for run in last if run.failed]
    if failed:
        worst = max(failed, key=lambda run: run.started_at)
        reason = (
            f"The last run of {len(failed)} of {len(last)} jobs failed. {worst.job}: {worst.cause}"
        )
        return ComponentState(SCHEDULER, DEGRADED, reason, success, None, now)
    reason = f"{len(last)} jobs ran within a day; the last run of each succeeded."
    return ComponentState(SCHEDULER, HEALTHY, reason, success, None, now)


STALE_AFTER: Final = 3.0
"""Degraded when the last success is older than this many of its intervals."""
FEEDS_EVERY_S: Final = 6 * 3600.0
"""The scheduler's interval: advisor buckets change about daily."""
LAST_EVALUATIONS: Final = 20


def _regular_work(lab: Lab, name: str, never: str, every_s: float) -> ComponentState:
    """A component judged by its last outcome, and by the age of its last success."""
    state = _last_outcome(lab, name, never)
    if state.state != HEALTHY or state.last_success_at is None:
        return state
    age_s = (lab.clock.now() - state.last_success_at).total_seconds()
    if age_s <= STALE_AFTER * every_s:
        return state
    reason = f"Last success {age_s / 60:.0f} min ago; usually about every {every_s / 60:.0f} min."
    return replace(state, state=DEGRADED, reason=reason)


def _advisor_scraper(lab: Lab) -> ComponentState:
    every_s = max(FEEDS_EVERY_S, lab.settings.collect_max_age_s)
    return _regular_work(lab, ADVISOR_SCRAPER, "Nothing has been collected yet.", every_s)


def _price_scraper(lab: Lab) -> ComponentState:
    every_s = lab.settings.collect_max_age_s
    return _regular_work(lab, PRICE_SCRAPER, "Nothing has been collected yet.", every_s)


def _instance_manager(lab: Lab) -> ComponentState:
    every_s = lab.settings.collect_max_age_s
    return _regular_work(lab, INSTANCE_MANAGER, "The fleet has not been listed yet.", every_s)


def _last_outcome(lab: Lab, name: str, never: str) -> ComponentState:
    now, last = lab.clock.now(), lab.store.health.last(name)
    if last is None:
        return ComponentState(name, UNKNOWN, never, None, None, now)
    success = last.last_success_at
    state = HEALTHY if last.state == HEALTHY else DEGRADED if success else DOWN
    reason = last.reason or "The last run succeeded."
    return ComponentState(name, state, reason, success, last.latency_ms, now)


def _database(lab: Lab) -> ComponentState:
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    dialect = lab.store.engine.dialect.name
    state = _round_trip(lab, DATABASE, lab.store.ping, lambda: names.get(dialect, dialect))
    if state.state == HEALTHY and (why := lab.store.write_failure()):
        return replace(state, state=DEGRADED, reason=why)
    return state


def _redis(lab: Lab) -> ComponentState:
    state = _round_trip(lab, REDIS_CACHE, lambda: lab.open_online().ping(), lambda: _server(lab))
    if state.state != HEALTHY:
        return state
    try:
        found = lab.open_online().limitations()
    except SpotlabError as exc:
        return ComponentState(REDIS_CACHE, DOWN, str(exc), None, None, state.checked_at)
    return replace(state, state=DEGRADED, reason=" ".join(found)) if found else state


def _inference(lab: Lab) -> ComponentState:
    loaded: list[RiskModel] = []
    return _round_trip(
        lab,
        ML_INFERENCE,
        lambda: _load_champion(lab, loaded),
        lambda: _describe_model(lab, loaded[0]),
    )


def _round_trip(
    lab: Lab, name: str, probe: Callable[[], float], describe: Callable[[], str]
) -> ComponentState:
    now = lab.clock.now()
    try:
        latency_ms = probe() * 1e3
        reason = describe()
    except SpotlabError as exc:
        if isinstance(exc, DatabaseDown) and name != DATABASE:
            raise
        return ComponentState(name, DOWN, str(exc), None, None, now)
    return ComponentState(name, HEALTHY, reason, now, latency_ms, now)


def _optimizer(lab: Lab) -> ComponentState:
    name, now = LINEAR_OPTIMIZER, lab.clock.now()
    recent = lab.store.ledger.list(limit=LAST_EVALUATIONS)
    if not recent:
        return ComponentState(name, UNKNOWN, "Nothing has been evaluated yet.", None, None, now)
    failed = [row for row in recent if row.error]
    succeeded = [row.created_at for row in recent if not row.error]
    state = DOWN if not succeeded else DEGRADED if failed else HEALTHY
    reason = f"The last {len(recent)} evaluations succeeded."
    if failed:
        reason = f"{len(failed)} of the last {len(recent)} evaluations failed: {failed[0].error}"
    return ComponentState(
        name, state, reason, max(succeeded, default=None), recent[0].duration_ms, now
    )


def _load_champion(lab: Lab, into: list[RiskModel]) -> float:
    began = time.perf_counter()
    into.append(lab.model())
    return time.perf_counter() - began


def _describe_model(lab: Lab, model: RiskModel) -> str:
    texts = notices(lab.models(), lab.predictor.available())
    return " ".join([f"{model.name}@{model.version}", *(f"· {notice}" for notice in texts)])


def _server(lab: Lab) -> str:
    info = lab.open_online().info()
    return f"{info.get('server', 'server')} {info.get('version', '')}".strip()


PROBES: Final[dict[str, Callable[[Lab], ComponentState]]] = {
    ADVISOR_SCRAPER: _advisor_scraper,
    PRICE_SCRAPER: _price_scraper,
    DATABASE: _database,
    REDIS_CACHE: _redis,
    LINEAR_OPTIMIZER: _optimizer,
    ML_INFERENCE: _inference,
    INSTANCE_MANAGER: _instance_manager,
    APP_SERVER: app_server,
    SCHEDULER: scheduler,
}
"""A probe raises DatabaseDown if its component's state is in the database."""

ANSWERS_ITSELF: Final = frozenset({DATABASE, REDIS_CACHE, ML_INFERENCE})
"""Components that are probed directly: no response in time means down; for the others, unknown."""

LOADS_FIRST: Final = frozenset({ML_INFERENCE})
"""Components that are loaded by their first probe: slow does not mean down."""


def last_success(lab: Lab, name: str) -> datetime | None:
    """The last success of a component in the recorded probes; None: unknown."""
    try:
        return lab.store.probes.last_success(name)
    except SpotlabError:
        return None
