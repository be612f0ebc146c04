"""`spotlab evidence`: everything that was observed about a pool, with source and time."""

from __future__ import annotations

import argparse
from datetime import timedelta

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.cli.local_session import open_services
from spotlab.domain.evidence_points import EvidencePoint
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

_DAYS = 90.0


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("pool", metavar="POOL", help="region:zone:type:os; the zone of a region's pool is -")
    add(
        "--days",
        type=options.number(0, options.MAX_H / 24.0, "days", above=True),
        default=_DAYS,
        metavar="DAYS",
        help=f"how far back (default {_DAYS:g})",
    )


def _show(args: argparse.Namespace, settings: Settings) -> Result:
    try:
        pool = options.pool(args.pool)
    except argparse.ArgumentTypeError as exc:
        raise InvalidSetting(f"{exc}.") from None
    with open_services(settings) as services:
        now = services.lab.clock.now()
        since = now - timedelta(days=args.days)
        points = services.interruptions.evidence(pool, since, now)
    lines = [
        f"{each.at:%Y-%m-%d %H:%M:%S} {each.kind:<20} {each.value:>10.6g}  {each.source}"
        for each in points
    ]
    nothing = f"Nothing was observed about {pool.label} within {args.days:g} days."
    return Result({"points": [_document(each) for each in points]}, in_lines(lines or [nothing]))


def _document(point: EvidencePoint) -> dict[str, object]:
    """Stable keys: pool, at, kind, value, source, recorded_at."""
    return {
        "pool": point.pool.key,
        "at": point.at.isoformat(),
        "kind": point.kind,
        "value": point.value,
        "source": point.source,
        "recorded_at": point.recorded_at.isoformat(),
    }


EVIDENCE = Command(
    "evidence", "List everything that was observed about a pool, oldest first.", _arguments, _show
)
