"""Evidence that raises a hazard for a while: what it changes, how long, under which policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from spotlab.domain.decision import Decision, Instance, Lifecycle, Verdict
from spotlab.domain.hazard_curve import ShortCause, ShortSignal, parts_of
from spotlab.domain.interruptions import (
    InterruptionEvent,
    InterruptionKind,
    OwnRecord,
    short_signals,
)
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import risk_within
from spotlab.domain.risk_curve import risk_curve
from spotlab.domain.workload import DEFAULT_WORKLOAD, AppliedWorkload, AssignmentScope
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.preparation import prepare
from spotlab.pipeline.rank import rank
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.settings import Settings
from spotlab.store.experiments import _NOT_YET
from spotlab.ui.explanations.over_time import sentences
from tests.support.market import NOW, BucketModel, market_data

HERE = Pool("us-east-1", "us-east-1a", "m5.large")
SIBLING = Pool("us-east-1", "us-east-1b", "m5.large")
OTHER = Pool("us-east-1", "us-east-1a", "m6i.large")
PRICES = {
    ("m5.large", "us-east-1a"): 0.03,
    ("m5.large", "us-east-1b"): 0.031,
    ("m6i.large", "us-east-1a"): 0.032,
}
INSTANCE = Instance("i-1", "acme", HERE, Lifecycle.SPOT)
COSTLY = AppliedWorkload(
    replace(DEFAULT_WORKLOAD, fixed_usd=20.0, horizon_h=1.0), AssignmentScope.INSTANCE, "i-1"
)
QUIET = PolicyParams(
    rebalance_factor=1.0,
    capacity_factor=1.0,
    sibling_factor=1.0,
    placement_factor=1.0,
    joint_loss_share=0.0,
    family_factor=1.0,
)


def event(kind: InterruptionKind, minutes_ago: float, pool: Pool = HERE) -> InterruptionEvent:
    at = NOW - timedelta(minutes=minutes_ago)
    return InterruptionEvent("i-9", pool, at, kind, "a test", at)


def scored(*events: InterruptionEvent, as_of: datetime = NOW) -> ScoredMarket:
    data = replace(market_data(PRICES, buckets={"m5.large": 0, "m6i.large": 0}), as_of=as_of)
    own = OwnRecord(short=short_signals(events, NOW - timedelta(days=1)))
    return score_market(data, BucketModel(), Tracer(), own)


def decided(market: ScoredMarket, policy: PolicyParams) -> Verdict:
    experiment = evaluate(INSTANCE, Evaluation(market, policy), None, market.data.as_of, COSTLY)
    verdict = experiment.experiment.verdict
    assert verdict is not None, experiment.experiment.error
    prepared = prepare(INSTANCE, market, None, COSTLY)
    alone = prepared.decide(policy, COSTLY.workload, market.data.as_of)
    assert (alone.decision, alone.saving_usd_per_hour) == (
        verdict.decision,
        verdict.saving_usd_per_hour,
    )
    return verdict


NO_EXCLUSION = PolicyParams(signal_exclusion_min=0.0)


def test_a_refused_launch_moves_a_costly_instance_and_a_later_success_moves_it_back() -> None:
    refused = event(InterruptionKind.CAPACITY, 10)
    assert decided(scored(), NO_EXCLUSION).decision is Decision.STAY
    verdict = decided(scored(refused), NO_EXCLUSION)
    assert verdict.decision is Decision.SWITCH
    assert verdict.chosen is not None
    assert verdict.chosen.pool == OTHER  # the type's other zone is riskier too
    assert verdict.current is not None
    reasons = " ".join(verdict.current.reasons)
    assert "A refused launch 10 min ago raises the risk from 0.00 % to 0." in reasons
    again = scored(refused, event(InterruptionKind.LAUNCHED, 5))
    assert decided(again, NO_EXCLUSION).decision is Decision.STAY


def test_a_part_is_over_after_twice_its_half_life() -> None:
    events = event(InterruptionKind.CAPACITY, 0)
    for hours, over in ((1.9, False), (2.0, True)):
        market = scored(events, as_of=NOW + timedelta(hours=hours)).under(PolicyParams())
        raised = market.pools.hazard_within(1.0) != market.pools.hazard_per_hour
        assert not raised[0] if over else raised[0]


def test_without_evidence_the_hazards_are_the_models_bit_for_bit() -> None:
    market = scored()
    assert market.under(PolicyParams()) is market
    np.testing.assert_array_equal(market.pools.hazard_within(6.0), market.model_hazard)


def test_the_risk_grows_with_the_horizon_and_the_mean_hazard_falls_to_the_long_run() -> None:
    market = scored(event(InterruptionKind.CAPACITY, 10), event(InterruptionKind.REBALANCE, 3))
    pools = market.under(PolicyParams()).pools
    horizons = [0.1, 1.0, 6.0, 24.0, 720.0]
    risks = [float(pools.risk(each)[0]) for each in horizons]
    hazards = [float(pools.hazard_within(each)[0]) for each in horizons]
    assert risks == sorted(risks)
    assert hazards == sorted(hazards, reverse=True)
    assert hazards[-1] == pytest.approx(pools.hazard_per_hour[0], rel=0.05)
    assert risks[2] == risk_within(hazards[2], 6.0)


def test_the_policy_says_how_much_each_cause_counts() -> None:
    market = scored(event(InterruptionKind.CAPACITY, 10), event(InterruptionKind.REBALANCE, 3))
    ranking = rank(market, Requirements(), replace(QUIET, signal_exclusion_min=0.0))
    assert set(ranking.table["hazard_per_hour"]) == set(market.model_hazard)
    once = rank(market, Requirements(), replace(QUIET, signal_exclusion_min=0, sibling_factor=3.0))
    by_zone = once.table.set_index(["instance_type", "availability_zone"])["hazard_per_hour"]
    assert by_zone["m5.large", "us-east-1b"] > by_zone["m5.large", "us-east-1a"]


def test_a_recommendation_raises_the_cost_but_not_the_risk_that_an_instance_leaves_for() -> None:
    market = scored(event(InterruptionKind.REBALANCE, 1))
    current = decided(market, PolicyParams(risk_ceiling=0.001)).current
    assert current is not None
    assert current.evidence is not None
    assert current.ceiling_risk > current.leaving_risk
    assert current.leaving_risk == pytest.approx(
        float(risk_within(market.model_hazard[0], 24.0)), rel=1e-12
    )


def test_several_signals_of_a_cause_count_as_the_newest() -> None:
    many = [event(InterruptionKind.CAPACITY, minutes) for minutes in (50, 5, 20)]
    assert short_signals(many, NOW - timedelta(days=1)) == {
        HERE: (
            ShortSignal(ShortCause.CAPACITY, NOW - timedelta(minutes=5), detail="a refused launch"),
        )
    }


def test_an_interruption_a_minute_ago_is_a_great_risk_within_the_hour_and_the_screen_says_why() -> (
    None
):
    verdict = decided(scored(event(InterruptionKind.NOTICE, 1)), PolicyParams())
    assert verdict.decision is Decision.SWITCH
    assert verdict.chosen is not None
    assert verdict.chosen.pool == OTHER
    assert verdict.current is not None
    # Of the 10 minutes that the part lasts, one has passed: 1 - 0.08 ** 0.81.
    assert verdict.current.risk == pytest.approx(1.0 - 0.08**0.81, abs=2e-3)
    reasons = " ".join(verdict.current.reasons)
    assert "An interruption, with which others of the pool are lost, 1 min ago raises" in reasons
    assert "P(lost together with it) is 87 % and falls to 0 within 9 min." in reasons
    assert "an interruption, with which others of the pool are lost (P(lost" in verdict.reason


def test_a_joint_loss_is_over_within_minutes_and_is_one_of_its_pool_only() -> None:
    only = replace(QUIET, joint_loss_share=0.92)
    notice = event(InterruptionKind.NOTICE, 4)
    risks = scored(notice).under(only).pools.risk(1.0)
    assert risks[0] > 0.5
    assert risks[1] < 1e-3, "the type's other zones are not lost together with it"
    later = scored(notice, as_of=NOW + timedelta(minutes=6)).under(only)
    np.testing.assert_array_equal(later.pools.hazard_within(1.0), later.model_hazard)


def test_what_a_notice_announced_is_no_second_joint_loss() -> None:
    events = [event(InterruptionKind.NOTICE, 25), event(InterruptionKind.RECLAIMED, 2)]
    (joint,) = (
        each
        for each in short_signals(events, NOW - timedelta(days=1))[HERE]
        if each.cause is ShortCause.JOINT_LOSS
    )
    assert joint.at == NOW - timedelta(minutes=25)


def test_a_share_is_lost_whatever_the_long_run_hazard_is() -> None:
    for hazard in (1e-6, 1e-4, 1e-2):
        signal = ShortSignal(ShortCause.JOINT_LOSS, NOW)
        (part,) = parts_of([signal], NOW, PolicyParams(), hazard)
        lost = 1.0 - np.exp(-hazard * part.excess_h(1.0))
        assert lost == pytest.approx(0.92)
    assert parts_of([ShortSignal(ShortCause.JOINT_LOSS, NOW)], NOW, PolicyParams(), 0.0) == ()


def test_the_default_share_is_that_of_the_fleets_losses() -> None:
    assert PolicyParams().joint_loss_share == Settings.model_fields["loss_same_pool"].default


def test_decisions_made_before_a_cause_was_known_have_no_part_of_it() -> None:
    old = replace(PolicyParams(), **_NOT_YET)
    signals = [ShortSignal(cause, NOW) for cause in ShortCause]
    assert {each.cause for each in parts_of(signals, NOW, old, 1e-4)} == {ShortCause.REBALANCE}


def test_the_screen_says_what_moved_it_and_since_when() -> None:
    current = decided(scored(event(InterruptionKind.NOTICE, 1)), PolicyParams()).current
    assert current is not None
    curve = risk_curve(current)
    assert curve is not None
    text = " ".join(sentences(curve, NOW))
    assert "1 h: 87 % (" in text
    assert (
        f"Moved by an interruption, with which others of the pool are lost, at "
        f"{NOW - timedelta(minutes=1):%Y-%m-%d %H:%M} UTC: at the decision, P(lost together with "
        "it) is 87 % and falls to 0 within 9 min."
    ) in text
