"""Spot price history: all pages, sorted change points, and no invalid prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from spotlab.aws.prices import SpotPriceHistory
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Snapshot
from spotlab.domain.ports import ResumableSource
from spotlab.errors import AccessDenied, AwsError, FeedRefused, NoMarketData, NoSuchThing, Throttled
from spotlab.store import Store, open_store
from tests.support.boto import Answer, Answers, client, ec2_error, price_history
from tests.support.feeds import NOW, Clock
from tests.support.migrated import copy_to

A, B = "us-east-1a", "us-east-1b"
WAITED: list[float] = []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.close()


def read_history(
    store: Store, *answers: Answer, **options: Any
) -> tuple[Snapshot, list[dict[str, list[str]]]]:
    WAITED.clear()
    ec2 = client("ec2")
    server = Answers(ec2, *answers)
    source: ResumableSource = SpotPriceHistory(
        ec2,
        "us-east-1",
        MarketName.ACCOUNT,
        Clock(),
        store.price_readings,
        store.archive,
        **{"days": 7.0, "wait": WAITED.append} | options,
    )
    (snapshot,) = source.fetch({})
    assert ((snapshot.kind, snapshot.scope),) == source.covers
    return snapshot, [parse_qs(body) for body in server.bodies]


def at(day: int, hour: int = 0) -> str:
    return f"2026-02-{day:02}T{hour:02}:00:00.000Z"


def points(snapshot: Snapshot) -> list[tuple[str, int, float]]:
    rows = snapshot.rows
    return [
        (zone, time.day, price)
        for zone, time, price in zip(
            rows["availability_zone"],
            rows["event_time"],
            rows["spot_price_usd_per_hour"],
            strict=True,
        )
    ]


def test_pages_become_sorted_change_points(store: Store) -> None:
    snapshot, asked = read_history(
        store,
        price_history((B, "m5.large", "0.05", at(28)), (A, "m5.large", "0.04", at(27)), token="x"),
        price_history((A, "m5.large", "0.03", at(25)), (B, "m5.large", "0.06", at(20))),
    )
    assert tuple(snapshot.rows.columns) == FEED_COLUMNS[FeedKind.PRICE_HISTORY]
    assert points(snapshot) == [(A, 25, 0.03), (A, 27, 0.04), (B, 20, 0.06), (B, 28, 0.05)]
    assert snapshot.rows["event_time"].iloc[0] == datetime(2026, 2, 25, tzinfo=UTC)
    assert set(snapshot.rows["operating_system"]) == {"Linux"}
    assert (snapshot.origin.source, snapshot.origin.event_time) == (
        "AWS spot price history of us-east-1",
        NOW,
    )
    assert asked[0]["StartTime"] == ["2026-02-23T12:00:00Z"]
    assert asked[0]["EndTime"] == ["2026-03-02T12:00:00Z"]
    assert asked[0]["ProductDescription.1"] == ["Linux/UNIX"]
    assert asked[1] == asked[0] | {"NextToken": ["x"]}


def test_all_types_are_asked_for_by_naming_none(store: Store) -> None:
    _, (asked,) = read_history(store, price_history((A, "m5.large", "0.05", at(28))))
    assert not [name for name in asked if name.startswith("InstanceType")]


def test_rows_repeated_where_pages_meet_count_once(store: Store) -> None:
    edge = (A, "m5.large", "0.05", at(27))
    snapshot, _ = read_history(
        store,
        price_history((A, "m5.large", "0.06", at(28)), edge, token="x"),
        price_history(edge, (A, "m5.large", "0.04", at(26))),
    )
    assert points(snapshot) == [(A, 26, 0.04), (A, 27, 0.05), (A, 28, 0.06)]


def test_a_price_said_again_is_no_change_point_but_keeps_the_pool_fresh(store: Store) -> None:
    rows = [
        (A, "m5.large", price, at(day))
        for day, price in [(28, "0.05"), (27, "0.05"), (26, "0.05"), (25, "0.04"), (24, "0.05")]
    ]
    snapshot, _ = read_history(store, price_history(*rows))
    assert points(snapshot) == [(A, 24, 0.05), (A, 25, 0.04), (A, 26, 0.05), (A, 28, 0.05)]


def test_the_price_in_force_at_the_start_keeps_its_own_time(store: Store) -> None:
    snapshot, _ = read_history(store, price_history((A, "m5.large", "0.05", at(1))), days=2)
    assert points(snapshot) == [(A, 1, 0.05)]


def test_other_products_are_ignored(store: Store) -> None:
    status, page = price_history((A, "m5.large", "0.05", at(28)), (A, "c5.large", "0.04", at(28)))
    page = page.replace("Linux/UNIX", "Windows", 1)
    snapshot, _ = read_history(store, (status, page))
    assert points(snapshot) == [(A, 28, 0.04)]
    assert snapshot.set_aside == ()


def test_equal_answers_have_equal_digests_in_any_order(store: Store, tmp_path: Path) -> None:
    rows = [(A, "m5.large", "0.05", at(28)), (B, "c5.large", "0.06", at(27))]
    other = open_store(None, tmp_path / "other.db")
    digests = {
        read_history(each, price_history(*order))[0].digest
        for each, order in ((store, rows), (other, rows[::-1]))
    }
    other.close()
    assert len(digests) == 1


@pytest.mark.parametrize("price", ["-0.01", "0", "NaN", "Infinity", "", "1e7", "free"])
def test_a_price_that_cannot_be_is_set_aside(store: Store, price: str) -> None:
    good, bad = (A, "m5.large", "0.05", at(28)), (B, "m5.large", price, at(27))
    snapshot, _ = read_history(store, price_history(good, bad))
    assert points(snapshot) == [(A, 28, 0.05)]
    (reason,) = snapshot.set_aside
    assert reason.startswith("m5.large in us-east-1b at 2026-02-27 00:00:00 has ")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (("eu-west-1a", "m5.large", "1", at(27)), "is not a zone of us-east-1"),
        (("us-east-1-wl1-bos-wlz-1", "m5.large", "1", at(27)), "is a Wavelength Zone"),
        (("us-east-1", "m5.large", "1", at(27)), "is not a zone of us-east-1"),
        (("us-east-11a", "m5.large", "1", at(27)), "is not a zone of us-east-1"),
        ((A, "large", "1", at(27)), "is not an instance type"),
        ((A, "\x1b[31m.large", "1", at(27)), r"\?\[31m\.large in us-east-1a"),
    ],
)
def test_a_name_that_cannot_be_is_set_aside(
    store: Store, record: tuple[str, str, str, str], reason: str
) -> None:
    status, page = price_history((A, "m5.large", "0.05", at(28)), record)
    snapshot, _ = read_history(store, (status, page.replace("\x1b", "\u202e")))
    assert points(snapshot) == [(A, 28, 0.05)]
    assert len(snapshot.set_aside) == 1
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(snapshot.set_aside[0])


def test_a_local_zone_is_a_zone_of_its_region(store: Store) -> None:
    zone = "us-east-1-bos-1a"
    snapshot, _ = read_history(store, price_history((zone, "m5.large", "0.05", at(28))))
    assert points(snapshot) == [(zone, 28, 0.05)]


def test_of_two_prices_at_one_moment_the_higher_is_used_and_the_other_listed(store: Store) -> None:
    rows = [(A, "m5.large", price, at(28)) for price in ("2", "1", "2")]
    snapshot, _ = read_history(store, price_history(*rows))
    assert points(snapshot) == [(A, 28, 2.0)]
    assert snapshot.set_aside == (
        "m5.large in us-east-1a at 2026-02-28 00:00:00 has several prices; 1 was set aside, "
        "2 is used.",
    )


def test_too_many_odd_records_refuse_the_region_and_the_next_reading_begins_anew(
    store: Store,
) -> None:
    odd = [(A, "m5.large", "free", at(1, hour)) for hour in range(11)]
    good = (A, "m5.large", "0.05", at(28))
    with pytest.raises(FeedRefused, match=r"11 of 12 records cannot be used: m5.large in us-east"):
        read_history(store, price_history(good, *odd))
    snapshot, (asked,) = read_history(store, price_history(good))
    assert points(snapshot) == [(A, 28, 0.05)]
    assert asked["StartTime"] == ["2026-02-23T12:00:00Z"]


def test_no_prices_are_no_market_data(store: Store) -> None:
    with pytest.raises(NoMarketData, match="us-east-1 returned no rows"):
        read_history(store, price_history())


def test_only_odd_records_refuse_the_region(store: Store) -> None:
    status, page = price_history((A, "m5.large", "1", at(28)))
    with pytest.raises(FeedRefused, match=r"m5.large in us-east-1a at .* has no price"):
        read_history(store, (status, page.replace("spotPrice>", "lotPrice>")))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestLimitExceeded", Throttled),
        ("UnauthorizedOperation", AccessDenied),
        ("InvalidInstanceType", NoSuchThing),
    ],
)
def test_a_refusal_on_a_later_page_gives_nothing(
    store: Store, code: str, kind: type[AwsError]
) -> None:
    first = price_history((A, "m5.large", "0.05", at(28)), token="x")
    with pytest.raises(kind, match="spot price history of us-east-1"):
        read_history(store, first, ec2_error(code))


def test_throttling_between_pages_is_waited_out(store: Store, waits_s: list[float]) -> None:
    snapshot, asked = read_history(
        store,
        price_history((A, "m5.large", "0.05", at(28)), token="x"),
        ec2_error("RequestLimitExceeded", status=503),
        price_history((A, "m5.large", "0.04", at(27))),
    )
    assert (len(snapshot.rows), len(asked), len(waits_s)) == (2, 3, 1)


def test_longer_throttling_is_waited_out_with_growing_waits(store: Store) -> None:
    snapshot, _ = read_history(
        store,
        price_history((A, "m5.large", "0.05", at(28)), token="x"),
        *[ec2_error("RequestLimitExceeded", status=503)] * 10,
        price_history((A, "m5.large", "0.04", at(27))),
    )
    assert len(snapshot.rows) == 2
    assert len(WAITED) == 3  # the client itself tries three times
    assert all(0.5 * full <= wait <= full for wait, full in zip(WAITED, (1, 2, 4), strict=True))


def test_a_page_that_repeats_itself_forever_is_an_error(store: Store) -> None:
    page = price_history((A, "m5.large", "0.05", at(28)), token="x")
    with pytest.raises(AwsError, match="the same page"):
        read_history(store, page, page)


def test_an_empty_page_with_a_token_is_not_the_end(store: Store) -> None:
    snapshot, asked = read_history(
        store, price_history(token="x"), price_history((A, "m5.large", "0.05", at(28)))
    )
    assert (points(snapshot), len(asked)) == ([(A, 28, 0.05)], 2)


def test_an_unchanged_region_is_recognised_until_midnight(store: Store) -> None:
    """Only the 7 days before the last midnight are in a later snapshot."""
    rows = [(A, "m5.large", "0.04", at(1)), (A, "m5.large", "0.05", at(27))]
    clock = Clock()
    ec2 = client("ec2")
    Answers(ec2, price_history(*rows[::-1]))
    source = SpotPriceHistory(
        ec2, "us-east-1", MarketName.ACCOUNT, clock, store.price_readings, store.archive, days=90
    )
    new = []
    for _ in range(4):
        (snapshot,) = source.fetch({})
        new.append(store.archive.save(snapshot))
        source.archived()
        clock.time += timedelta(hours=1)
    assert new == [True, False, False, False]
