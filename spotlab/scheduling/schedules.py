"""Schedules of jobs: parsing, and the next due time.

Uses APScheduler's triggers (https://apscheduler.readthedocs.io/en/3.x/), but not its scheduler or
job stores (docs/adr/0017-scheduler.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from spotlab.errors import InvalidInput
from spotlab.scheduling.job_catalogue import AT_START
from spotlab.telemetry.invisible_characters import visible

_EVERY: Final = re.compile(r"every\s+(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}
SHORTEST_S, LONGEST_S = 5.0, 31 * 86400.0
LONGEST_TEXT = 100
_FORMS: Final = 'Write "every 600 s" (or min, h, d), or five cron fields in UTC ("15 3 * * *").'
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_DAY_OF_WEEK: Final = 4


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due.

    Args:
        text: the schedule as written.
        trigger: APScheduler's trigger; None: at start only.
    """

    text: str
    trigger: IntervalTrigger | CronTrigger | None

    def after(self, now: datetime) -> datetime | None:
        """The first due time after `now`, aware UTC; None: at start only."""
        if self.trigger is None:
            return None
        found: datetime | None = self.trigger.get_next_fire_time(None, now + _TICK)
        return None if found is None else found.astimezone(UTC)

    def jitter_s(self, wanted_s: float) -> float:
        """The allowed delay of a due time: at most half an interval, or 30 s with a cron line."""
        if isinstance(self.trigger, IntervalTrigger):
            return min(wanted_s, float(self.trigger.interval_length) / 2)
        return min(wanted_s, 30.0)


@lru_cache(maxsize=256)
def parse(text: str) -> Schedule:
    """A schedule from its text.

    Intervals are counted from a fixed moment, so that due times do not change with a restart.

    Raises:
        InvalidInput: the text is not a valid schedule; the remedy shows the valid forms.

    >>> parse("every 10 min").after(datetime(2026, 3, 1, 12, 3, tzinfo=UTC)).minute
    10
    >>> str(parse("15 3 * * mon").after(datetime(2026, 3, 1, 12, 3, tzinfo=UTC)))
    '2026-03-02 03:15:00+00:00'
    """
    plain = " ".join(text.split())
    if len(plain) > LONGEST_TEXT or not plain.isascii():
        raise InvalidInput(f"{visible(plain[:40])!r}… is not a valid schedule.", remedy=_FORMS)
    if plain == AT_START:
        return Schedule(plain, None)
    if plain.startswith("every"):
        return Schedule(plain, _interval(plain))
    return Schedule(plain, _cron(plain))


def _interval(text: str) -> IntervalTrigger:
    found = _EVERY.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text!r} is not a valid schedule.", remedy=_FORMS)
    seconds = float(found[1]) * _SECONDS[found[2]]
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InvalidInput(
            f"{text!r} is too {'frequent' if seconds < SHORTEST_S else 'rare'}.",
            remedy=f"Use {SHORTEST_S:.0f} s to {LONGEST_S / 86400:.0f} d.",
        )
    return IntervalTrigger(seconds=seconds, start_date=_EPOCH, timezone=UTC)


def _cron(text: str) -> CronTrigger:
    fields = text.split()
    if len(fields) != 5:
        raise InvalidInput(f"{text!r} is not a valid schedule.", remedy=_FORMS)
    if any(character.isdigit() for character in fields[_DAY_OF_WEEK]):
        raise InvalidInput(
            f"{text!r} gives days of the week as numbers, which is ambiguous: cron counts from "
            "Sunday, APScheduler from Monday.",
            remedy="Use names, such as mon-fri.",
        )
    try:
        trigger = CronTrigger.from_crontab(text, timezone=UTC)
    except ValueError as exc:
        raise InvalidInput(f"{text!r} is not a valid schedule: {exc}.", remedy=_FORMS) from None
    if trigger.get_next_fire_time(None, _EPOCH) is None:
        raise InvalidInput(f"{text!r} names a date that does not exist.", remedy=_FORMS)
    return trigger
