"""Each component's state, from a probe or from what it last did. Runtime floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from spotlab.domain.ports import ComponentState
from spotlab.errors import SpotlabError
from spotlab.pipeline.collect import ADVISOR_SCRAPER, PRICE_SCRAPER
from spotlab.runtime.fleet import INSTANCE_MANAGER
from spotlab.runtime.models import notices

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

STALE_AFTER = 3.0
"""A scraper is degraded when its last success is older than this many collect intervals."""


def probe_all(lab: Lab) -> list[ComponentState]:
    """Every component, probed now: databases by a round trip, scrapers by what they last did."""
    return list(_states(lab))


def _states(lab: Lab) -> Iterator[ComponentState]:
    yield _scraper(lab, ADVISOR_SCRAPER)
    yield _scraper(lab, PRICE_SCRAPER)
    yield _probed(lab, "database", lab.store.ping, lambda: str(lab.store.describe()["dialect"]))
    yield _probed(lab, "Redis cache", lambda: lab.open_online().ping(), lambda: _server(lab))
    yield _optimizer(lab)
    yield _probed(lab, "ML inference", lambda: _load_champion(lab), lambda: _models(lab))
    yield _last_outcome(lab, INSTANCE_MANAGER, "The fleet has not been listed yet.")
    up_s = time.monotonic() - lab.started_at
    now = lab.clock.now()
    yield ComponentState("app server", "healthy", f"answers; up {up_s / 60:.0f} min", now, 0.0, now)


def _probed(
    lab: Lab, name: str, probe: Callable[[], float], describe: Callable[[], str]
) -> ComponentState:
    now = lab.clock.now()
    last = _last_success(lab, name)
    try:
        latency_ms = probe() * 1e3
        reason = describe()
    except SpotlabError as exc:
        return ComponentState(name, "down", str(exc), last, None, now)
    return ComponentState(name, "healthy", reason, now, latency_ms, now)


def _scraper(lab: Lab, name: str) -> ComponentState:
    state = _last_outcome(lab, name, "Nothing has been collected yet.")
    limit_s = STALE_AFTER * lab.settings.collect_max_age_s
    if state.state != "healthy" or state.last_success_at is None:
        return state
    age_s = (lab.clock.now() - state.last_success_at).total_seconds()
    if age_s <= limit_s:
        return state
    reason = f"Last success {age_s / 60:.0f} min ago, expected every {limit_s / 60:.0f} min."
    return ComponentState(
        name, "degraded", reason, state.last_success_at, state.latency_ms, state.checked_at
    )


def _last_outcome(lab: Lab, name: str, never: str) -> ComponentState:
    now = lab.clock.now()
    try:
        last = lab.store.health.last(name)
        success = _last_success(lab, name)
    except SpotlabError as exc:
        return ComponentState(name, "unknown", str(exc), None, None, now)
    if last is None:
        return ComponentState(name, "unknown", never, None, None, now)
    state = "healthy" if last.state == "healthy" else "degraded" if success else "down"
    reason = last.reason or "The last run succeeded."
    return ComponentState(name, state, reason, success, last.latency_ms, last.checked_at)


def _last_success(lab: Lab, name: str) -> datetime | None:
    try:
        success = lab.store.health.last(name, ok=True)
    except SpotlabError:
        return None
    return success.checked_at if success is not None else None


def _optimizer(lab: Lab) -> ComponentState:
    name, now = "linear optimizer", lab.clock.now()
    try:
        recent = lab.store.ledger.list(limit=20)
    except SpotlabError as exc:
        return ComponentState(name, "unknown", str(exc), None, None, now)
    if not recent:
        return ComponentState(name, "unknown", "Nothing has been evaluated yet.", None, None, now)
    failed = [row for row in recent if row.error]
    succeeded = [row.created_at for row in recent if not row.error]
    state = "down" if not succeeded else "degraded" if failed else "healthy"
    reason = failed[0].error if failed else f"The last {len(recent)} evaluations succeeded."
    return ComponentState(
        name, state, reason, max(succeeded, default=None), recent[0].duration_ms, now
    )


def _load_champion(lab: Lab) -> float:
    began = time.perf_counter()
    lab.model()
    return time.perf_counter() - began


def _models(lab: Lab) -> str:
    model = lab.model()
    wanting = notices(lab.models(), lab.predictor.available())
    return " ".join([f"{model.name}@{model.version}", *(f"· {notice}" for notice in wanting)])


def _server(lab: Lab) -> str:
    info = lab.open_online().info()
    return f"{info.get('server', 'server')} {info.get('version', '')}".strip()
