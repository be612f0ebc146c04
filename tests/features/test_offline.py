"""A market read from the archive: as it was known at a moment, and nothing later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.domain.market import LINUX, FeedKind, MarketData, MarketName, Snapshot
from spotlab.errors import NoMarketData
from spotlab.features import offline
from spotlab.features.engine import compute
from tests.support.archive import MemoryArchive, snapshot_of
from tests.support.snapshots import NOW, frame, market_snapshots

EU, US = "eu-west-1", "us-east-1"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def read(*snapshots: Snapshot, at: datetime = NOW, history_days: float = 90.0) -> MarketData:
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.origin.event_time)
    return offline.read_market(MemoryArchive(ordered), MarketName.RECORDED, at, history_days)


def feed_price(price: float, at: datetime, name: str = "c5.large", region: str = US) -> Snapshot:
    return snapshot_of(
        FeedKind.SPOT_PRICES, frame(FeedKind.SPOT_PRICES, [(region, LINUX, name, price)]), at
    )


def zone_points(
    at: datetime, *points: tuple[str, datetime, float], name: str = "c5.large", region: str = US
) -> Snapshot:
    rows = [(region, f"{region}{zone}", LINUX, name, time, price) for zone, time, price in points]
    return snapshot_of(FeedKind.PRICE_HISTORY, frame(FeedKind.PRICE_HISTORY, rows), at, region)


def bucket(value: int, at: datetime, savings: float = 50, name: str = "c5.large") -> Snapshot:
    rows = [(US, LINUX, name, value, savings)]
    return snapshot_of(FeedKind.ADVISOR, frame(FeedKind.ADVISOR, rows), at)


def specs(at: datetime, scope: str, vcpu: float) -> Snapshot:
    row = ("c5.large", vcpu, 4.0, "x86_64", *(np.nan,) * 6, None, np.nan, None, None)
    return snapshot_of(FeedKind.SPECS, frame(FeedKind.SPECS, [row]), at, scope)


def on_demand(price: float, at: datetime, region: str = US, name: str = "c5.large") -> Snapshot:
    rows = [(region, LINUX, name, price)]
    return snapshot_of(FeedKind.ON_DEMAND, frame(FeedKind.ON_DEMAND, rows), at, region)


def history_of(data: MarketData) -> list[tuple[datetime, float]]:
    history = data.price_history
    times = [time.to_pydatetime() for time in history["event_time"]]
    return list(zip(times, history["spot_price_usd_per_hour"], strict=True))


def test_without_a_price_snapshot_there_is_no_market() -> None:
    with pytest.raises(NoMarketData, match=r"No recorded spot prices up to 2026-03-01 12:00 UTC"):
        read(bucket(2, NOW - HOUR))
    with pytest.raises(NoMarketData):
        read(feed_price(0.04, NOW + HOUR))


def test_another_market_is_not_read() -> None:
    archive = MemoryArchive([replace(feed_price(0.04, NOW), market=MarketName.SIMULATED)])
    with pytest.raises(NoMarketData):
        offline.read_market(archive, MarketName.RECORDED, NOW)


def test_the_newest_price_not_later_than_the_moment_counts() -> None:
    prices = [feed_price(0.04, NOW - DAY), feed_price(0.05, NOW), feed_price(0.06, NOW + HOUR)]
    assert read(*prices).prices["spot_price_usd_per_hour"].tolist() == [0.05]
    assert read(*prices, at=NOW - HOUR).prices["spot_price_usd_per_hour"].tolist() == [0.04]


def test_zones_win_over_their_region_type_by_type() -> None:
    data = read(
        feed_price(0.031, NOW - HOUR),
        snapshot_of(
            FeedKind.SPOT_PRICES,
            frame(
                FeedKind.SPOT_PRICES,
                [
                    (US, LINUX, "c5.large", 0.03),
                    (US, LINUX, "m5.large", 0.04),
                    (EU, LINUX, "c5.large", 0.05),
                ],
            ),
            NOW - timedelta(minutes=5),
        ),
        zone_points(NOW - HOUR, ("a", NOW - DAY, 0.033), ("b", NOW - DAY, 0.036)),
    )
    assert [pool.key for pool in data.pools()] == [
        f"{EU}:-:c5.large:Linux",
        f"{US}:{US}a:c5.large:Linux",
        f"{US}:{US}b:c5.large:Linux",
        f"{US}:-:m5.large:Linux",
    ]
    zoned = data.price_history[data.price_history["region"] == US].query(
        "instance_type=='c5.large'"
    )
    assert zoned["availability_zone"].tolist() == [f"{US}a", f"{US}b"]


def test_overlapping_histories_give_each_change_point_once() -> None:
    first, second, third = NOW - 5 * DAY, NOW - 3 * DAY, NOW - DAY
    data = read(
        zone_points(NOW - 2 * DAY, ("a", first, 0.03), ("a", second, 0.04)),
        zone_points(NOW - HOUR, ("a", second, 0.04), ("a", third, 0.05)),
    )
    assert history_of(data) == [(first, 0.03), (second, 0.04), (third, 0.05)]
    assert data.prices["spot_price_usd_per_hour"].tolist() == [0.05]


def test_a_point_later_than_the_moment_is_left_out_even_in_an_earlier_snapshot() -> None:
    data = read(zone_points(NOW, ("a", NOW - DAY, 0.03), ("a", NOW + HOUR, 0.09)))
    assert history_of(data) == [(NOW - DAY, 0.03)]
    assert data.prices["spot_price_usd_per_hour"].tolist() == [0.03]


def test_a_pool_that_is_listed_no_more_has_a_past_but_no_price() -> None:
    data = read(
        zone_points(NOW - DAY, ("a", NOW - 2 * DAY, 0.03), ("b", NOW - 2 * DAY, 0.04)),
        zone_points(NOW - HOUR, ("a", NOW - 2 * HOUR, 0.03)),
    )
    assert data.prices["availability_zone"].tolist() == [f"{US}a"]
    assert f"{US}b" in set(data.price_history["availability_zone"])


def test_history_reaches_back_as_far_as_asked_and_to_the_price_in_force_there() -> None:
    older, old, recent = NOW - 80 * DAY, NOW - 50 * DAY, NOW - 3 * DAY
    snapshot = zone_points(NOW - HOUR, ("a", older, 0.01), ("a", old, 0.02), ("a", recent, 0.03))
    assert history_of(read(snapshot, history_days=10)) == [(old, 0.02), (recent, 0.03)]
    assert len(history_of(read(snapshot, history_days=85))) == 3


def test_earlier_region_prices_become_change_points() -> None:
    prices = [(60, 0.03), (40, 0.03), (20, 0.05), (1, 0.04)]
    data = read(*(feed_price(price, NOW - days * DAY) for days, price in prices))
    assert history_of(data) == [
        (NOW - 60 * DAY, 0.03),
        (NOW - 20 * DAY, 0.05),
        (NOW - 1 * DAY, 0.04),
    ]


def test_of_many_region_prices_one_a_day_counts_and_one_an_hour_since_yesterday() -> None:
    quarters = [feed_price(0.03 + n / 1e4, NOW - n * HOUR / 4) for n in range(4 * 24 * 10)]
    times = [time for time, _ in history_of(read(*quarters))]
    days_before = [time for time in times if time.date() < (NOW - DAY).date()]
    assert len(days_before) == len({time.date() for time in days_before}) == 9
    assert all(time.hour == 23 for time in days_before)
    assert len(times) - len(days_before) == 24 + 13
    assert times[-1] == NOW


def test_the_advisor_s_past_is_one_snapshot_a_week_before_the_newest() -> None:
    ages = (0, 1, 2, 8, 9, 15, 100)
    data = read(feed_price(0.04, NOW), *(bucket(age % 4, NOW - age * DAY) for age in ages))
    assert data.advisor["bucket"].tolist() == [0]
    past = [(NOW - time.to_pydatetime()).days for time in data.advisor_past["event_time"]]
    assert sorted(past) == [1, 8, 15]


def test_what_ec2_says_of_a_type_wins_over_the_advisor_however_new() -> None:
    price = feed_price(0.04, NOW)
    ec2, advisor = specs(NOW - 9 * DAY, US, 2), specs(NOW, "advisor", 3)
    assert read(price, ec2, advisor).specs["vcpu"].tolist() == [2]
    assert read(price, advisor).specs["vcpu"].tolist() == [3]
    assert read(price, ec2, specs(NOW - DAY, EU, 4)).specs["vcpu"].tolist() == [4]


def test_an_absent_on_demand_price_is_approximated_and_says_so() -> None:
    data = read(feed_price(0.04, NOW), bucket(1, NOW - HOUR, savings=60))
    assert data.on_demand["on_demand_price_usd_per_hour"].tolist() == [pytest.approx(0.1)]
    assert data.on_demand["approximate"].tolist() == [True]
    origin = data.origins[FeedKind.ON_DEMAND]
    assert origin.approximate
    assert origin.source == offline.APPROXIMATION
    assert origin.event_time == NOW - HOUR


def test_the_cheapest_zone_makes_the_approximation() -> None:
    zones = zone_points(NOW, ("a", NOW - DAY, 0.06), ("b", NOW - DAY, 0.05))
    data = read(zones, bucket(1, NOW, savings=50))
    assert data.on_demand["on_demand_price_usd_per_hour"].tolist() == [pytest.approx(0.1)]


def test_a_published_on_demand_price_is_never_approximated() -> None:
    prices = snapshot_of(
        FeedKind.SPOT_PRICES,
        frame(FeedKind.SPOT_PRICES, [(US, LINUX, "c5.large", 0.04), (EU, LINUX, "c5.large", 0.05)]),
        NOW,
    )
    advisor = snapshot_of(
        FeedKind.ADVISOR,
        frame(FeedKind.ADVISOR, [(US, LINUX, "c5.large", 1, 50), (EU, LINUX, "c5.large", 1, 50)]),
        NOW,
    )
    data = read(prices, advisor, on_demand(0.085, NOW - DAY))
    rows = data.on_demand.set_index("region")
    assert rows.loc[US, ["on_demand_price_usd_per_hour", "approximate"]].tolist() == [0.085, False]
    assert rows.loc[EU, ["on_demand_price_usd_per_hour", "approximate"]].tolist() == [0.1, True]
    origin = data.origins[FeedKind.ON_DEMAND]
    assert origin.source == f"on_demand of a test; else {offline.APPROXIMATION}"
    alone = read(feed_price(0.04, NOW), bucket(1, NOW), on_demand(0.085, NOW - DAY))
    assert not alone.origins[FeedKind.ON_DEMAND].approximate


def test_savings_of_everything_say_nothing_of_the_price() -> None:
    data = read(feed_price(0.04, NOW), bucket(1, NOW, savings=100))
    assert data.on_demand.empty
    assert FeedKind.ON_DEMAND not in data.origins


def test_linux_alone_is_read() -> None:
    rows = [(US, LINUX, "c5.large", 0.04), (US, "Windows", "c5.large", 0.13)]
    data = read(snapshot_of(FeedKind.SPOT_PRICES, frame(FeedKind.SPOT_PRICES, rows), NOW))
    assert data.prices["spot_price_usd_per_hour"].tolist() == [0.04]


def test_every_kind_names_its_origin() -> None:
    data = read(*market_snapshots())
    assert set(data.origins) == set(FeedKind) - {FeedKind.OFFERINGS}
    assert data.origins[FeedKind.ADVISOR].event_time == NOW - timedelta(hours=3)
    assert data.origins[FeedKind.SPOT_PRICES].source == "spot_prices of a test"
    assert data.as_of == NOW
    assert data.degraded == ()


def test_a_snapshot_is_decoded_once() -> None:
    archive = MemoryArchive(market_snapshots())
    archive.decoded = 0
    offline.read_market(archive, MarketName.RECORDED, NOW)
    assert archive.decoded == len(archive.snapshots)
    archive.save(feed_price(0.04, NOW + HOUR))
    archive.decoded = 0
    offline.read_market(archive, MarketName.RECORDED, NOW + 2 * HOUR)
    assert archive.decoded == 1


def test_writing_into_a_read_market_does_not_reach_the_next_reader() -> None:
    archive = MemoryArchive(market_snapshots())
    first = offline.read_market(archive, MarketName.RECORDED, NOW)
    expected = first.prices.copy()
    first.prices["spot_price_usd_per_hour"] = 0.0
    first.specs["vcpu"] = -1.0
    again = offline.read_market(archive, MarketName.RECORDED, NOW)
    pd.testing.assert_frame_equal(again.prices, expected)
    assert (again.specs["vcpu"] > 0).all()


def later_than(at: datetime, snapshot: Snapshot, price_factor: float) -> Snapshot:
    """The same snapshot with everything later than `at` changed."""
    rows = snapshot.rows.copy()
    late = pd.Series(snapshot.origin.event_time > at, index=rows.index)
    if "event_time" in rows:
        late |= rows["event_time"] > pd.Timestamp(at)
    for column in rows.select_dtypes("number").columns:
        rows[column] = rows[column].where(~late, rows[column] * price_factor)
    changed = snapshot_of(snapshot.kind, rows, snapshot.origin.event_time, snapshot.scope)
    return changed if late.any() else snapshot


@settings(max_examples=8)
@given(st.integers(0, 70 * 24), st.sampled_from([0.5, 3.0]), st.integers(0, 3))
def test_what_happens_later_changes_no_feature(hours: int, factor: float, seed: int) -> None:
    at = NOW - 58 * DAY + min(hours, 57 * 24) * HOUR
    snapshots = market_snapshots(seed)
    changed = [later_than(at, snapshot, factor) for snapshot in snapshots]
    assert any(new is not old for new, old in zip(changed, snapshots, strict=True))
    known, peeked = (compute(read(*told, at=at)) for told in (snapshots, changed))
    gone = [snapshot for snapshot in snapshots if snapshot.origin.event_time <= at]
    cut = compute(read(*gone, at=at))
    assert known.pools == peeked.pools == cut.pools
    assert known.values.tobytes() == peeked.values.tobytes() == cut.values.tobytes()


@pytest.mark.parametrize("first_ago", [HOUR, 12 * HOUR, 2 * DAY, 5 * DAY])
def test_a_home_s_first_long_look_back_is_not_lost_to_shorter_ones(first_ago: timedelta) -> None:
    month_ago = NOW - first_ago - 30 * DAY
    first = zone_points(NOW - first_ago, ("a", month_ago, 0.02), ("a", NOW - first_ago, 0.03))
    later = [
        zone_points(at, ("a", NOW - first_ago, 0.03))
        for at in (NOW - first_ago + timedelta(minutes=10), NOW - timedelta(minutes=1))
    ]
    assert history_of(read(first, *later))[0] == (month_ago, 0.02)
