"""MarketData to and from the online store.

Every row carries its publication's mark. A reader takes rows of one publication only, and all of
them: what another one left behind, or what has expired meanwhile, never mixes in. A publication
that was read whole is remembered, so that reading it again costs one row.
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
from spotlab.features.table_cache import memory_of
from spotlab.features.views import ORIGINS

_SLOT: Final = ("current",)
_WHOLE: Final = "*"
_MARK: Final = "publication"
_LAYOUT: Final = 1
"""Of the values; a store filled by a version with another one counts as empty."""
_REMEMBERED: Final = 2
"""Publications kept: the newest, whole and by region."""


def publish(store: OnlineStore, data: MarketData) -> int:
    """Write every view.

    A store that holds a later publication is left alone; `clear` it first to go back, or when the
    market changes.

    Args:
        store: where to.
        data: what to write.
    Returns:
        How many rows landed.
    Raises:
        OnlineStoreDown: no answer; readers go on seeing the former publication, or none.
    """
    (current,) = store.read(ORIGINS, [_SLOT])
    if current is not None and current.event_time > data.as_of:
        return 0
    data = tidy_market(data)
    mark = token_hex(4)
    landed, written = 0, {}
    for codec in CODECS:
        rows = [_marked(entry, mark) for entry in codec.encode(data)]
        regions = (row.key[0] if codec.by_region else _WHOLE for row in rows)
        written[codec.view.name] = dict(Counter(regions))
        landed += store.write(codec.view, rows)
    return landed + store.write(ORIGINS, [_contents(data, mark, written)])


def read_market(
    store: OnlineStore, market: MarketName, now: datetime, regions: Sequence[str] | None = None
) -> MarketData | None:
    """The published MarketData, as it was.

    Args:
        store: where from.
        market: the market that is wanted.
        now: aware UTC; a publication older than its TTL, or later than now, does not count.
        regions: read the prices of these alone. Advisor and specifications are read whole, since
            features compare a pool with other regions.
    Returns:
        Tables in canonical form; None where nothing of this market was published, where it has
        expired, or where part of it is gone.
    Raises:
        OnlineStoreDown: no answer.
    """
    (contents,) = store.read(ORIGINS, [_SLOT])
    if contents is None or contents.value.get("layout") != _LAYOUT:
        return None
    if contents.value["market"] != market.value:
        return None
    as_of = from_micros(contents.value["as_of_us"])
    if not 0.0 <= (now - as_of).total_seconds() <= ORIGINS.ttl_s:
        return None
    asked = None if regions is None else frozenset(regions)
    tables = memory_of(store, _REMEMBERED).recall(
        (contents.value[_MARK], asked), lambda: _tables(store, contents.value, asked)
    )
    if tables is None:
        return None
    # pandas copies on write: the reader may change its tables, and the remembered ones stay.
    own = {name: frame.copy(deep=False) for name, frame in tables.items()}
    return MarketData(
        market=market,
        as_of=as_of,
        origins=_origins(contents.value["origins"]),
        degraded=tuple(contents.value["degraded"]),
        **own,
    )


def _marked(entry: Entry, mark: str) -> OnlineRow:
    key, time_us, value = entry
    return OnlineRow(key, from_micros(time_us), {**value, _MARK: mark})


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
    """The publication's rows of one view; None unless every one of them is there."""
    written: Mapping[str, int] = contents["rows"][codec.view.name]
    asked = sorted(written if regions is None or not codec.by_region else regions & written.keys())
    prefixes = [(region,) for region in asked] if codec.by_region and regions is not None else [()]
    keys = [key for prefix in prefixes for key in store.keys(codec.view, prefix)]
    rows = [
        row
        for row in store.read(codec.view, keys)
        if row is not None and row.value.get(_MARK) == contents[_MARK]
    ]
    return rows if len(rows) == sum(written[region] for region in asked) else None


def _contents(data: MarketData, mark: str, written: Mapping[str, Mapping[str, int]]) -> OnlineRow:
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
        _MARK: mark,
        "as_of_us": to_micros(data.as_of),
        "rows": written,
        "origins": origins,
        "degraded": list(data.degraded),
    }
    return OnlineRow(_SLOT, data.as_of, value)


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
