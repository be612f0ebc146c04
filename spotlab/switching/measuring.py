"""What finished switches have really saved so far, measured again while their replacements run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.ports import Topic
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import ChangedMeanwhile, NoMarketData, NotFound
from spotlab.runtime.lab import Lab
from spotlab.switching import savings

log = logging.getLogger("spotlab.switching.measuring")
EVERY: Final = timedelta(hours=1)
FOR: Final = timedelta(days=30)
"""After this long, what a switch has saved is no longer measured."""
_MAX: Final = 10_000


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
    if memory.looked_at is not None and timedelta() <= now - memory.looked_at < EVERY / 6:
        return 0
    memory.looked_at = now
    where = SwitchFilter(states=(SwitchState.DONE,), dry_run=False, since=now - FOR)
    measured = 0
    prices: savings.PriceOf | None = None
    for switch in lab.store.switches.list(where, limit=_MAX):
        if not _is_due(lab, switch, now):
            continue
        try:
            prices = prices or savings.prices_in(lab.market())
            realised = savings.measure(switch, now, prices)
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
    if last is not None and now - last < EVERY:
        return False
    try:
        replacement = lab.store.fleet.instance(switch.got.instance_id)
    except NotFound:  # the next listing of the fleet shows it
        return False
    return replacement.active and replacement.state == "running"
