"""The performance of a market's pools that counts for an instance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.performance import EQUAL, Basis
from spotlab.domain.throughputs import Throughput, ThroughputSet
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.pipeline.performance import MarketPerformance
from tests.pipeline.test_like_for_like import instance, scored

PRICES = {"m6a.large": 0.05, "m7a.large": 0.04, "m8a.large": 0.06, "m7i.large": 0.03}
TRAINING = replace(DEFAULT_WORKLOAD, name="training")


def counted(
    market: MarketPerformance, own: str = "m6a.large", lifecycle: Lifecycle = Lifecycle.SPOT
) -> dict[str, float]:
    values = market.counted(instance(own, lifecycle), TRAINING)
    return dict(zip(market.scored.table["instance_type"], values.tolist(), strict=True))


def throughputs(workload: str, **values: float) -> ThroughputSet:
    figures = (Throughput(name.replace("__", "."), value) for name, value in values.items())
    return ThroughputSet(workload, 1, tuple(figures))


def test_a_claim_counts_only_where_the_pool_costs_no_more() -> None:
    """M7a is claimed to be 1.5 times, M8a 1.95 times as fast; M8a costs more than the own pool."""
    market = MarketPerformance(scored(PRICES).scored)
    assert counted(market) == {
        "m6a.large": 1.0,
        "m7a.large": 1.5,
        "m8a.large": 1.0,
        "m7i.large": 1.0,
    }


def test_an_on_demand_instance_pays_the_on_demand_price() -> None:
    market = MarketPerformance(scored(PRICES).scored)
    assert counted(market, lifecycle=Lifecycle.ON_DEMAND)["m8a.large"] == pytest.approx(1.95)


def test_without_the_price_of_the_own_pool_no_claim_counts() -> None:
    market = MarketPerformance(scored({"m7a.large": 0.04, "m5.large": 0.04}).scored)
    assert counted(market) == {"m7a.large": 1.0, "m5.large": 1.0}
    assert "does not pay for a higher cost" in market.sentence(
        instance("m6a.large"), TRAINING, "m7a.large", 1.0
    )


def test_a_zone_without_a_price_costs_what_its_region_does() -> None:
    whole_region = scored(PRICES).scored
    whole_region.table["availability_zone"] = None
    assert counted(MarketPerformance(whole_region))["m7a.large"] == 1.5


def test_without_an_on_demand_price_an_interruption_is_valued_at_each_pools() -> None:
    unpriced = scored(PRICES).scored
    unpriced.table["on_demand_price_usd_per_hour"] = np.nan
    assert counted(MarketPerformance(unpriced))["m7a.large"] == 1.5
    on_demand = counted(MarketPerformance(unpriced), lifecycle=Lifecycle.ON_DEMAND)
    assert on_demand["m7a.large"] == 1.0, "what the instance costs is unknown"


def test_measurements_of_the_workload_count_at_any_cost() -> None:
    sets = {
        "training": throughputs("training", m6a__large=100, m8a__large=180),
        "": throughputs("", m6a__large=1, m7i__large=3, m8a__large=9),
    }
    market = MarketPerformance(scored(PRICES).scored, sets)
    found = counted(market)
    assert found == {"m6a.large": 1.0, "m7a.large": 1.5, "m8a.large": 1.8, "m7i.large": 3.0}
    assert market.index("training").fingerprint == "training@1+*@1+claims@1"
    assert market.index("other").fingerprint == "*@1+claims@1"
    assert "measured, 180 against 100" in market.sentence(
        instance("m6a.large"), TRAINING, "m8a.large", 1.8
    )


def test_a_family_is_scaled_by_the_vcpus_in_the_market() -> None:
    sets = {"training": throughputs("training", m6a__large=100, m8a=60)}
    market = MarketPerformance(scored(PRICES).scored, sets)
    assert counted(market)["m8a.large"] == pytest.approx(1.2)


def test_a_recorded_index_is_used_as_it_was() -> None:
    sets = {"": throughputs("", m6a__large=1, m7i__large=3)}
    market = MarketPerformance(scored(PRICES).scored, sets, fixed=EQUAL)
    assert set(counted(market).values()) == {1.0}
    assert market.index("training").relative("m6a.large", "m7i.large").basis is Basis.UNKNOWN


def test_claims_can_be_left_out() -> None:
    market = MarketPerformance(scored(PRICES).scored, use_claims=False)
    assert set(counted(market).values()) == {1.0}
