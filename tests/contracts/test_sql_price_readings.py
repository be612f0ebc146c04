"""The contract of price histories that are being read, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from spotlab.domain.market import MarketName
from spotlab.domain.ports import PricePage, PriceReading
from spotlab.errors import ChangedMeanwhile
from spotlab.store import Store
from tests.support import builders as make

MARKET, REGION = MarketName.ACCOUNT, "us-east-1"
SINCE, UNTIL = make.NOW - timedelta(days=90), make.NOW
LATER = UNTIL + timedelta(hours=1)


def page(price: float, *set_aside: str) -> PricePage:
    return PricePage(
        ["us-east-1a", "us-east-1b"],
        ["m5.large", "c5.large"],
        np.array([1_767_225_600_000_001, 1], np.int64),
        np.array([price, 0.1 + 0.2]),
        set_aside,
    )


def begin(store: Store, region: str = REGION) -> PriceReading:
    return store.price_readings.begin(MARKET, region, SINCE, UNTIL)


def prices(store: Store, reading: PriceReading) -> list[float]:
    return [float(each.usd_per_hour[0]) for each in store.price_readings.pages(reading)]


def test_pages_come_back_in_order_and_exact(store: Store) -> None:
    reading = begin(store)
    for price in (3.0, 1.0, 2.0):
        reading = store.price_readings.add(reading, page(price, "odd"), SINCE, complete=False)
    assert (reading.pages, reading.records, reading.resume_at) == (3, 9, SINCE)
    assert prices(store, reading) == [3.0, 1.0, 2.0]
    first = next(store.price_readings.pages(reading))
    assert (list(first.zones), list(first.instance_types)) == (
        page(3).zones,
        page(3).instance_types,
    )
    assert first.times_us.tolist() == page(3).times_us.tolist()
    assert first.usd_per_hour.tolist() == [3.0, 0.1 + 0.2]
    assert first.set_aside == ("odd",)


def test_a_reading_is_as_it_was_left(store: Store) -> None:
    assert store.price_readings.get(MARKET, REGION) is None
    reading = begin(store)
    assert store.price_readings.get(MARKET, REGION) == reading
    middle = UNTIL - timedelta(days=3, microseconds=1)
    reading = store.price_readings.add(reading, page(1.0), middle, complete=True)
    assert store.price_readings.get(MARKET, REGION) == reading
    assert (reading.state, reading.resume_at) == ("complete", middle)


def test_an_empty_page_is_not_stored(store: Store) -> None:
    empty = PricePage([], [], np.empty(0, np.int64), np.empty(0))
    reading = store.price_readings.add(begin(store), empty, SINCE, complete=True)
    assert (reading.pages, reading.state) == (0, "complete")
    assert prices(store, reading) == []


def test_regions_are_kept_apart(store: Store) -> None:
    east = store.price_readings.add(begin(store), page(1.0), SINCE, complete=True)
    west = store.price_readings.add(begin(store, "us-west-2"), page(2.0), SINCE, complete=True)
    store.price_readings.archived(east, UNTIL, [])
    assert prices(store, west) == [2.0]


def test_an_extended_reading_has_the_pages_of_both_windows(store: Store) -> None:
    reading = store.price_readings.add(begin(store), page(1.0), SINCE, complete=True)
    extended = store.price_readings.extend(reading, UNTIL, LATER)
    assert (extended.state, extended.since, extended.until) == ("reading", UNTIL, LATER)
    assert (extended.covers_since, extended.resume_at) == (SINCE, LATER)
    extended = store.price_readings.add(extended, page(2.0), UNTIL, complete=True)
    assert prices(store, extended) == [1.0, 2.0]


def test_archiving_deletes_the_pages_and_remembers_the_newest_price(store: Store) -> None:
    reading = store.price_readings.add(begin(store), page(1.0), SINCE, complete=True)
    store.price_readings.archived(reading, UNTIL, ["odd"] * 60)
    store.price_readings.archived(reading, LATER, [])  # another process was faster
    known = store.price_readings.get(MARKET, REGION)
    assert known is not None
    assert (known.state, known.newest_at, known.pages) == ("archived", UNTIL, 0)
    assert prices(store, reading) == []
    assert begin(store).newest_at == UNTIL


def test_beginning_anew_deletes_the_pages(store: Store) -> None:
    old = store.price_readings.add(begin(store), page(1.0), SINCE, complete=False)
    new = begin(store)
    assert new.number == old.number + 1
    assert prices(store, old) == prices(store, new) == []


@pytest.mark.parametrize("change", ["begin", "extend", "archived", "discard"])
def test_a_process_notices_that_another_has_changed_the_reading(store: Store, change: str) -> None:
    readings = store.price_readings
    reading = readings.add(begin(store), page(1.0), SINCE, complete=True)
    if change == "begin":
        begin(store)
    elif change == "extend":
        readings.extend(reading, UNTIL, LATER)
    elif change == "archived":
        readings.archived(reading, UNTIL, [])
    else:
        readings.discard(reading)
    with pytest.raises(ChangedMeanwhile, match="us-east-1"):
        readings.add(reading, page(2.0), SINCE, complete=True)
    with pytest.raises(ChangedMeanwhile, match="us-east-1"):
        readings.extend(reading, UNTIL, LATER + timedelta(hours=1))


def test_two_processes_may_read_the_same_window(store: Store) -> None:
    reading = begin(store)
    store.price_readings.add(reading, page(1.0), SINCE, complete=False)
    store.price_readings.add(reading, page(2.0), SINCE, complete=False)
    assert prices(store, reading) == [1.0, 2.0]
