"""Recorded decisions are decided again with other parameters, and the changes are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.policy_preview import MAX_CHANGED, PreviewTally
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support import builders as make
from tests.support.market import NOW, BucketModel, market_data

HERE = Pool("us-east-1", "us-east-1a", "m6i.large")
PRICES: dict[tuple[str, str | None], float] = {
    ("m6i.large", "us-east-1a"): 0.033,
    ("m6i.large", "us-east-1b"): 0.031,
    ("m6a.large", "us-east-1a"): 0.020,
}
"""m6a.large is cheapest, but the model gives it a risk above the default ceiling."""
SPOT = Instance("i-1", "test", HERE, Lifecycle.SPOT)
ON_DEMAND = replace(SPOT, lifecycle=Lifecycle.ON_DEMAND)
DEFAULT = PolicyParams()


def decided(
    params: PolicyParams = DEFAULT,
    instance: Instance = SPOT,
    hours_since_switch: float | None = None,
) -> Experiment:
    evaluation = Evaluation(score_market(market_data(PRICES), BucketModel(), Tracer()), params)
    last = None if hours_since_switch is None else NOW - timedelta(hours=hours_since_switch)
    return evaluate(instance, evaluation, last, NOW).experiment


def tally(params: PolicyParams, *experiments: Experiment) -> Any:
    collected = PreviewTally()
    for each in experiments:
        collected.add(each, decided(params, each.instance).verdict)
    return collected.result("bold@1", NOW - timedelta(days=30), NOW)


def numbered(experiment: Experiment, count: int) -> list[Experiment]:
    return [
        replace(experiment, experiment_id=number, created_at=NOW - timedelta(hours=8 * number))
        for number in range(count)
    ]


def test_a_preview_counts_changes_and_what_they_cost_with_an_interval() -> None:
    bold = replace(DEFAULT, risk_ceiling=1.0)
    preview = tally(bold, *numbered(decided(), 30))
    assert (preview.decided, preview.changed, preview.instances) == (30, 30, 1)
    assert [(t.before, t.after, t.count) for t in preview.transitions] == [
        (Decision.SWITCH, Decision.SWITCH, 30)
    ]
    assert (preview.moves_before, preview.moves_after) == (30, 30)
    per_hour = preview.cost_difference_usd_per_hour
    assert per_hour.value < 0, "the cheaper pool is allowed now"
    assert per_hour.low == pytest.approx(per_hour.value)
    assert preview.cost_difference_usd_per_day.value == pytest.approx(24 * per_hour.value)
    first = preview.changes[0]
    assert (first.experiment_id, first.before_pool) == (
        0,
        f"{HERE.region}:us-east-1b:m6i.large:Linux",
    )
    assert first.after_pool == f"{HERE.region}:us-east-1a:m6a.large:Linux"


def test_the_same_parameters_change_nothing() -> None:
    preview = tally(DEFAULT, *numbered(decided(), 3))
    assert (preview.decided, preview.changed, preview.changes) == (3, 0, ())
    assert preview.cost_difference_usd_per_hour.value == 0.0


def test_what_cannot_be_made_again_is_left_out_and_counted() -> None:
    collected = PreviewTally()
    collected.add(decided(), None)
    collected.add(make.failed_experiment(), None)
    preview = collected.result("bold@1", NOW - timedelta(days=30), NOW)
    assert (preview.decided, preview.not_comparable, preview.failed) == (0, 1, 1)
    assert preview.cost_difference_usd_per_hour.value != preview.cost_difference_usd_per_hour.value


def test_only_the_newest_changes_are_listed_and_all_are_counted() -> None:
    bold = replace(DEFAULT, risk_ceiling=1.0)
    preview = tally(bold, *numbered(decided(), MAX_CHANGED + 10))
    assert preview.changed == MAX_CHANGED + 10
    assert [each.experiment_id for each in preview.changes] == list(range(MAX_CHANGED))
