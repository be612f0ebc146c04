"""What is known of app servers and the scheduler, by their signs of life. Runtime floor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spotlab.domain.components import APP_SERVER, DEGRADED, DOWN, HEALTHY, SCHEDULER, UNKNOWN
from spotlab.domain.ports import ComponentState
from spotlab.domain.uptime import MAX_HOLD

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

FRESH: Final = MAX_HOLD
"""A sign of life older than this is none."""
_SHOWN: Final = 3


def app_server(lab: Lab) -> ComponentState:
    """Whether an app server runs, on whichever machine."""
    now = lab.clock.now()
    seen = lab.store.signs.processes("app")
    if not seen:
        reason = "No app server has given a sign of life yet."
        return ComponentState(APP_SERVER, UNKNOWN, reason, None, None, now)
    newest = max(each.seen_at for each in seen)
    alive = [each for each in seen if now - each.seen_at <= FRESH]
    if not alive:
        age_s = (now - newest).total_seconds()
        reason = f"No sign of life for {age_s / 60:.0f} min."
        return ComponentState(APP_SERVER, DOWN, reason, newest, None, now)
    named = ", ".join(f"{each.host} ({each.pid})" for each in alive[:_SHOWN])
    more = f" and {len(alive) - _SHOWN} more" if len(alive) > _SHOWN else ""
    count = f"{len(alive)} app server{'' if len(alive) == 1 else 's'}"
    return ComponentState(APP_SERVER, HEALTHY, f"{count}: {named}{more}.", newest, None, now)


def scheduler(lab: Lab) -> ComponentState:
    """Whether jobs are being run, by whichever process leads."""
    now = lab.clock.now()
    last = lab.store.signs.last_runs()
    if not last:
        reason = "No job has been run yet."
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
        reason = f"{len(failed)} of {len(last)} jobs failed last time: {worst.job}: {worst.cause}"
        return ComponentState(SCHEDULER, DEGRADED, reason, success, None, now)
    reason = f"{len(last)} jobs ran within a day, each without a failure the last time."
    return ComponentState(SCHEDULER, HEALTHY, reason, success, None, now)
