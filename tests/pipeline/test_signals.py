"""Signals of own instances: what a rebalance recommendation and an interruption notice change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spotlab.domain.decision import Decision, DropReason, Experiment, Instance, Lifecycle
from spotlab.domain.interruptions import OwnRecord, PoolSignals
from spotlab.domain.margin import MarginRule
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.spot_events import Signal, SpotEventKind
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.rank import rank
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel, market_data

HERE = Pool("us-east-1", "us-east-1a", "m5.large")
THERE = Pool("us-east-1", "us-east-1b", "m5.large")
PRICES = {("m5.large", "us-east-1a"): 0.03, ("m5.large", "us-east-1b"): 0.0299}
CHEAPER = PRICES | {("m5.large", "us-east-1b"): 0.02}
INSTANCE = Instance("i-1", "acme", HERE, Lifecycle.SPOT)


def ago(minutes: float, *, rebalance: bool = True) -> PoolSignals:
    at = NOW - timedelta(minutes=minutes)
    return PoolSignals(at, at if rebalance else None)


def scored(
    signals: dict[Pool, PoolSignals] | None = None,
    prices: dict[tuple[str, str], float] | None = None,
    bucket: int = 0,
) -> ScoredMarket:
    own = OwnRecord(signals=signals or {})
    data = market_data(prices or PRICES, buckets={"m5.large": bucket})
    return score_market(data, BucketModel(), Tracer(), own)


def decided(
    market: ScoredMarket, signal: Signal | None = None, policy: PolicyParams | None = None
) -> Experiment:
    evaluation = Evaluation(market, policy or PolicyParams())
    return evaluate(replace(INSTANCE, signal=signal), evaluation, None, NOW).experiment


def hazard(market: ScoredMarket, pool: Pool) -> float:
    table = market.table
    same = table["availability_zone"] == pool.availability_zone
    return float(table.loc[same, "hazard_per_hour"].iloc[0])


def dropped(market: ScoredMarket, policy: PolicyParams) -> dict[str, DropReason | None]:
    table = rank(market, Requirements(), policy).table
    return dict(zip(table["availability_zone"], table["dropped"], strict=True))


@pytest.mark.parametrize(("minutes", "factor"), [(0, 4.0), (180, 2.5), (360, 1.0), (7200, 1.0)])
def test_a_recommendation_raises_the_hazard_of_its_pool_for_six_hours(
    minutes: float, factor: float
) -> None:
    before, after = scored(), scored({HERE: ago(minutes)})
    assert hazard(after, HERE) == pytest.approx(factor * hazard(before, HERE))
    assert hazard(after, THERE) == hazard(before, THERE)


def test_a_notice_alone_has_no_factor() -> None:
    assert hazard(scored({HERE: ago(1, rebalance=False)}), HERE) == hazard(scored(), HERE)


def test_a_pool_of_a_whole_region_has_the_newest_signal_of_its_zones() -> None:
    record = OwnRecord(signals={HERE: ago(30), THERE: ago(5, rebalance=False)})
    assert record.signals_on(replace(HERE, availability_zone=None)) == PoolSignals(
        NOW - timedelta(minutes=5), NOW - timedelta(minutes=30)
    )


def test_a_pool_that_signalled_is_no_candidate_for_as_long_as_the_policy_says() -> None:
    market = scored({THERE: ago(59, rebalance=False)})
    assert dropped(market, PolicyParams()) == {
        "us-east-1a": None,
        "us-east-1b": DropReason.SIGNALLED,
    }
    for minutes in (0.0, 59.0):
        policy = PolicyParams(signal_exclusion_min=minutes)
        assert set(dropped(market, policy).values()) == {None}


def test_the_reasons_of_a_pool_name_the_signal_and_the_factor() -> None:
    ranking = rank(scored({THERE: ago(30)}), Requirements(), PolicyParams())
    reasons = " ".join(ranking.candidate(len(ranking.table) - 1).reasons)
    assert (
        "Filtered out: signalled an interruption or a lack of capacity a short time ago: the last "
        "signal there is 30 min old." in reasons
    )
    assert "A rebalance recommendation 30 min ago raises the risk from" in reasons
    assert "its hazard counts 3.8 times, which falls to 1 within 6 h." in reasons


def test_a_recommendation_alone_moves_no_instance() -> None:
    signal = Signal(SpotEventKind.REBALANCE, NOW - timedelta(minutes=1))
    market = scored({HERE: ago(1)}, bucket=1)
    experiment = decided(market, signal)
    assert experiment.verdict is not None
    assert experiment.verdict.current is not None
    assert experiment.verdict.current.ceiling_risk > PolicyParams().leaving_risk
    assert experiment.verdict.decision is Decision.STAY
    assert "EC2 recommended at" in experiment.verdict.reason
    assert "which alone moves no instance" in experiment.verdict.reason


def notice(seconds_ago: float) -> Signal:
    at = NOW - timedelta(seconds=seconds_ago)
    return Signal(SpotEventKind.NOTICE, at, at + timedelta(minutes=2))


def test_a_notice_moves_the_instance_to_the_best_other_pool() -> None:
    experiment = decided(scored({HERE: ago(0, rebalance=False)}), notice(10))
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.SWITCH
    assert experiment.verdict.chosen is not None
    assert experiment.verdict.chosen.pool == THERE
    assert experiment.verdict.margin is not None
    assert experiment.verdict.margin.rule is MarginRule.NOTICE
    assert experiment.verdict.reason.startswith(
        "EC2 has given notice that it interrupts the instance at "
    )


def test_after_a_notice_an_instance_without_another_pool_moves_to_on_demand() -> None:
    both = {HERE: ago(0, rebalance=False), THERE: ago(0, rebalance=False)}
    verdict = decided(scored(both), notice(10)).verdict
    assert verdict is not None
    assert verdict.decision is Decision.FALLBACK_ONDEMAND
    assert "it moves to on-demand at" in verdict.reason


def test_a_notice_counts_in_the_cooldown_too() -> None:
    evaluation = Evaluation(scored(), PolicyParams())
    instance = replace(INSTANCE, signal=notice(10))
    again = evaluate(instance, evaluation, NOW - timedelta(minutes=5), NOW).experiment
    assert again.verdict is not None
    assert again.verdict.decision is Decision.SWITCH


@pytest.mark.parametrize("seconds", [-1, 121])
def test_a_notice_that_is_over_decides_nothing(seconds: float) -> None:
    verdict = decided(scored(), notice(seconds)).verdict
    assert verdict is not None
    assert verdict.decision is Decision.STAY


def test_an_instance_moves_for_a_saving_after_a_recommendation_as_before() -> None:
    market = scored({HERE: ago(1)}, CHEAPER)
    verdict = decided(market, Signal(SpotEventKind.REBALANCE, NOW - timedelta(minutes=1))).verdict
    assert verdict is not None
    assert verdict.decision is Decision.SWITCH
    assert verdict.margin is not None
    assert verdict.margin.rule is MarginRule.COST
