"""What finished switches have really saved: billed hours and the prices of these hours.

A switch is measured when it is finished, and every hour afterwards while its replacement runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Topic
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Realised, Switch, SwitchState
from spotlab.errors import ChangedMeanwhile, NoMarketData, NotFound
from spotlab.runtime.lab import Lab
from spotlab.switching.prices import price_of

log = logging.getLogger("spotlab.switching.realised_savings")
SECONDS_BILLED_AT_LEAST: Final = 60.0
"""EC2 bills Linux instances by the second, for at least a minute."""
MEASURE_EVERY: Final = timedelta(hours=1)
MEASURE_FOR: Final = timedelta(days=30)
"""After this long, what a switch has saved is no longer measured."""
_MAX_SWITCHES: Final = 10_000
PriceOf = Callable[[Pool, Lifecycle], float | None]
"""Price now, USD per hour; None: unknown."""


def measure(switch: Switch, until: datetime, prices: PriceOf) -> Realised | None:
    """What a switch has saved until a time, at the prices that are known now.

    While both instances ran, both were paid for. The next measurement adds the time since the last
    one at the prices of then, so that hours keep the prices at which they were billed.

    Args:
        switch: with its replacement.
        until: aware UTC.
        prices: now.
    Returns:
        None: a price or the launch time is unknown. An expected saving is no saving.

    Source: AWS, "Amazon EC2 On-Demand Pricing" (per-second billing).
    """
    got, begun_at = switch.got, switch.started_at
    if got is None or begun_at is None:
        return None
    launched_at = got.launched_at or begun_at
    if switch.strategy is Strategy.STOP_START:
        launched_at = begun_at
    before = switch.realised
    since = before.until if before is not None else launched_at
    seconds = max((until - since).total_seconds(), 0.0)
    if before is None:
        seconds = max(seconds, SECONDS_BILLED_AT_LEAST)
    hours = seconds / 3600.0
    price, former = prices(got.pool, got.lifecycle), prices(switch.pool, switch.lifecycle)
    if price is None or former is None:
        return before
    # The instance ran beside its replacement until the switch was finished.
    overlap_end = switch.finished_at or until
    beside = max((min(overlap_end, until) - since) / timedelta(hours=1), 0.0)
    if switch.strategy is Strategy.STOP_START:
        beside = 0.0
    paid, instead = hours * price + beside * former, hours * former
    if before is None:
        return Realised(hours, paid, instead, until)
    return replace(
        before,
        hours=before.hours + hours,
        paid_usd=before.paid_usd + paid,
        instead_usd=before.instead_usd + instead,
        until=until,
    )


@dataclass(slots=True)
class _Memory:
    """When this process last looked; None: never."""

    looked_at: datetime | None = None


def measure_finished(lab: Lab) -> int:
    """Add the hours since the last measurement, at the prices of now, once an hour.

    Args:
        lab: its store and market.
    Returns:
        The number of switches that were measured.
    """
    now, memory = lab.clock.now(), lab.process_state(_Memory)
    if memory.looked_at is not None and timedelta() <= now - memory.looked_at < MEASURE_EVERY / 6:
        return 0
    memory.looked_at = now
    where = SwitchFilter(states=(SwitchState.DONE,), dry_run=False, since=now - MEASURE_FOR)
    measured = 0
    prices: PriceOf | None = None
    for switch in lab.store.switches.list(where, limit=_MAX_SWITCHES):
        if not _is_due(lab, switch, now):
            continue
        try:
            prices = prices or partial(price_of, lab.market())
            realised = measure(switch, now, prices)
            if realised is None or realised == switch.realised:
                continue
            lab.store.switches.save(replace(switch, realised=realised))
        except NoMarketData as exc:
            log.info("switches are not measured: %s", exc)
            break
        except ChangedMeanwhile:
            continue
        measured += 1
    if measured:
        lab.bus.publish(Topic.SWITCHES)
    return measured


def _is_due(lab: Lab, switch: Switch, now: datetime) -> bool:
    """Whether its replacement still runs and the last measurement is an hour old."""
    if switch.got is None:
        return False
    last = switch.realised.until if switch.realised is not None else switch.finished_at
    if last is not None and now - last < MEASURE_EVERY:
        return False
    try:
        replacement = lab.store.fleet.instance(switch.got.instance_id)
    except NotFound:  # the next listing of the fleet shows it
        return False
    return replacement.active and replacement.state == "running"
