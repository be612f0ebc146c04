"""The smallest changes that give another decision: true, and not larger than need be."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from spotlab.domain.decision import Decision
from spotlab.domain.decision_explanation import DecisionExplanation, Flip, FlipKind
from spotlab.domain.margin import FORCED, MarginRule
from spotlab.domain.policy import PolicyParams
from spotlab.pipeline.decision_case import Changed, DecisionCase
from spotlab.pipeline.evaluate import Evaluation, current_and_best, evaluate
from spotlab.pipeline.explain_decision import DecidedWith, explain_decision
from spotlab.pipeline.flips import best_other
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.golden import test_decisions as golden
from tests.support.market import BucketModel


def explained(situation: dict[str, Any]) -> tuple[DecisionExplanation, DecidedWith]:
    return _explained(str(situation["name"]))


@cache
def _explained(name: str) -> tuple[DecisionExplanation, DecidedWith]:
    (situation,) = [each for each in golden.SITUATIONS if each["name"] == name]
    scored = score_market(golden.market(situation), BucketModel(), Tracer())
    params = replace(PolicyParams(), **situation.get("policy", {}))
    experiment = golden.decided(situation)
    last = situation.get("last_switch_h_ago")
    decided = DecidedWith(
        Evaluation(scored, params),
        golden.last_switch(last),
        BucketModel(),
        golden.performance_of(situation, experiment.workload, scored),
    )
    return explain_decision(experiment, decided), decided


@pytest.mark.parametrize("situation", golden.SITUATIONS, ids=lambda each: str(each["name"]))
def test_every_flip_of_a_parameter_flips_and_just_before_it_does_not(
    situation: dict[str, Any],
) -> None:
    explanation, decided = explained(situation)
    verdict = explanation.experiment.verdict
    assert verdict is not None
    for flip in explanation.flips:
        if flip.after is None:
            continue
        assert flip.decision is not verdict.decision
        if isinstance(flip.after, str) or isinstance(flip.before, str) or flip.before is None:
            continue
        if flip.kind in (FlipKind.POLICY, FlipKind.WORKLOAD):
            assert with_value(explanation, decided, flip, flip.after) is flip.decision
            inside = flip.after + (flip.before - flip.after) * 1e-7
            assert with_value(explanation, decided, flip, inside) is verdict.decision


def with_value(
    explanation: DecisionExplanation, decided: DecidedWith, flip: Flip, value: float
) -> Decision | None:
    """The pipeline's decision with another value of one parameter."""
    experiment, evaluation = explanation.experiment, decided.evaluation
    name = flip.parameter.partition(".")[2]
    applied = experiment.workload
    changes: dict[str, Any] = {name: value}
    if name == "checkpoint_interval_h":
        changes["work_lost_h"] = value / 2
    if flip.kind is FlipKind.POLICY:
        evaluation = replace(evaluation, policy=replace(evaluation.policy, **changes))
    else:
        applied = replace(applied, workload=replace(applied.workload, **changes))
    again = evaluate(
        experiment.instance,
        evaluation,
        decided.last_switch_at,
        experiment.created_at,
        applied,
        performance=decided.performance,
    )
    return again.experiment.verdict.decision if again.experiment.verdict else None


@pytest.mark.parametrize("situation", golden.SITUATIONS, ids=lambda each: str(each["name"]))
def test_no_nearer_value_gives_another_decision(situation: dict[str, Any]) -> None:
    explanation, decided = explained(situation)
    verdict = explanation.experiment.verdict
    assert verdict is not None
    case = case_of(explanation, decided)
    for flip in explanation.flips:
        if flip.kind not in (FlipKind.POLICY, FlipKind.WORKLOAD, FlipKind.PRICE):
            continue
        if flip.parameter in ("policy.max_price_age_h", "workload.horizon_h"):
            continue
        assert isinstance(flip.before, float)
        assert flip.low is not None
        assert flip.high is not None
        distance = flip.high - flip.low if flip.after is None else abs(flip.after - flip.before)
        for share in np.concatenate([-np.geomspace(1, 1e-6, 25), np.geomspace(1e-6, 1, 25)]):
            value = flip.before + share * distance * (1 - 1e-6)
            if flip.low <= value <= flip.high:
                found = case.verdict(changed(case, flip, value)).decision
                assert found is verdict.decision, (flip, value)


def case_of(explanation: DecisionExplanation, decided: DecidedWith) -> DecisionCase:
    experiment = explanation.experiment
    again = evaluate(
        experiment.instance,
        decided.evaluation,
        decided.last_switch_at,
        experiment.created_at,
        experiment.workload,
        performance=decided.performance,
    )
    assert again.ranking is not None
    current, *_ = current_and_best(experiment.instance, again.ranking)
    return DecisionCase(
        experiment.instance, again.ranking, current, decided.last_switch_at, experiment.created_at
    )


def changed(case: DecisionCase, flip: Flip, value: float) -> Changed:
    name = flip.parameter.partition(".")[2]
    changes: dict[str, Any] = {name: value}
    if name == "checkpoint_interval_h":
        changes["work_lost_h"] = value / 2
    if flip.kind is FlipKind.POLICY:
        return Changed(policy=replace(case.policy, **changes))
    if flip.kind is FlipKind.WORKLOAD:
        return Changed(workload=replace(case.workload, **changes))
    if name == "current":
        return Changed(own_price=value)
    if name == "on_demand":
        return Changed(on_demand=value)
    return Changed(other=best_other(case, case.verdict()), other_price=value)


@pytest.mark.parametrize("situation", golden.SITUATIONS, ids=lambda each: str(each["name"]))
def test_the_parts_of_a_margin_add_up_to_the_difference_of_the_costs(
    situation: dict[str, Any],
) -> None:
    verdict = golden.decided(situation).verdict
    assert verdict is not None
    margin = verdict.margin
    if margin is None:
        return
    on_demand = situation.get("lifecycle") == "on-demand"
    if verdict.chosen is not None and verdict.current is not None and not on_demand:
        difference = (
            verdict.current.expected_cost_usd_per_hour - verdict.chosen.expected_cost_usd_per_hour
        )
        assert margin.saving - margin.moving == pytest.approx(difference, abs=1e-12)
    parts = margin.as_dict()
    total = parts.pop("total")
    assert sum(parts.values()) == pytest.approx(total, abs=1e-12)
    if verdict.decision is Decision.STAY:
        assert total < 0 or margin.rule in (MarginRule.COOLDOWN, MarginRule.PRICE_OF_SAFETY)
    else:
        assert total >= 0 or margin.rule in FORCED
