"""Guards of switches: levels, limits, time windows and approval, as data that users set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spotlab.errors import InvalidInput

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_WINDOWS: Final = 28
EVERYWHERE: Final = ""
"""The scope of the whole installation; the others are names of accounts."""
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_WINDOW: Final = re.compile(r"([a-z]+(?:,[a-z]+)*) ([0-9:]{5})-([0-9:]{5})(?: ([A-Za-z0-9_+/-]+))?")


class SwitchingMode(StrEnum):
    """How far switches may go; an earlier member is stricter."""

    OFF = "off"
    """Switches are refused."""
    DRY_RUN = "dry-run"
    """The calls are listed, not made."""
    ON = "on"
    """Switches change AWS, if every level is on."""


_STRICTEST_FIRST: Final = tuple(SwitchingMode)


@dataclass(frozen=True, slots=True)
class Level:
    """The mode of one of the three levels.

    Args:
        name: "the installation", "the account acme" or "the instance i-…".
        mode: what it allows.
        remedy: how it is changed.
    """

    name: str
    mode: SwitchingMode
    remedy: str

    @property
    def sentence(self) -> str:
        """What it means for a switch."""
        meaning = {
            SwitchingMode.OFF: "Switching is off for {}.",
            SwitchingMode.DRY_RUN: "Switches of {} are dry runs.",
            SwitchingMode.ON: "Switching is on for {}.",
        }
        return meaning[self.mode].format(self.name)


@dataclass(frozen=True, slots=True)
class Levels:
    """What the three levels allow together.

    Args:
        installation, account, instance: the levels.
    """

    installation: Level
    account: Level
    instance: Level

    @property
    def all(self) -> tuple[Level, ...]:
        """From the outermost to the innermost."""
        return (self.installation, self.account, self.instance)

    @property
    def decisive(self) -> Level:
        """The strictest level; of equal ones the outermost."""
        return min(self.all, key=lambda level: _STRICTEST_FIRST.index(level.mode))

    @property
    def mode(self) -> SwitchingMode:
        """The strictest mode of the three."""
        return self.decisive.mode


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Hours of some weekdays in which a switch may begin.

    Args:
        days: of WEEKDAYS, on which it begins.
        start, end: "HH:MM"; an end that is not after the start is on the next day.
        time_zone: such as "Europe/Berlin".
    """

    days: tuple[str, ...]
    start: str
    end: str
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Check the values. Raises InvalidInput."""
        unknown = [day for day in self.days if day not in WEEKDAYS]
        if unknown or not self.days or len(set(self.days)) != len(self.days):
            raise InvalidInput(
                f"The days of a time window are {', '.join(self.days) or 'missing'}.",
                remedy=f"Use some of {', '.join(WEEKDAYS)}, each once.",
                field="windows",
            )
        for text in (self.start, self.end):
            if not _TIME.fullmatch(text) or (text == "24:00" and text is self.start):
                raise InvalidInput(
                    f"{text[:20]!r} is not a time of day.",
                    remedy="Use HH:MM, such as 22:00.",
                    field="windows",
                )
        if self.start == self.end:
            raise InvalidInput(
                f"The time window begins and ends at {self.start}.",
                remedy="For whole days, use 00:00 to 24:00.",
                field="windows",
            )
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidInput(
                f"{self.time_zone[:60]!r} is not a time zone.",
                remedy="Use a name of the IANA database, such as Europe/Berlin.",
                field="windows",
            ) from None

    def contains(self, moment: datetime) -> bool:
        """Whether a moment (aware) is in the window."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        today, yesterday = WEEKDAYS[local.weekday()], WEEKDAYS[local.weekday() - 1]
        clock = local.time().replace(tzinfo=None)
        start = time.fromisoformat(self.start)
        if self.end == "24:00":
            return today in self.days and clock >= start
        end = time.fromisoformat(self.end)
        if start < end:
            return today in self.days and start <= clock < end
        return (today in self.days and clock >= start) or (yesterday in self.days and clock < end)

    @classmethod
    def parse(cls, text: str) -> TimeWindow:
        """A window as `text` writes it; without a time zone, UTC. Raises InvalidInput."""
        found = _WINDOW.fullmatch(text.strip())
        if found is None:
            raise InvalidInput(
                f"{text.strip()[:60]!r} is not a time window.",
                remedy="Write it as mon,tue 22:00-04:00 Europe/Berlin.",
                field="windows",
            )
        days, start, end, zone = found.groups()
        return cls(tuple(days.split(",")), start, end, zone or "UTC")

    @property
    def text(self) -> str:
        """As it is entered: "mon,tue 22:00-04:00 Europe/Berlin"."""
        return f"{','.join(self.days)} {self.start}-{self.end} {self.time_zone}"

    @property
    def label(self) -> str:
        """For a person: "mon, tue 22:00 to 04:00 Europe/Berlin"."""
        return f"{', '.join(self.days)} {self.start} to {self.end} {self.time_zone}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Smallest and largest value, unit and meaning of a number among the guards."""

    low: float
    high: float
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class InstallationGuards:
    """Guards of the whole installation.

    Args:
        four_eyes: the user who requested a switch may not approve it.
        approval_minutes: a request that nobody approves expires after this long.
        max_price_change: a change of the target's price by more than this share, up or down, asks
            for approval again.
        switches_per_hour: limit of switches that begin within an hour, in all accounts.
        autonomy_decisions: a policy acts alone on a workload only after this many decisions whose
            outcome is known.
        autonomy_share: lower limit of the share of good ones, by the 95 % Wilson interval.
    """

    four_eyes: bool = True
    approval_minutes: float = 30.0
    max_price_change: float = 0.1
    switches_per_hour: int = 10
    autonomy_decisions: int = 50
    autonomy_share: float = 0.9

    def __post_init__(self) -> None:
        """Check the ranges. Raises InvalidInput."""
        _check_ranges(self, INSTALLATION_LIMITS)


@dataclass(frozen=True, slots=True)
class AccountGuards:
    """Guards of one account.

    Args:
        mode: how far switches of its instances may go.
        autonomy: SpotLab requests switches by itself; those that a policy has earned are approved.
        switches_per_hour: limit of switches that begin within an hour.
        at_once: limit of switches that are under way.
        at_once_per_group: the same within a group of instances.
        per_pool_per_hour: limit of switches into one pool that begin within an hour.
        windows: when a switch may begin; empty: at any time.
        min_saving_usd_per_hour: a switch to another spot pool that is expected to save less is
            refused; 0: any.
        cool_down_h: time after a switch of an instance during which no other begins.
    """

    mode: SwitchingMode = SwitchingMode.OFF
    autonomy: bool = False
    switches_per_hour: int = 4
    at_once: int = 2
    at_once_per_group: int = 1
    per_pool_per_hour: int = 2
    windows: tuple[TimeWindow, ...] = ()
    min_saving_usd_per_hour: float = 0.0
    cool_down_h: float = 6.0

    def __post_init__(self) -> None:
        """Check the ranges. Raises InvalidInput."""
        _check_ranges(self, ACCOUNT_LIMITS)
        if len(self.windows) > MAX_WINDOWS:
            raise InvalidInput(
                f"There are {len(self.windows)} time windows.",
                remedy=f"Use at most {MAX_WINDOWS}.",
                field="windows",
            )

    def open_at(self, moment: datetime) -> bool:
        """Whether a switch may begin at a moment (aware)."""
        return not self.windows or any(window.contains(moment) for window in self.windows)


INSTALLATION_LIMITS: Final[Mapping[str, Limit]] = {
    "approval_minutes": Limit(1, 10_080, "min", "time until a request expires"),
    "max_price_change": Limit(0, 10, "share", "price change that needs a new approval"),
    "switches_per_hour": Limit(0, 1_000, "1/h", "switches an hour, in all accounts"),
    "autonomy_decisions": Limit(1, 100_000, "count", "known outcomes before autonomy"),
    "autonomy_share": Limit(0.5, 1, "share", "least share of good decisions"),
}
ACCOUNT_LIMITS: Final[Mapping[str, Limit]] = {
    "switches_per_hour": Limit(0, 1_000, "1/h", "switches an hour"),
    "at_once": Limit(0, 100, "count", "switches at once"),
    "at_once_per_group": Limit(1, 100, "count", "switches of one group at once"),
    "per_pool_per_hour": Limit(1, 1_000, "1/h", "switches into one pool an hour"),
    "min_saving_usd_per_hour": Limit(0, 1e6, "USD/h", "smallest expected saving"),
    "cool_down_h": Limit(0, 8_760, "h", "time between an instance's switches"),
}


def _check_ranges(guards: Any, limits: Mapping[str, Limit]) -> None:
    for name, limit in limits.items():
        value = getattr(guards, name)
        whole = isinstance(value, int) or limit.unit not in ("1/h", "count")
        if not limit.low <= value <= limit.high or not whole:  # NaN is refused too
            kind = "a whole number" if limit.unit in ("1/h", "count") else limit.unit
            raise InvalidInput(
                f"{name} is {value}.",
                remedy=f"Use {kind}, {limit.low:g} to {limit.high:g}.",
                field=name,
            )


def names_of(guards: type[InstallationGuards] | type[AccountGuards]) -> tuple[str, ...]:
    """The names of the guards, in order."""
    return tuple(each.name for each in fields(guards))


@dataclass(frozen=True, slots=True)
class GuardVersion:
    """One version of the guards of a scope.

    Args:
        scope: EVERYWHERE or the name of an account.
        version: 1, 2, …; 0: never set, the defaults.
        guards: of the installation if the scope is EVERYWHERE, else of the account.
        created_at, created_by, reason: of the change; None and "": the defaults.
    """

    scope: str
    version: int
    guards: InstallationGuards | AccountGuards
    created_at: datetime | None = None
    created_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop of all switches, until it is released.

    Args:
        scope: EVERYWHERE or the name of an account.
        at: since when, aware UTC.
        actor: who stopped them.
        reason: why; "".
    """

    scope: str
    at: datetime
    actor: str
    reason: str = ""

    @property
    def sentence(self) -> str:
        """For a person."""
        where = f" in the account {self.scope}" if self.scope else ""
        why = f': "{self.reason}"' if self.reason else ""
        return f"{self.actor} stopped all switches{where} at {self.at:%Y-%m-%d %H:%M} UTC{why}."
