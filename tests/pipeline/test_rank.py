"""Pools are filtered out for reasons that are counted, and ranked by expected cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spotlab.domain.decision import DropReason, Instance, Lifecycle
from spotlab.domain.market import MarketData, MarketName, Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.pipeline.filter import requirements_of
from spotlab.pipeline.rank import rank
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import BucketModel, market_data

PRICES: dict[tuple[str, str | None], float] = {
    ("m5.large", "us-east-1a"): 0.030,
    ("m6i.large", "us-east-1a"): 0.034,
    ("m6i.large", "us-east-1b"): 0.033,
    ("m6g.large", "us-east-1a"): 0.025,
    ("m5.xlarge", "us-east-1a"): 0.060,
    ("t3.large", "us-east-1a"): 0.020,
    ("g4dn.xlarge", "us-east-1b"): 0.200,
}
ANY = PolicyParams(risk_ceiling=1.0)


def scored(data: MarketData | None = None) -> ScoredMarket:
    return score_market(data or market_data(PRICES), BucketModel(), Tracer())


def types(ranking_table: object) -> list[str]:
    return [f"{row.instance_type}" for row in ranking_table.itertuples()]  # type: ignore[attr-defined]


def test_the_expected_cost_is_price_plus_hazard_times_an_interruption() -> None:
    ranking = rank(scored(), Requirements(), ANY)
    position = ranking.position_of(Pool("us-east-1", "us-east-1a", "m5.large"))
    assert position is not None
    candidate = ranking.candidate(position)
    cost = 0.030 + float(hazard_from_monthly_rate(0.25)) * 0.6 * 0.096
    assert candidate.expected_cost_usd_per_hour == pytest.approx(cost)
    assert any("69 % below on-demand" in reason for reason in candidate.reasons)
    assert any(">20 %" in reason for reason in candidate.reasons)


def test_candidates_come_cheapest_first_and_every_drop_is_counted() -> None:
    need = Requirements(vcpu_min=2, memory_gb_min=8, architecture="x86_64", accelerator=False)
    ranking = rank(scored(), need, PolicyParams())
    assert types(ranking.candidates) == ["t3.large", "m6i.large", "m6i.large", "m5.xlarge"]
    assert ranking.candidates["rank"].tolist() == [1, 2, 3, 4]
    assert ranking.dropped == {
        DropReason.ARCHITECTURE: 1,
        DropReason.ACCELERATOR: 1,
        DropReason.RISK_CEILING: 1,
    }


@pytest.mark.parametrize(
    ("need", "reason", "count"),
    [
        (Requirements(regions=("eu-west-1",)), DropReason.REGION, 7),
        (Requirements(zones=("us-east-1b",)), DropReason.ZONE, 5),
        (Requirements(families=("m6i",)), DropReason.FAMILY, 5),
        (Requirements(vcpu_max=2), DropReason.VCPU, 2),
        (Requirements(memory_gb_min=16), DropReason.MEMORY, 5),
        (Requirements(burstable=False), DropReason.BURSTABLE, 1),
        (Requirements(max_advisor_bucket=1), DropReason.UNSAFE_RATE, 2),
        (Requirements(operating_system="Windows"), DropReason.OPERATING_SYSTEM, 7),
    ],
)
def test_each_requirement_drops_with_its_reason(
    need: Requirements, reason: DropReason, count: int
) -> None:
    ranking = rank(scored(), need, ANY)
    assert ranking.dropped[reason] == count
    assert len(ranking.candidates) == len(PRICES) - count


def test_prices_that_were_read_too_long_ago_are_not_used_but_a_recorded_market_is() -> None:
    data = market_data(PRICES)
    old = {
        kind: replace(origin, fetched_at=origin.fetched_at - timedelta(days=3))
        for kind, origin in data.origins.items()
    }
    stale = scored(replace(data, origins=old))
    assert rank(stale, Requirements(), ANY).dropped == {DropReason.STALE_PRICE: len(PRICES)}
    recorded = scored(replace(data, origins=old, market=MarketName.RECORDED))
    assert rank(recorded, Requirements(), ANY).dropped == {}


def test_an_unknown_on_demand_price_is_said() -> None:
    data = market_data(PRICES, without_on_demand=("m6g.large",))
    ranking = rank(scored(data), Requirements(architecture="arm64"), ANY)
    candidate = ranking.candidate(0)
    assert candidate.on_demand_price_usd_per_hour is None
    assert "on-demand price is unknown" in candidate.reasons[0]


def test_an_empty_market_gives_an_empty_ranking() -> None:
    ranking = rank(scored(market_data({})), Requirements(), ANY)
    assert len(ranking.candidates) == 0
    assert ranking.dropped == {}


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        (
            "m5.xlarge",
            Requirements(
                regions=("us-east-1",),
                vcpu_min=4,
                memory_gb_min=16,
                architecture="x86_64",
                accelerator=False,
                burstable=False,
            ),
        ),
        (
            "g4dn.xlarge",
            Requirements(
                regions=("us-east-1",),
                vcpu_min=4,
                memory_gb_min=16,
                architecture="x86_64",
                accelerator=True,
                burstable=False,
            ),
        ),
    ],
)
def test_requirements_are_derived_from_the_instances_own_type(
    instance_type: str, expected: Requirements
) -> None:
    pool = Pool("us-east-1", "us-east-1a", instance_type)
    instance = Instance("i-1", "test", pool, Lifecycle.SPOT)
    assert requirements_of(instance, scored().pools) == expected
