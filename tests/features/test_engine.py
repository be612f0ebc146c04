"""Features by hand on a small market, and what holds for any market."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import LINUX, MarketData, MarketName, Pool
from spotlab.features import history_features, offline
from spotlab.features.canonical_tables import COLUMNS, tidy, tidy_market
from spotlab.features.engine import compute
from spotlab.features.views import FEATURES, NAMES
from tests.support.archive import MemoryArchive
from tests.support.snapshots import NOW, market_snapshots

EU, US = "eu-west-1", "us-east-1"
EARLIER = NOW - timedelta(days=2)
LONG_AGO = NOW - timedelta(days=30)


def table(name: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(COLUMNS[name]))


def spec(name: str, vcpu: float, memory_gb: float, **known: float) -> tuple[object, ...]:
    """A row of specifications; what is not given is unknown."""
    numbers = ("gpu_count", "accelerator_count", "network_mbps", "ebs_mbps", "clock_mhz")
    facts = [known.get(column, math.nan) for column in (*numbers, "local_nvme_gb")]
    architecture = "arm64" if "g." in name else "x86_64"
    return (name, vcpu, memory_gb, architecture, *facts, None, math.nan, None, None)


@pytest.fixture
def market() -> MarketData:
    """c5 in two sizes and m6g, in two regions; c5.large has two zones in us-east-1."""
    return MarketData(
        market=MarketName.RECORDED,
        as_of=NOW,
        advisor=table(
            "advisor",
            (US, LINUX, "c5.large", 3, 60, EARLIER),
            (US, LINUX, "c5.xlarge", 1, 50, EARLIER),
            (US, LINUX, "m6g.large", 0, 55, EARLIER),
            (EU, LINUX, "c5.large", 4, 70, EARLIER),
            (EU, LINUX, "c5.xlarge", 2, 70, EARLIER),
        ),
        advisor_past=table(
            "advisor_past",
            (US, LINUX, "c5.large", 0, 60, LONG_AGO),
            (US, LINUX, "c5.large", 1, 60, EARLIER - timedelta(days=8)),
            (US, LINUX, "c5.large", 2, 60, EARLIER - timedelta(days=1)),
        ),
        prices=table(
            "prices",
            (US, f"{US}a", LINUX, "c5.large", NOW - timedelta(hours=12), 0.040),
            (US, f"{US}b", LINUX, "c5.large", NOW - timedelta(hours=1), 0.050),
            (US, None, LINUX, "c5.xlarge", NOW, 0.085),
            (EU, None, LINUX, "c5.large", NOW, 0.024),
        ),
        price_history=table(
            "price_history",
            (US, f"{US}a", LINUX, "c5.large", NOW - timedelta(days=60), 0.020),
            (US, f"{US}a", LINUX, "c5.large", NOW - timedelta(hours=12), 0.040),
        ),
        on_demand=table(
            "on_demand",
            (US, LINUX, "c5.large", 0.1, NOW, False),
            (US, LINUX, "c5.xlarge", 0.17, NOW, False),
            (EU, LINUX, "c5.large", 0.096, NOW, True),
        ),
        specs=table(
            "specs",
            spec("c5.large", 2, 4, gpu_count=0, network_mbps=10_000),
            spec("c5.xlarge", 4, 8),
            spec("m6g.large", 2, 8),
            spec("m8g.large", 2, 8),
        ),
    )


ZONE_A = Pool(US, f"{US}a", "c5.large")


def of(market: MarketData, pool: Pool, name: str) -> float:
    return compute(market, [pool]).row(pool)[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("price_position", 0.040 / 0.1),
        ("discount_depth", 0.6),
        ("historic_interrupt_rate", 0.175),
        ("vcpu_count", 2),
        ("memory_gb", 4),
        ("memory_per_vcpu", 2),
        # buckets 3 and 1 of the family; cheapest zone 0.4 and region-level 0.5 of on-demand
        ("family_stress_index", 0.5 * (3 + 1) / 2 / 4 + 0.5 * (0.4 + 0.5) / 2),
        ("log_spot_price", math.log(0.040)),
        ("spot_price_per_vcpu", 0.020),
        ("zones_offered", 2),
        ("zone_dispersion", 0.010 / 0.045),
        ("cheapest_zone_gap", 0),
        ("region_price_position_mean", 0.5),
        ("price_change_1d", 1.0),
        ("price_volatility_7d", math.log(2) * math.sqrt(12 / 168 * 156 / 168)),
        ("price_vs_mean_30d", 0.040 / (0.040 * 12 / 720 + 0.020 * 708 / 720) - 1),
        ("hours_since_price_change", 12),
        ("advisor_bucket", 3),
        ("advisor_savings", 60),
        ("advisor_age_h", 48),
        ("advisor_bucket_mean_past", 1),
        ("advisor_bucket_change", 2),  # against the snapshot 8 days older, not the day before
        ("family_bucket_mean", 1),
        ("region_bucket_mean", 0.5),
        ("family_bucket_mean_elsewhere", 3),
        ("type_bucket_mean_elsewhere", 4),
        ("advisor_region_share", 1),
        ("advisor_type_share", 1),
        ("family_savings_mean", 50),
        ("series_savings_mean", 50),
        ("region_savings_mean", 52.5),
        ("type_savings_mean_elsewhere", 70),
        ("family_price_gap", math.log(0.020 / 0.02125)),
        ("series_price_gap", math.log(0.020 / 0.02125)),
        ("generation", 5),
        ("generations_behind", 0),
        ("size_factor", 1),
        ("size_rank_in_family", 0),
        ("is_metal", 0),
        ("architecture_arm", 0),
        ("accelerated", 0),
        ("gpu_count", 0),
        ("network_mbps_per_vcpu", 5000),
    ],
)
def test_a_feature_is_what_its_formula_says(market: MarketData, name: str, expected: float) -> None:
    assert of(market, ZONE_A, name) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("pool", "name", "expected"),
    [
        (Pool(US, f"{US}b", "c5.large"), "cheapest_zone_gap", 0.25),
        (Pool(US, None, "c5.xlarge"), "size_rank_in_family", 1),
        (Pool(US, None, "m6g.large"), "advisor_region_share", 0.5),
        (Pool(EU, None, "c5.large"), "advisor_type_share", 2 / 3),
        (Pool(EU, None, "c6in.large"), "is_network_optimised", 1),
        (Pool(EU, None, "m6g.large"), "generations_behind", 2),
        (Pool(EU, None, "m6g.large"), "architecture_arm", 1),
        (Pool(EU, None, "t3.micro"), "is_burstable", 1),
        (Pool(EU, None, "c5d.metal"), "is_metal", 1),
        (Pool(EU, None, "c5d.metal"), "has_local_storage", 1),
        (Pool(EU, None, "g4dn.xlarge"), "accelerated", 1),
        (Pool(EU, None, "c5.24xlarge"), "size_factor", 48),
    ],
)
def test_other_pools(market: MarketData, pool: Pool, name: str, expected: float) -> None:
    assert of(market, pool, name) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("pool", "unknown"),
    [
        (Pool(US, f"{US}b", "c5.large"), "price_change_1d"),  # a price is no history
        (Pool(US, None, "c5.xlarge"), "zones_offered"),
        (Pool(US, None, "c5.xlarge"), "cheapest_zone_gap"),
        (Pool(US, None, "c5.xlarge"), "hours_since_price_change"),
        (Pool(US, None, "m6g.large"), "price_position"),
        (Pool(US, None, "m6g.large"), "family_stress_index"),
        (Pool(US, None, "m6g.large"), "family_bucket_mean"),
        (Pool(US, None, "m6g.large"), "type_bucket_mean_elsewhere"),
        (Pool(US, None, "m6g.large"), "size_rank_in_family"),
        (Pool(EU, None, "m6g.large"), "advisor_bucket"),
        (Pool(US, None, "m6g.large"), "type_savings_mean_elsewhere"),
        (Pool(EU, None, "c5.large"), "advisor_bucket_change"),
        (Pool(EU, None, "c5.metal"), "size_factor"),
        (Pool(EU, None, "c5.metal"), "vcpu_count"),
        (Pool(EU, None, "u-6tb1.metal"), "generation"),
    ],
)
def test_what_is_not_known_is_nan(market: MarketData, pool: Pool, unknown: str) -> None:
    assert math.isnan(of(market, pool, unknown))


def test_a_pool_the_market_does_not_know_gets_nan_and_no_exception(market: MarketData) -> None:
    stranger = Pool("mars-north-1", "mars-north-1a", "not a type")
    values = compute(market, [stranger]).row(stranger)
    assert set(values) == set(NAMES)
    assert all(math.isnan(value) for value in values.values())


def test_a_zone_is_not_given_its_regions_price(market: MarketData) -> None:
    assert math.isnan(of(market, Pool(US, f"{US}a", "c5.xlarge"), "log_spot_price"))
    assert of(market, Pool(US, f"{US}a", "c5.xlarge"), "advisor_bucket") == 1


def test_windows_pools_know_their_type_but_not_the_linux_market(market: MarketData) -> None:
    windows = Pool(US, f"{US}a", "c5.large", "Windows")
    row = compute(market, [windows]).row(windows)
    assert row["vcpu_count"] == 2
    assert math.isnan(row["log_spot_price"])
    assert math.isnan(row["price_change_1d"])
    assert math.isnan(row["advisor_bucket"])
    assert math.isnan(row["historic_interrupt_rate"])


def test_pools_keep_their_order_and_may_repeat(market: MarketData) -> None:
    pools = [Pool(EU, None, "c5.large"), ZONE_A, Pool(EU, None, "c5.large")]
    frame = compute(market, pools)
    assert frame.pools == tuple(pools)
    assert frame.values[0].tobytes() == frame.values[2].tobytes()
    assert frame.column("log_spot_price")[1] == pytest.approx(math.log(0.040))


def test_without_pools_every_priced_pool_is_computed(market: MarketData) -> None:
    assert list(compute(market).pools) == market.pools()
    assert compute(market, []).values.shape == (0, len(NAMES))


def recorded(seed: int = 7) -> MarketData:
    return offline.read_market(MemoryArchive(market_snapshots(seed)), MarketName.RECORDED, NOW)


def assert_same_bits(left: FeatureFrame, right: FeatureFrame) -> None:
    for name in left.names:
        assert left.column(name).tobytes() == right.column(name).tobytes(), name


@pytest.mark.parametrize("seed", range(5))
def test_asking_for_fewer_pools_changes_no_value(seed: int) -> None:
    whole = compute(recorded(seed))
    chosen = np.random.default_rng(seed).permutation(len(whole.pools))[:7]
    some = compute(recorded(seed), [whole.pools[row] for row in chosen])
    assert_same_bits(some, replace(whole, pools=some.pools, values=whole.values[chosen]))


def test_an_asked_pool_outside_the_market_changes_no_other(market: MarketData) -> None:
    alone = compute(market, [ZONE_A, Pool(EU, None, "m6g.large")])
    stranger = Pool("ap-east-1", None, "m99g.large")
    beside = compute(market, [*alone.pools, stranger])
    assert_same_bits(alone, replace(beside, pools=alone.pools, values=beside.values[:2]))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_changes_no_bit(seed: int) -> None:
    data = recorded(seed)
    shuffled = {
        name: getattr(data, name).sample(frac=1.0, random_state=seed).reset_index(drop=True)
        for name in COLUMNS
    }
    pools = data.pools()
    assert_same_bits(compute(data, pools), compute(replace(data, **shuffled), pools))


def test_untidied_tables_give_the_same_features(market: MarketData) -> None:
    pools = market.pools()
    assert_same_bits(compute(market, pools), compute(tidy_market(market), pools))


def test_a_market_with_prices_alone_still_has_price_features(market: MarketData) -> None:
    bare = MarketData(MarketName.RECORDED, NOW, prices=market.prices)
    row = compute(bare).row(ZONE_A)
    assert row["log_spot_price"] == pytest.approx(math.log(0.040))
    assert row["zones_offered"] == 2
    assert math.isnan(row["price_position"])
    assert math.isnan(row["price_volatility_30d"])


TYPES = [
    "c5.large",
    "c5.4xlarge",
    "c5.metal",
    "m6gd.large",
    "g4dn.xlarge",
    "u-6tb1.metal",
    "a1.medium",
]
on_demand_prices = st.floats(1e-3, 1000.0)
shares = st.floats(0.01, 10.0)


@st.composite
def markets(draw: st.DrawFn) -> MarketData:
    """Any market whose spot prices lie in 0.01..10 times on-demand."""
    advisor, past, prices, history, on_demand, specs = [], [], [], [], [], []
    for name in draw(st.lists(st.sampled_from(TYPES), unique=True, max_size=5)):
        vcpu = draw(st.integers(1, 1000))
        specs.append(
            spec(name, vcpu, draw(st.floats(0.5, 50_000)), gpu_count=draw(st.integers(0, 16)))
        )
        for region in (EU, US):
            base = draw(on_demand_prices)
            if draw(st.booleans()):
                on_demand.append((region, LINUX, name, base, NOW, False))
            if draw(st.booleans()):
                savings = draw(st.integers(-100, 100))
                advisor.append((region, LINUX, name, draw(st.integers(0, 4)), savings, EARLIER))
                past.append((region, LINUX, name, draw(st.integers(0, 4)), savings, LONG_AGO))
            for zone in draw(st.sampled_from([(None,), ("a",), ("a", "b", "c")])):
                at = [NOW - timedelta(hours=draw(st.integers(0, 2160))) for _ in range(3)]
                rows = [(region, zone, LINUX, name, time, base * draw(shares)) for time in at]
                history += rows[: draw(st.integers(0, 3))]
                prices.append(max(rows, key=lambda row: row[4]))
    return MarketData(
        MarketName.SIMULATED,
        NOW,
        advisor=table("advisor", *advisor),
        advisor_past=table("advisor_past", *past),
        prices=table("prices", *prices),
        price_history=table("price_history", *history),
        on_demand=table("on_demand", *on_demand),
        specs=table("specs", *specs),
    )


@settings(max_examples=60)
@given(markets())
def test_no_value_of_a_valid_market_leaves_its_range(market: MarketData) -> None:
    frame = compute(market, [*market.pools(), ZONE_A])
    assert not np.isinf(frame.values).any()
    for item in FEATURES:
        known = frame.column(item.name)
        known = known[~np.isnan(known)]
        slack = 1e-12 * max(1.0, abs(item.low), abs(item.high))
        assert (known >= item.low - slack).all(), item.name
        assert (known <= item.high + slack).all(), item.name


def test_a_price_is_told_from_its_familys_and_its_series() -> None:
    """A CPU of m5 costs four, of m5a and of c5 one."""
    cost = {
        "m5.large": (2, 8.0),
        "m5.xlarge": (4, 16.0),
        "m5a.large": (2, 2.0),
        "c5.large": (2, 2.0),
    }
    prices = table(
        "prices", *((EU, None, LINUX, name, NOW, usd) for name, (_, usd) in cost.items())
    )
    specs = table("specs", *(spec(name, vcpu, 8) for name, (vcpu, _) in cost.items()))
    market = MarketData(MarketName.RECORDED, NOW, prices=prices, specs=specs)
    pool = Pool(EU, None, "m5.large")

    assert of(market, pool, "family_price_gap") == pytest.approx(0.0)
    assert of(market, pool, "series_price_gap") == pytest.approx(math.log(4.0) / 2)
    assert math.isnan(of(market, Pool(EU, None, "c5.large"), "series_price_gap"))


def test_size_rank_counts_the_types_with_fewer_vcpus_and_leaves_ties_together() -> None:
    sizes = {"c5.large": 2, "c5.xlarge": 4, "c5d.large": 2, "c5.24xlarge": 96, "c5.metal": 96}
    specs = table("specs", *(spec(name, vcpu, 1) for name, vcpu in sizes.items()))
    pools = [Pool(US, None, name) for name in (*sizes, "c5.9xlarge")]
    ranks = compute(MarketData(MarketName.RECORDED, NOW, specs=specs), pools).column(
        "size_rank_in_family"
    )
    expected = [0, 1 / 3, math.nan, 2 / 3, 2 / 3, math.nan]
    np.testing.assert_allclose(ranks, expected, rtol=1e-15)


@pytest.mark.parametrize("order", ["sorted", "shuffled", "as text"])
def test_history_features_are_the_same_with_compiled_kernels(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = offline.read_market(MemoryArchive(market_snapshots()), MarketName.RECORDED, NOW)
    pools = [*data.pools(), *data.pools()[:3], Pool("eu-north-1", None, "c5.large"), ZONE_A]
    pools += [replace(pools[0], operating_system="Windows"), Pool(US, f"{US}z", "c5.large")]
    expected = compute(data, pools).values
    kernels = history_features.window_kernels()
    assert kernels.load() == ""
    monkeypatch.setattr(history_features, "KERNELS", kernels)
    history = data.price_history
    if order == "shuffled":
        history = history.sample(frac=1.0, random_state=1)
    elif order == "as text":
        history = history.astype({"instance_type": "str"})
    found = compute(replace(data, price_history=history), pools).values
    np.testing.assert_array_equal(found, expected)


def test_the_price_history_has_codes_for_names() -> None:
    data = offline.read_market(MemoryArchive(market_snapshots()), MarketName.RECORDED, NOW)
    again = tidy(
        "price_history",
        data.price_history.sample(frac=1.0, random_state=2).astype(
            {"region": "str", "instance_type": object}
        ),
    )
    pd.testing.assert_frame_equal(again, data.price_history)
    part = tidy("price_history", data.price_history[data.price_history["region"] == US])
    assert part["region"].cat.categories.tolist() == [US]


def test_features_of_a_changed_table_are_computed_again(market: MarketData) -> None:
    market = tidy_market(market)
    before = compute(market)
    for name, changed in (
        ("advisor", market.advisor.assign(bucket=4 - market.advisor["bucket"])),
        ("specs", market.specs.assign(vcpu=market.specs["vcpu"] * 2.0)),
        ("prices", market.prices.assign(spot_price_usd_per_hour=1.5)),
    ):
        after = compute(replace(market, **{name: changed}))
        alone = compute(replace(market, **{name: changed}), market.pools())
        np.testing.assert_array_equal(after.values, alone.values)
        assert not np.array_equal(after.values, before.values, equal_nan=True)
    np.testing.assert_array_equal(compute(market).values, before.values)
