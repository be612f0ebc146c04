"""Checks that every market source makes before rows become a snapshot.

An error of the whole source rejects it, with its name, the place of the error and the expected
value. An error of one record sets that record aside with the reason; too many of them reject the
source ([ADR 39](../../docs/adr/0039-odd-records.md)).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Final, NoReturn

import pandas as pd

from spotlab.aws.regions import is_region
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.places import is_wavelength_zone
from spotlab.errors import FeedRefused, NoMarketData

MAX_USD_PER_HOUR: Final = 10_000.0
"""Over ten times the price of any instance so far; a higher price means that the unit changed."""
MIN_ROWS_SHARE: Final = 0.5
"""A feed with fewer rows than this share of the last good feed's is considered incomplete."""
_MAX_SHOWN: Final = 300


def source_name(market: MarketName, what: str) -> str:
    """Display name of a source, which distinguishes simulated ones from AWS's.

    >>> source_name(MarketName.PUBLIC, "Spot Advisor feed")
    'AWS Spot Advisor feed'
    """
    return f"{'Simulated' if market is MarketName.SIMULATED else 'AWS'} {what}"


def reject(feed: str, problem: str, expected: str) -> NoReturn:
    """Reject a whole feed.

    Raises:
        FeedRefused: always.
    """
    raise FeedRefused(
        f"{feed} was rejected: {_printable(problem)}.",
        remedy=f"Expected {expected}; the last good one stays in use.",
        reason=f"{_printable(problem)}; expected {expected}.",
    )


def _printable(text: str) -> str:
    """Text of a feed, made safe for terminals and screens."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:_MAX_SHOWN])
    return shown if len(text) <= _MAX_SHOWN else f"{shown}…"


def digest_of(content: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()


def digest_of_rows(rows: pd.DataFrame) -> str:
    """SHA-256 of a table's values in order, hex."""
    return digest_of(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())


def check_region(feed: str, region: str) -> None:
    """Reject a name that no region can have; names of AWS's other zones are said to be such.

    Raises:
        FeedRefused: it has another form.
    """
    if not is_region(region):
        zone = " but a Wavelength Zone" if is_wavelength_zone(region) else ""
        reject(feed, f"{region!r} is not a region{zone}", "a region such as 'us-east-1'")


def check_type(feed: str, instance_type: str) -> None:
    """Reject a name that no instance type can have.

    Raises:
        FeedRefused: it has another form.
    """
    try:
        parse_type(instance_type)
    except ValueError as exc:
        reject(feed, str(exc), "instance types such as 'm6i.xlarge'")


def price_of(text: str | float, feed: str, place: str) -> float:
    """A price in USD per hour; some feeds use 0 for "not priced".

    Raises:
        FeedRefused: not a number, or outside 0..MAX_USD_PER_HOUR.
    """
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0.0 <= price <= MAX_USD_PER_HOUR:
        reject(
            feed, f"{place} has price {text!r}", f"a price in 0..{MAX_USD_PER_HOUR:g} USD per hour"
        )
    return price


def feed_table(
    kind: FeedKind, rows: Sequence[Sequence[object]], feed: str, previous_rows: int = 0
) -> pd.DataFrame:
    """The rows of a feed as a table, unless there are implausibly few.

    Args:
        kind: determines the columns.
        rows: in the order of FEED_COLUMNS[kind].
        feed: display name of the feed.
        previous_rows: number of rows of the last good feed; 0: there is none.
    Raises:
        FeedRefused: no rows, or fewer than half of previous_rows.
    """
    if not rows:
        reject(feed, "it has no rows", "at least one")
    if len(rows) < previous_rows * MIN_ROWS_SHARE:
        reject(
            feed,
            f"it has {len(rows)} rows, and the last good one had {previous_rows}",
            f"at least {MIN_ROWS_SHARE:.0%} of them",
        )
    return pd.DataFrame(list(rows), columns=list(FEED_COLUMNS[kind]))


def snapshot_of(
    kind: FeedKind,
    market: MarketName,
    scope: str,
    origin: Provenance,
    rows: Sequence[Sequence[object]],
    set_aside: tuple[str, ...] = (),
) -> Snapshot:
    """A snapshot of an API's response; its digest is that of the rows.

    Args:
        kind, market, scope, origin, set_aside: see `Snapshot`.
        rows: in the order of FEED_COLUMNS[kind].
    Raises:
        NoMarketData: the response has no rows.
    """
    if not rows:
        raise NoMarketData(
            f"{origin.source} returned no rows.",
            remedy="Check that the region is enabled and offers the requested instance types.",
        )
    frame = feed_table(kind, rows, origin.source)
    digest = digest_of_rows(frame)
    return Snapshot(kind, market, scope, origin, digest, frame, set_aside=set_aside)
