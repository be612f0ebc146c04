"""What every market source checks before rows become a snapshot.

What is wrong is said once, with the source's name, the place in it and what would be right; then
the whole snapshot is refused.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

import pandas as pd

from spotlab.aws.regions import is_region
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Provenance, Snapshot
from spotlab.errors import FeedRefused, NoMarketData

MAX_USD_PER_HOUR: Final = 10_000.0
"""No instance has ever cost a tenth of it; a higher price is a changed unit."""
MIN_ROWS_SHARE: Final = 0.5
"""With fewer rows than this share of the last good feed's, the feed lost something."""
_MAX_SHOWN: Final = 300


def source_name(market: MarketName, what: str) -> str:
    """A person's name for a source; a simulated one is never called AWS's.

    >>> source_name(MarketName.PUBLIC, "Spot Advisor feed")
    'AWS Spot Advisor feed'
    """
    return f"{'Simulated' if market is MarketName.SIMULATED else 'AWS'} {what}"


def reject(feed: str, wrong: str, right: str) -> NoReturn:
    """Refuse a feed whole.

    Raises:
        FeedRefused: always.
    """
    raise FeedRefused(
        f"{feed} is refused: {_printable(wrong)}.",
        remedy=f"Expected {right}; the last good one stays in use.",
    )


def _printable(text: str) -> str:
    """What a feed says may hold anything; a message is read on terminals and screens."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:_MAX_SHOWN])
    return shown if len(text) <= _MAX_SHOWN else f"{shown}…"


def digest_of(content: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()


def digest_of_rows(rows: pd.DataFrame) -> str:
    """SHA-256 of a table's values in order, hex."""
    return digest_of(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())


def check_names(feed: str, regions: Iterable[str], instance_types: Iterable[str]) -> None:
    """Refuse names that no region or instance type can have.

    Raises:
        FeedRefused: names the first one.
    """
    for region in set(regions):
        if not is_region(region):
            reject(feed, f"{region!r} is no region", "a region such as 'us-east-1'")
    for instance_type in set(instance_types):
        try:
            parse_type(instance_type)
        except ValueError as exc:
            reject(feed, str(exc), "instance types such as 'm6i.xlarge'")


def price_of(text: str | float, feed: str, place: str) -> float:
    """A price in USD per hour; 0 is how some feeds say "not priced".

    Raises:
        FeedRefused: no number, NaN, infinite, negative or absurd.
    """
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0.0 <= price <= MAX_USD_PER_HOUR:
        reject(feed, f"{place} costs {text!r}", f"a price in 0..{MAX_USD_PER_HOUR:g} USD per hour")
    return price


def feed_table(
    kind: FeedKind, rows: Sequence[Sequence[object]], feed: str, previous_rows: int = 0
) -> pd.DataFrame:
    """The rows of a feed, unless there are implausibly few.

    Args:
        kind: names the columns.
        rows: in the order of FEED_COLUMNS[kind].
        feed: a person's name for it.
        previous_rows: of the last good one; 0 where there is none.
    Raises:
        FeedRefused: no row, or under half of previous_rows.
    """
    if not rows:
        reject(feed, "it holds no rows", "at least one")
    if len(rows) < previous_rows * MIN_ROWS_SHARE:
        reject(
            feed,
            f"it holds {len(rows)} rows where the last good one held {previous_rows}",
            f"at least {MIN_ROWS_SHARE:.0%} of them",
        )
    return pd.DataFrame(list(rows), columns=list(FEED_COLUMNS[kind]))


def snapshot_of(
    kind: FeedKind,
    market: MarketName,
    scope: str,
    origin: Provenance,
    rows: Sequence[Sequence[object]],
) -> Snapshot:
    """A snapshot of what an API answered; its digest is that of the rows.

    Raises:
        NoMarketData: the answer was empty.
    """
    if not rows:
        raise NoMarketData(
            f"{origin.source} answered with no rows.",
            remedy="Check that the region is enabled and offers the instance types asked for.",
        )
    frame = feed_table(kind, rows, origin.source)
    return Snapshot(kind, market, scope, origin, digest_of_rows(frame), frame)
