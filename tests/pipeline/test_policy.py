"""The policy stays, switches or falls back, in cases that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spotlab.domain.decision import Candidate, Decision, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.pipeline.policy import decide
from spotlab.pipeline.situation import Situation
from tests.support.market import NOW

HERE = Pool("us-east-1", "us-east-1a", "m5.large")
THERE = Pool("us-east-1", "us-east-1b", "m6i.large")
PARAMS = PolicyParams(switch_downtime_h=0.0)


def candidate(pool: Pool, cost: float, risk: float = 0.001) -> Candidate:
    return Candidate(
        pool=pool,
        spot_price_usd_per_hour=cost,
        on_demand_price_usd_per_hour=0.1,
        risk=risk,
        horizon_h=24.0,
        hazard_per_hour=risk / 24,
        expected_cost_usd_per_hour=cost,
    )


def situation(
    current: float | None = 0.05,
    best: float | None = 0.03,
    *,
    on_demand: float | None = 0.1,
    risk: float = 0.001,
    lifecycle: Lifecycle = Lifecycle.SPOT,
    switched_h_ago: float | None = None,
) -> Situation:
    return Situation(
        instance=Instance("i-1", "test", HERE, lifecycle),
        current=candidate(HERE, current, risk) if current is not None else None,
        best=candidate(THERE, best) if best is not None else None,
        on_demand_usd_per_hour=on_demand,
        workload=DEFAULT_WORKLOAD,
        last_switch_at=NOW - timedelta(hours=switched_h_ago)
        if switched_h_ago is not None
        else None,
        now=NOW,
    )


def test_switches_for_a_saving_and_says_how_much() -> None:
    verdict = decide(situation(), PARAMS)
    assert verdict.decision is Decision.SWITCH
    assert verdict.chosen is not None
    assert verdict.chosen.pool == THERE
    assert verdict.saving_usd_per_hour == pytest.approx(0.02)
    assert "saves 0.0200 USD/h" in verdict.reason


def test_stays_when_the_saving_is_too_small_and_names_the_bar() -> None:
    verdict = decide(situation(best=0.049), PARAMS)
    assert verdict.decision is Decision.STAY
    assert verdict.chosen is None
    assert "0.0010 USD/h, below the minimum saving of 0.0025 USD/h" in verdict.reason


def test_a_switch_must_pay_for_its_own_downtime() -> None:
    costly = replace(PARAMS, switch_downtime_h=20.0)
    assert decide(situation(), costly).decision is Decision.STAY


def test_stays_during_the_cooldown_and_asks_for_more_after_it() -> None:
    assert "cooldown for another 4.0 h" in decide(situation(switched_h_ago=2), PARAMS).reason
    slightly = situation(best=0.046, switched_h_ago=8)
    assert decide(slightly, PARAMS).decision is Decision.STAY
    assert decide(replace(slightly, last_switch_at=None), PARAMS).decision is Decision.SWITCH


def test_leaves_an_unsafe_pool_even_during_the_cooldown() -> None:
    verdict = decide(situation(best=0.06, risk=0.02, switched_h_ago=1), PARAMS)
    assert verdict.decision is Decision.SWITCH
    assert "above the risk ceiling of 0.75 %" in verdict.reason
    assert "costs 0.0100 USD/h more" in verdict.reason


@pytest.mark.parametrize("best", [None, 0.12])
def test_falls_back_when_no_safe_pool_beats_on_demand(best: float | None) -> None:
    verdict = decide(situation(best=best, risk=0.02), PARAMS)
    assert verdict.decision is Decision.FALLBACK_ONDEMAND
    assert verdict.saving_usd_per_hour == pytest.approx(-0.05)
    assert "costs 0.0500 USD/h more" in verdict.reason


def test_falls_back_when_spot_costs_more_than_on_demand() -> None:
    verdict = decide(situation(current=0.2, best=None), PARAMS)
    assert verdict.decision is Decision.FALLBACK_ONDEMAND
    assert verdict.saving_usd_per_hour == pytest.approx(0.1)


def test_unknown_prices_are_said_and_never_replaced() -> None:
    unknown_here = decide(situation(current=None), PARAMS)
    assert unknown_here.decision is Decision.STAY
    assert unknown_here.saving_usd_per_hour is None
    assert "unknown" in unknown_here.reason
    unsafe = decide(situation(best=None, risk=0.02, on_demand=None), PARAMS)
    assert unsafe.decision is Decision.FALLBACK_ONDEMAND
    assert "its price is unknown" in unsafe.reason


def test_an_on_demand_instance_moves_to_spot_only_for_a_saving() -> None:
    on_demand = situation(lifecycle=Lifecycle.ON_DEMAND)
    assert decide(on_demand, PARAMS).decision is Decision.SWITCH
    assert decide(replace(on_demand, best=None), PARAMS).decision is Decision.STAY
    dear = replace(on_demand, best=candidate(THERE, 0.099))
    assert decide(dear, PARAMS).decision is Decision.STAY
    unknown = replace(on_demand, on_demand_usd_per_hour=None)
    assert decide(unknown, PARAMS).decision is Decision.STAY
