"""Values of options: numbers within limits, and times.

argparse puts the option's name before what is said here, and exits with 2.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

MOST: Final = 2**31 - 1
HOURS_OF_A_YEAR: Final = 8_766.0
LONGEST_H: Final = 10 * HOURS_OF_A_YEAR
DAY_S: Final = 86_400.0
DEAREST_USD: Final = 1e6
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


def number(
    low: float, high: float, unit: str = "", *, above: bool = False
) -> Callable[[str], float]:
    """What an option takes: a finite number within limits.

    Args:
        low, high: its limits.
        unit: what it counts, such as "hours".
        above: it has to be above the lower limit.
    """

    def parsed(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not low <= value <= high or (above and value == low):
            limits = f"above {low:g}, up to {high:g}" if above else f"from {low:g} to {high:g}"
            raise argparse.ArgumentTypeError(f"{_short(text)} is no number{_of(unit)} {limits}")
        return value

    return parsed


def whole(low: int, high: int = MOST, unit: str = "") -> Callable[[str], int]:
    """What an option takes: a whole number within limits.

    Args:
        low, high: its limits.
        unit: what it counts, such as "trials".
    """

    def parsed(text: str) -> int:
        value = int(text) if _WHOLE.fullmatch(text) else None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{_short(text)} is no whole number{_of(unit)} from {low} to {high}"
            )
        return value

    return parsed


def moment(text: str) -> datetime:
    """What an option takes: an ISO 8601 time with its zone, as aware UTC."""
    return _moment(text, zone_needed=True)


def moment_in_utc(text: str) -> datetime:
    """The same; what has no zone is UTC."""
    return _moment(text, zone_needed=False)


def _moment(text: str, *, zone_needed: bool) -> datetime:
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is None and zone_needed:
            raise argparse.ArgumentTypeError(
                f"{_short(text)} has no time zone; end it with Z for UTC"
            )
        at = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{_short(text)} is no ISO 8601 time") from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise argparse.ArgumentTypeError(
            f"{_short(text)} is not in the years {_FIRST_YEAR} to {_LAST_YEAR}"
        )
    return at


def _of(unit: str) -> str:
    return f" of {unit}" if unit else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
