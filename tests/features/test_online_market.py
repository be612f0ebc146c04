"""What is published is what is read, and the features of both are the same to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from spotlab.domain.market import MarketData, MarketName
from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.features import offline, online
from spotlab.features.engine import compute
from tests.support.archive import MemoryArchive
from tests.support.snapshots import NOW, market_snapshots

TABLES = ("advisor", "advisor_past", "prices", "price_history", "on_demand", "specs")


class Shelf:
    """An online store in memory that keeps values as JSON text."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, tuple[str, ...]], tuple[OnlineRow, str]] = {}

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
        held = [self.rows.get((view.name, key)) for key in keys]
        return [item and replace(item[0], value=json.loads(item[1])) for item in held]

    def keys(self, view: OnlineView, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        named = (key for name, key in self.rows if name == view.name)
        return sorted(key for key in named if key[: len(prefix)] == prefix)

    def clear(self) -> None:
        self.rows.clear()

    def info(self) -> Mapping[str, str | int | float]:
        return {"server": "memory"}


@pytest.fixture
def data() -> MarketData:
    return offline.read_market(MemoryArchive(market_snapshots()), MarketName.RECORDED, NOW)


@pytest.fixture
def shelf(data: MarketData) -> Shelf:
    store = Shelf()
    assert online.publish(store, data) == len(store.rows)
    return store


def assert_same(left: MarketData, right: MarketData) -> None:
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(left, table), getattr(right, table), obj=table)
    assert (left.market, left.as_of, left.origins, left.degraded) == (
        right.market,
        right.as_of,
        right.origins,
        right.degraded,
    )


def test_what_was_published_is_read_row_for_row(shelf: Shelf, data: MarketData) -> None:
    read = online.read_market(shelf, MarketName.RECORDED, NOW + timedelta(minutes=9))
    assert read is not None
    assert_same(read, data)


def test_features_online_equal_features_offline_bit_for_bit(shelf: Shelf, data: MarketData) -> None:
    read = online.read_market(shelf, MarketName.RECORDED, NOW)
    assert read is not None
    there, here = compute(read), compute(data)
    assert there.pools == here.pools
    assert len(here.pools) == 30
    assert there.values.tobytes() == here.values.tobytes()
