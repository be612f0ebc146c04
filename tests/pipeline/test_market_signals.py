"""What the market and lacks of capacity elsewhere say about pools, if a policy counts it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from spotlab.domain.hazard_curve import ShortCause, ShortSignal
from spotlab.domain.interruptions import (
    InterruptionEvent,
    InterruptionKind,
    OwnRecord,
    short_signals,
)
from spotlab.domain.market import MarketData, Pool
from spotlab.domain.policy import DEFAULT_POLICY, PolicyParams, PolicyState, PolicyVersion
from spotlab.pipeline.market_signals import (
    bucket_rises,
    price_jumps,
    wider_spreads,
    with_market_signals,
)
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel, market_data

A, B = "us-east-1a", "us-east-1b"
PRICES = {
    ("m5.large", A): 0.03,
    ("m5.large", B): 0.031,
    ("m5.xlarge", A): 0.06,
    ("m5.2xlarge", A): 0.12,
    ("m6i.large", A): 0.032,
}


def pool(name: str, zone: str = A) -> Pool:
    return Pool("us-east-1", zone, name)


def refused(name: str, minutes_ago: float) -> InterruptionEvent:
    at = NOW - timedelta(minutes=minutes_ago)
    return InterruptionEvent("i-9", pool(name), at, InterruptionKind.CAPACITY, "a test", at)


def version(params: PolicyParams, state: PolicyState = PolicyState.ACTIVE) -> PolicyVersion:
    return PolicyVersion(replace(DEFAULT_POLICY, params=params), state)


def own(*events: InterruptionEvent) -> OwnRecord:
    return OwnRecord(short=short_signals(events, NOW - timedelta(days=1)))


def causes(record: OwnRecord, name: str, zone: str = A) -> set[ShortCause]:
    return {each.cause for each in record.short.get(pool(name, zone), ())}


def market() -> MarketData:
    data = market_data(PRICES, buckets={"m5.large": 0})
    listed = data.advisor[data.advisor["instance_type"] == "m5.large"]
    others = [
        listed.assign(instance_type=name)
        for name in ("m5.xlarge", "m5.2xlarge")
        if name not in {*data.advisor["instance_type"]}
    ]
    return replace(data, advisor=pd.concat([data.advisor, *others], ignore_index=True))


def with_past(ratios: dict[tuple[str, str], float], hours_ago: float) -> MarketData:
    """The market whose prices were others before they changed so many hours ago."""
    data = market()
    now = data.price_history.assign(event_time=NOW - timedelta(hours=hours_ago))
    keys = zip(now["instance_type"], now["availability_zone"], strict=True)
    factors = [ratios.get(key, 1.0) for key in keys]
    earlier = now.assign(
        event_time=NOW - timedelta(days=3),
        spot_price_usd_per_hour=now["spot_price_usd_per_hour"] * factors,
    )
    history = pd.concat([earlier, now]).sort_values(["instance_type", "availability_zone"])
    return replace(data, price_history=history)


def test_several_types_of_a_family_without_capacity_raise_the_others() -> None:
    data, both = market(), own(refused("m5.large", 20), refused("m5.xlarge", 5))
    one = with_market_signals(own(refused("m5.large", 5)), data, [version(PolicyParams())])
    assert causes(one, "m5.2xlarge") == set(), "one type is not several"
    record = with_market_signals(both, data, [version(PolicyParams())])
    (signal,) = record.short[pool("m5.2xlarge")]
    assert signal == ShortSignal(
        ShortCause.FAMILY,
        NOW - timedelta(minutes=20),
        detail="a lack of capacity of m5.xlarge and m5.large",
    )
    assert causes(record, "m5.xlarge") == {ShortCause.CAPACITY}, "one other type is not several"
    assert causes(record, "m6i.large") == set()
    scored = score_market(data, BucketModel(), Tracer(), record).under(PolicyParams())
    assert hazards(scored)["m5.2xlarge"] > 1.5 * hazards(scored)["m6i.large"]


def hazards(scored: ScoredMarket) -> dict[str, float]:
    within = scored.pools.hazard_within(1.0).tolist()
    return dict(zip(scored.table["instance_type"], within, strict=True))


def test_a_policy_that_counts_no_cause_has_the_record_as_it_is() -> None:
    record = own(refused("m5.large", 20), refused("m5.xlarge", 5))
    quiet = version(PolicyParams(family_factor=1.0))
    retired = version(PolicyParams(price_factor=3.0), PolicyState.RETIRED)
    data = with_past({("m5.large", A): 0.5}, 2.0)
    assert with_market_signals(record, data, [quiet, retired]) is record


def test_a_price_jump_counts_for_its_pool_if_a_policy_counts_it() -> None:
    data = with_past({("m5.2xlarge", A): 0.9, ("m5.xlarge", A): 0.995, ("m6i.large", A): 1.2}, 2.0)
    (signal,) = price_jumps(data)[pool("m5.2xlarge")]
    assert signal.at == NOW - timedelta(hours=2)
    assert signal.detail == "a price rise of 11.1 %"
    assert set(price_jumps(data)) == {pool("m5.2xlarge")}, "small rises and falls do not count"
    assert price_jumps(with_past({("m5.2xlarge", A): 0.9}, 25.0)) == {}, "a day is over"
    policies = [version(PolicyParams(), PolicyState.ACTIVE)]
    assert with_market_signals(OwnRecord(), data, policies) == OwnRecord()
    draft = version(PolicyParams(price_factor=2.0), PolicyState.DRAFT)
    record = with_market_signals(OwnRecord(), data, [*policies, draft])
    assert causes(record, "m5.2xlarge") == {ShortCause.PRICE}
    scored = score_market(data, BucketModel(), Tracer(), record)
    assert hazards(scored.under(PolicyParams())) == hazards(scored)
    raised = hazards(scored.under(PolicyParams(price_factor=2.0)))
    before = hazards(scored)
    assert {name for name, each in raised.items() if each > before[name]} == {"m5.2xlarge"}


def test_a_wider_spread_counts_for_all_zones_of_its_type() -> None:
    found = wider_spreads(with_past({("m5.large", A): 1.0, ("m5.large", B): 0.97}, 2.0))
    assert set(found) == {pool("m5.large", A), pool("m5.large", B)}
    (signal,) = found[pool("m5.large")]
    assert signal.detail == "a spread of the zones' prices of 3.3 %, 0.2 % a day before,"
    assert wider_spreads(with_past({("m5.large", B): 1.2}, 2.0)) == {}, "it became narrower"


@pytest.mark.parametrize(("before", "rose"), [(1, True), (3, False), (2, False)])
def test_a_bucket_that_rose_counts_for_all_zones_of_its_type(before: int, rose: bool) -> None:
    data = market_data(PRICES, buckets={"m5.large": 2, "m6i.large": 2})
    past = data.advisor.assign(bucket=2, event_time=NOW - timedelta(days=7))
    past.loc[past["instance_type"] == "m5.large", "bucket"] = before
    found = bucket_rises(replace(data, advisor_past=past))
    assert set(found) == ({pool("m5.large", A), pool("m5.large", B)} if rose else set())
    if rose:
        (signal,) = found[pool("m5.large")]
        assert signal.detail == "a rise of the advisor's bucket from 5-10 % to 10-15 %"
    assert bucket_rises(data) == {}, "one snapshot says nothing about a change"
