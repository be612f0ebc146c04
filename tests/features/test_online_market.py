"""What is published is what is read, and the features of both are the same to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from spotlab.domain.market import FeedKind, MarketData, MarketName
from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.features import offline, online
from spotlab.features.engine import compute
from spotlab.features.online_codec import CODECS
from spotlab.features.packed_tables import KEY, packed_view
from spotlab.features.views import METADATA, NAMES, ORIGINS, POOL, PRICE_HISTORY, SPOT_RISK, VIEWS
from tests.support.archive import MemoryArchive
from tests.support.online import MemoryOnlineStore, SteppingClock
from tests.support.snapshots import NOW, market_snapshots

TABLES = ("advisor", "advisor_past", "prices", "price_history", "on_demand", "specs")


class MemoryStore:
    """An online store in memory that keeps values as JSON text."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, tuple[str, ...]], tuple[OnlineRow, str]] = {}
        self.reads = 0

    def ping(self) -> float:
        return 0.0

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        landed = 0
        for row in rows:
            held = self.rows.get((view.name, row.key))
            if held is None or held[0].event_time <= row.event_time:
                self.rows[view.name, row.key] = row, json.dumps(row.value, allow_nan=False)
                landed += 1
        return landed

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        self.reads += len(keys)
        held = [self.rows.get((view.name, key)) for key in keys]
        return [item and item[0]._replace(value=json.loads(item[1])) for item in held]

    def scan(self, view: OnlineView, firsts: Collection[str] | None = None) -> list[OnlineRow]:
        names = [key for name, key in self.rows if name == view.name]
        wanted = [key for key in names if firsts is None or key[0] in firsts]
        return [row for row in self.read(view, wanted) if row is not None]

    def renew(self, view: OnlineView, name: str, text: str) -> int:
        return sum(next(iter(row.value.items())) == (name, text) for row in self.scan(view))

    def keys(self, view: OnlineView) -> list[tuple[str, ...]]:
        return sorted(key for name, key in self.rows if name == view.name)

    def clear(self) -> None:
        self.rows.clear()

    def info(self) -> Mapping[str, str | int | float]:
        return {"server": "memory"}


@pytest.fixture
def data() -> MarketData:
    return offline.read_market(MemoryArchive(market_snapshots()), MarketName.RECORDED, NOW)


@pytest.fixture
def shelf(data: MarketData) -> MemoryStore:
    store = MemoryStore()
    assert online.publish(store, data) == len(store.rows) - len(CODECS)
    return store


def without_packed_tables(shelf: MemoryStore) -> MemoryStore:
    """The same store, of which only the rows are left."""
    for codec in CODECS:
        del shelf.rows[packed_view(codec.view).name, KEY]
    return shelf


def damage(shelf: MemoryStore, view: OnlineView, **values: object) -> None:
    """Change values of a view's packed row."""
    row, _ = shelf.rows[packed_view(view).name, KEY]
    changed = {**row.value, **values}
    shelf.rows[packed_view(view).name, KEY] = row._replace(value=changed), json.dumps(changed)


def halved(data: MarketData) -> MarketData:
    """The same market at half of its prices."""
    price = data.prices["spot_price_usd_per_hour"] / 2
    return replace(data, prices=data.prices.assign(spot_price_usd_per_hour=price))


def assert_same(left: MarketData, right: MarketData) -> None:
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(left, table), getattr(right, table), obj=table)
    assert (left.market, left.as_of, left.origins, left.degraded) == (
        right.market,
        right.as_of,
        right.origins,
        right.degraded,
    )


def test_what_was_published_is_read_row_for_row(shelf: MemoryStore, data: MarketData) -> None:
    read = online.read_market(shelf, MarketName.RECORDED, NOW + timedelta(minutes=9))
    assert read is not None
    assert_same(read, data)


def test_features_online_equal_features_offline_bit_for_bit(
    shelf: MemoryStore, data: MarketData
) -> None:
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    there, here = compute(read), compute(data)
    assert there.pools == here.pools
    assert len(here.pools) == 30
    assert there.values.tobytes() == here.values.tobytes()


def test_nothing_published_is_nothing_read(data: MarketData) -> None:
    assert online.read_market(MemoryStore(), MarketName.RECORDED, data.as_of) is None


@pytest.mark.parametrize(
    ("after_s", "there"), [(0, True), (3600, True), (3601, False), (-1, False)]
)
def test_a_publication_counts_for_an_hour(shelf: MemoryStore, after_s: int, there: bool) -> None:
    read = online.read_market(shelf, MarketName.RECORDED, NOW + timedelta(seconds=after_s))
    assert (read is not None) is there


def test_another_market_is_never_handed_out(shelf: MemoryStore, data: MarketData) -> None:
    assert online.read_market(shelf, MarketName.PUBLIC, NOW) is None
    online.publish(shelf, replace(data, market=MarketName.PUBLIC))
    assert online.read_market(shelf, MarketName.RECORDED, NOW) is None
    assert online.read_market(shelf, MarketName.PUBLIC, NOW) is not None


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_publication_with_a_row_gone_is_not_read(shelf: MemoryStore, view: OnlineView) -> None:
    without_packed_tables(shelf)
    del shelf.rows[view.name, shelf.keys(view)[0]]
    assert online.read_market(shelf, MarketName.RECORDED, NOW) is None


def test_rows_are_read_if_there_are_no_packed_tables(shelf: MemoryStore, data: MarketData) -> None:
    read = online.read_market(without_packed_tables(shelf), MarketName.RECORDED, NOW)
    assert read is not None
    assert_same(read, data)
    for regions in (["us-east-1"], ["mars-north-1"]):
        rows = online.read_market(shelf, MarketName.RECORDED, NOW, regions)
        another = MemoryStore()
        online.publish(another, data)
        packed = online.read_market(another, MarketName.RECORDED, NOW, regions)
        assert rows is not None
        assert packed is not None
        assert_same(packed, rows)


def test_packed_tables_are_read_without_the_rows(shelf: MemoryStore, data: MarketData) -> None:
    for view, key in [*shelf.rows]:
        if view in {codec.view.name for codec in CODECS}:
            del shelf.rows[view, key]
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    assert_same(read, data)


@pytest.mark.parametrize(
    "values",
    [
        {"publication": "of another version"},
        {"checksums": {"prices": "of other bytes"}},
        {"tables": {"prices": "not base64!"}},
        {"tables": {"prices": "AAAA"}},
        {"tables": {}},
        {"tables": None},
    ],
    ids=str,
)
def test_damaged_packed_tables_are_not_read(
    shelf: MemoryStore, data: MarketData, values: dict[str, object]
) -> None:
    damage(shelf, POOL, **values)
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    assert_same(read, data)


def test_packed_tables_that_are_gone_are_written_again(
    shelf: MemoryStore, data: MarketData
) -> None:
    written = shelf.rows[packed_view(POOL).name, KEY]
    without_packed_tables(shelf)
    online.publish(shelf, data)
    assert shelf.rows[packed_view(POOL).name, KEY] == written


def test_what_an_earlier_publication_left_behind_is_not_read(
    shelf: MemoryStore, data: MarketData
) -> None:
    remaining = data.prices["instance_type"] != "c5.large"
    later = replace(data, as_of=NOW + timedelta(minutes=10), prices=data.prices[remaining])
    online.publish(shelf, later)
    read = online.read_market(shelf, MarketName.RECORDED, later.as_of)
    assert read is not None
    assert "c5.large" not in set(read.prices["instance_type"])
    assert len(shelf.keys(POOL)) > len(read.prices)


def test_two_publications_of_one_moment_do_not_mix(shelf: MemoryStore, data: MarketData) -> None:
    prices = halved(data).prices
    again = replace(data, prices=prices[prices["region"] == "us-east-1"].reset_index(drop=True))
    assert online.read_market(shelf, MarketName.RECORDED, NOW) is not None
    online.publish(shelf, again)
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    assert_same(read, again)


def test_reading_a_publication_again_asks_the_store_for_one_row(shelf: MemoryStore) -> None:
    first = online.read_market(shelf, MarketName.RECORDED, NOW)
    reads = shelf.reads
    again = online.read_market(shelf, MarketName.RECORDED, NOW + timedelta(minutes=1))
    assert shelf.reads == reads + 1
    assert first is not None
    assert again is not None
    assert_same(first, again)


def test_changing_a_table_that_was_read_does_not_reach_the_next_reader(
    shelf: MemoryStore, data: MarketData
) -> None:
    first = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert first is not None
    first.prices["spot_price_usd_per_hour"] = 0.0
    first.advisor.loc[:, "bucket"] = 4
    again = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert again is not None
    assert_same(again, data)


def test_an_older_publication_does_not_replace_a_newer(
    shelf: MemoryStore, data: MarketData
) -> None:
    earlier = replace(data, as_of=NOW - timedelta(minutes=10))
    assert online.publish(shelf, earlier) == 0
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    assert_same(read, data)


def test_reading_some_regions_gives_their_pools_the_same_features(
    shelf: MemoryStore, data: MarketData
) -> None:
    read = online.read_market(shelf, MarketName.RECORDED, NOW, ["us-east-1", "mars-north-1"])
    assert read is not None
    pools = [pool for pool in data.pools() if pool.region == "us-east-1"]
    assert read.pools() == pools
    assert set(read.price_history["region"]) == {"us-east-1"}
    assert compute(read).values.tobytes() == compute(data, pools).values.tobytes()


def test_without_history_windows_are_unknown(shelf: MemoryStore, data: MarketData) -> None:
    bare = replace(data, price_history=data.price_history.iloc[:0], advisor_past=data.advisor[:0])
    shelf.clear()
    online.publish(shelf, bare)
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    frame = compute(read)
    for name in NAMES:
        if name.startswith(("price_change", "price_vol", "price_vs", "hours_since")):
            assert np.isnan(frame.column(name)).all(), name
    assert not np.isnan(frame.column("log_spot_price")).any()


def test_an_empty_market_can_be_published(shelf: MemoryStore) -> None:
    later = NOW + timedelta(minutes=1)
    empty = MarketData(MarketName.RECORDED, later).with_degraded("Last collect failed.")
    online.publish(shelf, empty)
    read = online.read_market(shelf, MarketName.RECORDED, later)
    assert read is not None
    assert read.degraded == ("Last collect failed.",)
    assert compute(read).values.size == 0


def test_what_another_version_published_counts_as_nothing(data: MarketData) -> None:
    store = MemoryStore()
    store.write(ORIGINS, [OnlineRow(("current",), NOW, {"market": "recorded", "rows": {}})])
    assert online.read_market(store, MarketName.RECORDED, NOW) is None
    online.publish(store, data)
    assert online.read_market(store, MarketName.RECORDED, NOW) is not None


def test_keys_read_as_documented(shelf: MemoryStore) -> None:
    assert ("us-east-1", "us-east-1a", "c5.large", "Linux") in shelf.keys(POOL)
    assert ("eu-west-1", "-", "c5.large", "Linux") in shelf.keys(POOL)
    assert ("us-east-1", "u-6tb1") in shelf.keys(PRICE_HISTORY)
    assert ("u-6tb1.metal",) in shelf.keys(METADATA)
    assert ("eu-west-1", "m6g.xlarge") in shelf.keys(SPOT_RISK)


class Delayed(MemoryStore):
    """A writer that sleeps between its look at the store and its first write."""

    def __init__(self, shelf: MemoryStore, meanwhile: Callable[[], object]) -> None:
        self.rows, self.reads, self._meanwhile = shelf.rows, 0, meanwhile

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return super().write(view, rows)


def test_a_delayed_writer_can_neither_replace_nor_mix_into_what_came_meanwhile(
    shelf: MemoryStore, data: MarketData
) -> None:
    later = replace(halved(halved(data)), as_of=data.as_of + timedelta(seconds=60))
    delayed = Delayed(shelf, lambda: online.publish(shelf, later))
    online.publish(delayed, halved(data))
    now = later.as_of + timedelta(seconds=1)
    whole = online.read_market(shelf, data.market, now)
    assert whole is not None, "its packed tables are whole"
    assert_same(whole, later)
    assert online.read_market(without_packed_tables(shelf), data.market, now) is not None, "cached"
    rows = MemoryStore()
    rows.rows = shelf.rows
    assert online.read_market(rows, data.market, now) is None, "incomplete, and never mixed"
    again = replace(later, as_of=now)
    online.publish(shelf, again)
    read = online.read_market(shelf, data.market, now)
    assert read is not None
    assert_same(read, again)


def test_only_what_has_changed_is_written_again(data: MarketData) -> None:
    store = MemoryOnlineStore()
    assert online.publish(store, data) > 1
    origin = replace(data.origins[FeedKind.ADVISOR], fetched_at=NOW + timedelta(minutes=10))
    unchanged = replace(
        data,
        as_of=NOW + timedelta(minutes=10),
        origins=data.origins | {FeedKind.ADVISOR: origin},
    )
    assert online.publish(store, unchanged) == 1, "only the origins and their ages"
    read = online.read_market(store, MarketName.RECORDED, unchanged.as_of)
    assert read is not None
    assert_same(read, unchanged)
    changed = replace(halved(data), as_of=NOW + timedelta(minutes=20))
    assert online.publish(store, changed) == 1 + len(data.prices)
    read = online.read_market(store, MarketName.RECORDED, changed.as_of)
    assert read is not None
    assert_same(read, changed)


def test_what_is_not_written_again_lives_as_long_as_what_is(data: MarketData) -> None:
    clock = SteppingClock(NOW)
    store = MemoryOnlineStore(clock)
    for _ in range(3):
        online.publish(store, replace(data, as_of=clock.now()))
        clock.step(3000)
        read = online.read_market(store, MarketName.RECORDED, clock.now())
        assert read is not None
        assert read.as_of == clock.now() - timedelta(seconds=3000)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_that_lost_a_row_is_written_again(
    shelf: MemoryStore, data: MarketData, view: OnlineView
) -> None:
    del shelf.rows[view.name, shelf.keys(view)[0]]
    online.publish(shelf, data)
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    assert_same(read, data)
