"""Publishing a MarketData to the online store, and reading it.

Every row contains the id of its publication. A reader uses the rows of one publication only, and
only if all of them are there: rows of other publications or expired rows are never mixed in. A
publication that was read completely is cached, so that reading it again reads only one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from secrets import token_hex
from typing import Any, Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketData, MarketName, Provenance
from spotlab.domain.ports import OnlineRow, OnlineStore
from spotlab.features.canonical_tables import from_micros, tidy, tidy_market, to_micros
from spotlab.features.online_codec import CODECS, Codec, Entry
from spotlab.features.table_cache import cache_of
from spotlab.features.views import ORIGINS

_KEY: Final = ("current",)
_ALL_REGIONS: Final = "*"
_PUBLICATION: Final = "publication"
_LAYOUT: Final = 1
"""Version of the values' layout; a store with another layout counts as empty."""
_CACHED_PUBLICATIONS: Final = 2
"""Publications in the cache: the newest one, complete and for some regions."""


def publish(store: OnlineStore, data: MarketData) -> int:
    """Write every view.

    If the store has a later publication, nothing is written; `clear` the store first to publish an
    earlier market or another one.

    Args:
        store: to write to.
        data: the market to publish.
    Returns:
        The number of rows that were written.
    Raises:
        OnlineStoreDown: the store does not respond; readers still get the earlier publication, or
            none.
    """
    (current,) = store.read(ORIGINS, [_KEY])
    if current is not None and current.event_time > data.as_of:
        return 0
    data = tidy_market(data)
    publication = token_hex(4)
    stored, row_counts = 0, {}
    for codec in CODECS:
        rows = [_row(entry, publication) for entry in codec.encode(data)]
        regions = (row.key[0] if codec.by_region else _ALL_REGIONS for row in rows)
        row_counts[codec.view.name] = dict(Counter(regions))
        stored += store.write(codec.view, rows)
    return stored + store.write(ORIGINS, [_contents(data, publication, row_counts)])


def read_market(
    store: OnlineStore, market: MarketName, now: datetime, regions: Sequence[str] | None = None
) -> MarketData | None:
    """Read the published MarketData.

    Args:
        store: to read from.
        market: to read.
        now: aware UTC; a publication older than its TTL, or later than now, is ignored.
        regions: read prices of these regions only; None: all. Advisor and specifications are always
            read completely, since features compare a pool with other regions.
    Returns:
        Tables in canonical form; None if this market was not published, has expired or is
        incomplete.
    Raises:
        OnlineStoreDown: the store does not respond.
    """
    (contents,) = store.read(ORIGINS, [_KEY])
    if contents is None or contents.value.get("layout") != _LAYOUT:
        return None
    if contents.value["market"] != market.value:
        return None
    as_of = from_micros(contents.value["as_of_us"])
    if not 0.0 <= (now - as_of).total_seconds() <= ORIGINS.ttl_s:
        return None
    requested = None if regions is None else frozenset(regions)
    tables = cache_of(store, _CACHED_PUBLICATIONS).get_or_build(
        (contents.value[_PUBLICATION], requested), lambda: _tables(store, contents.value, requested)
    )
    if tables is None:
        return None
    # pandas copies on write: changes to these copies do not reach the cached tables.
    copies = {name: frame.copy(deep=False) for name, frame in tables.items()}
    return MarketData(
        market=market,
        as_of=as_of,
        origins=_origins(contents.value["origins"]),
        degraded=tuple(contents.value["degraded"]),
        **copies,
    )


def _row(entry: Entry, publication: str) -> OnlineRow:
    key, time_us, value = entry
    return OnlineRow(key, from_micros(time_us), {**value, _PUBLICATION: publication})


def _tables(
    store: OnlineStore, contents: Mapping[str, Any], regions: Set[str] | None
) -> dict[str, pd.DataFrame] | None:
    tables: dict[str, pd.DataFrame] = {}
    for codec in CODECS:
        rows = _rows(store, codec, contents, regions)
        if rows is None:
            return None
        tables |= {name: tidy(name, frame) for name, frame in codec.decode(rows).items()}
    return tables


def _rows(
    store: OnlineStore, codec: Codec, contents: Mapping[str, Any], regions: Set[str] | None
) -> list[OnlineRow] | None:
    """The publication's rows of one view; None if a row is missing."""
    row_counts: Mapping[str, int] = contents["rows"][codec.view.name]
    requested = sorted(
        row_counts if regions is None or not codec.by_region else regions & row_counts.keys()
    )
    prefixes = (
        [(region,) for region in requested] if codec.by_region and regions is not None else [()]
    )
    keys = [key for prefix in prefixes for key in store.keys(codec.view, prefix)]
    rows = [
        row
        for row in store.read(codec.view, keys)
        if row is not None and row.value.get(_PUBLICATION) == contents[_PUBLICATION]
    ]
    return rows if len(rows) == sum(row_counts[region] for region in requested) else None


def _contents(
    data: MarketData, publication: str, row_counts: Mapping[str, Mapping[str, int]]
) -> OnlineRow:
    origins = {
        kind.value: {
            "source": origin.source,
            "event_time_us": to_micros(origin.event_time),
            "fetched_at_us": to_micros(origin.fetched_at),
            "approximate": origin.approximate,
            "stale": origin.stale,
        }
        for kind, origin in data.origins.items()
    }
    value = {
        "layout": _LAYOUT,
        "market": data.market.value,
        _PUBLICATION: publication,
        "as_of_us": to_micros(data.as_of),
        "rows": row_counts,
        "origins": origins,
        "degraded": list(data.degraded),
    }
    return OnlineRow(_KEY, data.as_of, value)


def _origins(origins: Mapping[str, Mapping[str, Any]]) -> dict[FeedKind, Provenance]:
    return {
        FeedKind(kind): Provenance(
            source=origin["source"],
            event_time=from_micros(origin["event_time_us"]),
            fetched_at=from_micros(origin["fetched_at_us"]),
            approximate=origin["approximate"],
            stale=origin["stale"],
        )
        for kind, origin in origins.items()
    }
