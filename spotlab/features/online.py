"""Publishing a MarketData to the online store, and reading it.

Every row contains the digest of its view's content. The row of origins, which is written last, says
which digests were published. A reader uses rows with these digests only, and only if all of them
are there: rows of other publications or expired rows are never mixed in.

A view is also stored as one row with its whole tables (packed_tables.py), which is read first.

A view whose content was published before is not written again: the server renews the TTL of its
rows and counts those with the digest. If one is missing, because another writer or a crash came in
between, all are written. A view that was read completely is cached by its digest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketData, MarketName, Provenance
from spotlab.domain.ports import OnlineRow, OnlineStore
from spotlab.features.canonical_tables import digest, from_micros, tidy, tidy_market, to_micros
from spotlab.features.online_codec import CODECS, Codec, specs_time
from spotlab.features.packed_tables import KEY, pack, packed_view, unpack
from spotlab.features.table_cache import cache_of
from spotlab.features.views import METADATA, ORIGINS
from spotlab.processes.memory import without_collections

_ALL_REGIONS: Final = "*"
_PUBLICATION: Final = "publication"
_LAYOUT: Final = 2
"""Version of the values' layout; a store with another layout counts as empty."""
_CACHED_VIEWS: Final = 3 * len(CODECS)
"""Views in the cache: of the newest publications, complete and for some regions."""


def publish(store: OnlineStore, data: MarketData) -> int:
    """Write every view that has changed, and renew the TTL of the others.

    If the store has a later publication, nothing is written; `clear` the store first to publish an
    earlier market or another one.

    Args:
        store: to write to.
        data: the market to publish.
    Returns:
        The number of rows that were written, without those of packed tables.
    Raises:
        OnlineStoreDown: the store does not respond; readers still get the earlier publication, or
            none.
    """
    (current,) = store.read(ORIGINS, [KEY])
    if current is not None and current.event_time > data.as_of:
        return 0
    published = _published_views(current)
    data = tidy_market(data)
    stored, views = 0, {}
    for codec in CODECS:
        name, content = codec.view.name, _digest(codec, data)
        former = published.get(name)
        if former is not None and former[_PUBLICATION] == content:
            renewed = store.renew(codec.view, _PUBLICATION, content)
            is_packed = store.renew(packed_view(codec.view), _PUBLICATION, content) == 1
            if is_packed and renewed == sum(former["rows"].values()):
                views[name] = former
                continue
        with without_collections():
            rows = codec.encode(data, {_PUBLICATION: content})
        regions = (row.key[0] if codec.by_region else _ALL_REGIONS for row in rows)
        views[name] = {_PUBLICATION: content, "rows": dict(Counter(regions))}
        stored += store.write(codec.view, rows)
        packed = pack({name: getattr(data, name) for name in codec.tables})
        row = OnlineRow(KEY, data.as_of, {_PUBLICATION: content, **packed})
        store.write(packed_view(codec.view), [row])
    return stored + store.write(ORIGINS, [_contents(data, views)])


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
    (contents,) = store.read(ORIGINS, [KEY])
    views = _published_views(contents)
    if contents is None or not views or contents.value["market"] != market.value:
        return None
    as_of = from_micros(contents.value["as_of_us"])
    if not 0.0 <= (now - as_of).total_seconds() <= ORIGINS.ttl_s:
        return None
    requested = None if regions is None else frozenset(regions)
    tables: dict[str, pd.DataFrame] = {}
    for codec in CODECS:
        read = _tables(store, codec, views[codec.view.name], requested)
        if read is None:
            return None
        tables |= read
    # pandas copies on write: changes to these copies do not reach the cached tables.
    copies = {name: frame.copy(deep=False) for name, frame in tables.items()}
    return MarketData(
        market=market,
        as_of=as_of,
        origins=_origins(contents.value["origins"]),
        degraded=tuple(contents.value["degraded"]),
        **copies,
    )


def _digest(codec: Codec, data: MarketData) -> str:
    """Hash of the content of a view's rows."""
    content = blake2b(digest_size=8)
    for name in codec.tables:
        content.update(digest(getattr(data, name)))
    content.update(f"{_LAYOUT} {specs_time(data) if codec.view is METADATA else ''}".encode())
    return content.hexdigest()


def _published_views(contents: OnlineRow | None) -> Mapping[str, Mapping[str, Any]]:
    """Digest and number of rows by region of each view; empty if there is no publication."""
    if contents is None or contents.value.get("layout") != _LAYOUT:
        return {}
    views: Mapping[str, Mapping[str, Any]] = contents.value["views"]
    return views


def _tables(
    store: OnlineStore, codec: Codec, published: Mapping[str, Any], regions: Set[str] | None
) -> Mapping[str, pd.DataFrame] | None:
    """The tables of one view, from the cache if possible; None if a row is missing."""
    regions = regions if codec.by_region else None
    return cache_of(store, _CACHED_VIEWS).get_or_build(
        (codec.view.name, published[_PUBLICATION], regions),
        lambda: (
            _unpacked(store, codec, published, regions)
            or _decoded(codec, _rows(store, codec, published, regions))
        ),
    )


def _unpacked(
    store: OnlineStore, codec: Codec, published: Mapping[str, Any], regions: Set[str] | None
) -> Mapping[str, pd.DataFrame] | None:
    """The tables of one view from its packed row; None: there is none of this publication."""
    (row,) = store.read(packed_view(codec.view), [KEY])
    if row is None or row.value.get(_PUBLICATION) != published[_PUBLICATION]:
        return None
    tables = unpack(row.value)
    if tables is None or tables.keys() != set(codec.tables):
        return None
    if regions is not None:
        tables = {name: frame[frame["region"].isin(regions)] for name, frame in tables.items()}
    return {name: tidy(name, frame) for name, frame in tables.items()}


def _decoded(codec: Codec, rows: Sequence[OnlineRow] | None) -> Mapping[str, pd.DataFrame] | None:
    if rows is None:
        return None
    return {name: tidy(name, frame) for name, frame in codec.decode(rows).items()}


def _rows(
    store: OnlineStore, codec: Codec, published: Mapping[str, Any], regions: Set[str] | None
) -> list[OnlineRow] | None:
    """The published rows of one view; None if a row is missing."""
    counts: Mapping[str, int] = published["rows"]
    requested = counts.keys() if regions is None else regions & counts.keys()
    rows = [
        row
        for row in store.scan(codec.view, None if regions is None else requested)
        if row.value.get(_PUBLICATION) == published[_PUBLICATION]
    ]
    return rows if len(rows) == sum(counts[region] for region in requested) else None


def _contents(data: MarketData, views: Mapping[str, Mapping[str, Any]]) -> OnlineRow:
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
        "as_of_us": to_micros(data.as_of),
        "views": views,
        "origins": origins,
        "degraded": list(data.degraded),
    }
    return OnlineRow(KEY, data.as_of, value)


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
