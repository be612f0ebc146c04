"""Arguments that several commands share, and types of argument values.

argparse puts the option's name before the messages raised here, and exits with 2.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from spotlab.domain.market import Pool

MAX_INT: Final = 2**31 - 1
HOURS_OF_A_YEAR: Final = 8_766.0
MAX_H: Final = 10 * HOURS_OF_A_YEAR
DAY_S: Final = 86_400.0
MAX_USD: Final = 1e6
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Add --reason, for commands that change something."""
    parser.add_argument("--reason", default="", help="reason for the change, recorded with it")


def add_trace_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a recorded file may lack: --polarity, --gap-s, --columns, --zone-ids."""
    parser.add_argument(
        "--polarity", choices=["available", "unavailable"], help="meaning of 1 in a CSV trace"
    )
    parser.add_argument(
        "--gap-s",
        type=number(0, DAY_S, "seconds", above=True),
        metavar="S",
        help="seconds between ticks, if the file does not say",
    )
    add_columns(parser, "--columns", "a CSV without a header line, such as tick,time,fail")
    parser.add_argument(
        "--zone-ids",
        type=Path,
        metavar="FILE",
        help="the account's names of zone ids such as use1-az6: the output of "
        "aws ec2 describe-availability-zones as JSON",
    )


def add_columns(parser: argparse.ArgumentParser, option: str, file: str) -> None:
    """Add the option that names the columns of a CSV without a header line."""
    parser.add_argument(
        option, type=column_names, default=(), metavar="NAMES", help=f"columns of {file}"
    )


def zone_ids(path: Path | None) -> Mapping[str, str]:
    """The names of --zone-ids. Raises InvalidInput."""
    from spotlab.recorded.zone_names import NO_ZONE_IDS, read_zone_ids

    return read_zone_ids(path) if path is not None else NO_ZONE_IDS


def column_names(text: str) -> tuple[str, ...]:
    """An argument type: names separated by commas, each once."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of different names, such as tick,time,fail"
        )
    return names


def literal(text: str) -> str:
    """A text as argparse's `help`, which formats it with `%`."""
    return text.replace("%", "%%")


def pool(text: str) -> Pool:
    """An argument type: the key of a pool, region:zone:type:os."""
    try:
        return Pool.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is not region:zone:type:os, such as "
            "us-east-1:us-east-1a:m6a.large:Linux"
        ) from None


def number(
    low: float, high: float, unit: str = "", *, above: bool = False
) -> Callable[[str], float]:
    """An argument type: a finite number within limits.

    Args:
        low, high: the limits.
        unit: unit for the message, such as "hours".
        above: whether the number must be greater than `low`.
    """

    def parsed(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not low <= value <= high or (above and value == low):
            limits = f"above {low:g}, up to {high:g}" if above else f"from {low:g} to {high:g}"
            raise argparse.ArgumentTypeError(
                f"{_short(text)} is not a number{_of_unit(unit)} {limits}"
            )
        return value

    return parsed


def integer(low: int, high: int = MAX_INT, unit: str = "") -> Callable[[str], int]:
    """An argument type: a whole number within limits.

    Args:
        low, high: the limits.
        unit: unit for the message, such as "trials".
    """

    def parsed(text: str) -> int:
        value = int(text) if _WHOLE.fullmatch(text) else None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{_short(text)} is not a whole number{_of_unit(unit)} from {low} to {high}"
            )
        return value

    return parsed


def utc_time(text: str) -> datetime:
    """An argument type: an ISO 8601 time with a time zone, converted to UTC."""
    return _moment(text, zone_required=True)


def utc_time_by_default(text: str) -> datetime:
    """An argument type: an ISO 8601 time, in UTC if it has no time zone."""
    return _moment(text, zone_required=False)


def _moment(text: str, *, zone_required: bool) -> datetime:
    try:
        value = datetime.fromisoformat(text)
        if value.tzinfo is None and zone_required:
            raise argparse.ArgumentTypeError(f"{_short(text)} has no time zone; append Z for UTC")
        at = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{_short(text)} is not an ISO 8601 time") from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise argparse.ArgumentTypeError(
            f"{_short(text)} is not between the years {_FIRST_YEAR} and {_LAST_YEAR}"
        )
    return at


def _of_unit(unit: str) -> str:
    return f" of {unit}" if unit else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
