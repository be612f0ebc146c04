"""Spot price history: all pages, sorted change points, and no invalid prices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from spotlab.aws.prices import SpotPriceHistory
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Snapshot
from spotlab.domain.ports import FeedSource
from spotlab.errors import AccessDenied, AwsError, FeedRefused, NoMarketData, NoSuchThing, Throttled
from tests.support.boto import Answer, Answers, client, ec2_error, price_history
from tests.support.feeds import NOW, Clock

A, B = "us-east-1a", "us-east-1b"


def read_history(*answers: Answer, **options: Any) -> tuple[Snapshot, list[dict[str, list[str]]]]:
    ec2 = client("ec2")
    server = Answers(ec2, *answers)
    source: FeedSource = SpotPriceHistory(ec2, "us-east-1", MarketName.ACCOUNT, Clock(), **options)
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


def test_pages_become_sorted_change_points() -> None:
    snapshot, asked = read_history(
        price_history((B, "m5.large", "0.05", at(28)), (A, "m5.large", "0.04", at(27)), token="x"),
        price_history((A, "m5.large", "0.03", at(25)), (B, "m5.large", "0.06", at(20))),
        instance_types=["m5.large"],
        days=7,
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
    assert asked[0]["InstanceType.1"] == ["m5.large"]
    assert asked[0]["ProductDescription.1"] == ["Linux/UNIX"]
    assert asked[1]["NextToken"] == ["x"]


def test_all_types_are_asked_for_by_naming_none() -> None:
    _, (asked,) = read_history(price_history((A, "m5.large", "0.05", at(28))))
    assert not [name for name in asked if name.startswith("InstanceType")]


def test_rows_repeated_where_pages_meet_count_once() -> None:
    edge = (A, "m5.large", "0.05", at(27))
    snapshot, _ = read_history(
        price_history((A, "m5.large", "0.06", at(28)), edge, token="x"),
        price_history(edge, (A, "m5.large", "0.04", at(26))),
    )
    assert points(snapshot) == [(A, 26, 0.04), (A, 27, 0.05), (A, 28, 0.06)]


def test_a_price_said_again_is_no_change_point_but_keeps_the_pool_fresh() -> None:
    rows = [
        (A, "m5.large", price, at(day))
        for day, price in [(28, "0.05"), (27, "0.05"), (26, "0.05"), (25, "0.04"), (24, "0.05")]
    ]
    snapshot, _ = read_history(price_history(*rows))
    assert points(snapshot) == [(A, 24, 0.05), (A, 25, 0.04), (A, 26, 0.05), (A, 28, 0.05)]


def test_the_price_in_force_at_the_start_keeps_its_own_time() -> None:
    snapshot, _ = read_history(price_history((A, "m5.large", "0.05", at(1))), days=2)
    assert points(snapshot) == [(A, 1, 0.05)]


def test_equal_answers_have_equal_digests_in_any_order() -> None:
    rows = [(A, "m5.large", "0.05", at(28)), (B, "c5.large", "0.06", at(27))]
    assert (
        read_history(price_history(*rows))[0].digest
        == read_history(price_history(*rows[::-1]))[0].digest
    )


@pytest.mark.parametrize("price", ["-0.01", "0", "NaN", "Infinity", "", "1e7", "free"])
def test_a_price_that_cannot_be_refuses_the_whole_answer(price: str) -> None:
    good, bad = (A, "m5.large", "0.05", at(28)), (B, "m5.large", price, at(27))
    with pytest.raises(FeedRefused, match=r"m5\.large in us-east-1b at 2026-02-27"):
        read_history(price_history(good, bad))


def test_two_prices_at_one_moment_are_refused() -> None:
    with pytest.raises(FeedRefused, match="two prices"):
        read_history(price_history((A, "m5.large", "1", at(28)), (A, "m5.large", "2", at(28))))


def test_no_prices_are_no_market_data() -> None:
    with pytest.raises(NoMarketData, match="us-east-1 returned no rows"):
        read_history(price_history())


def test_a_row_without_a_price_is_an_aws_error() -> None:
    status, page = price_history((A, "m5.large", "1", at(28)))
    with pytest.raises(AwsError, match="lacks 'SpotPrice'"):
        read_history((status, page.replace("spotPrice>", "lotPrice>")))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestLimitExceeded", Throttled),
        ("UnauthorizedOperation", AccessDenied),
        ("InvalidInstanceType", NoSuchThing),
    ],
)
def test_a_refusal_on_a_later_page_gives_nothing(code: str, kind: type[AwsError]) -> None:
    first = price_history((A, "m5.large", "0.05", at(28)), token="x")
    with pytest.raises(kind, match="spot price history of us-east-1"):
        read_history(first, ec2_error(code))


def test_throttling_between_pages_is_waited_out(waits_s: list[float]) -> None:
    snapshot, asked = read_history(
        price_history((A, "m5.large", "0.05", at(28)), token="x"),
        ec2_error("RequestLimitExceeded", status=503),
        price_history((A, "m5.large", "0.04", at(27))),
    )
    assert (len(snapshot.rows), len(asked), len(waits_s)) == (2, 3, 1)
