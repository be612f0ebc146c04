"""Challengers decide in shadow, and are compared with the champion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spotlab.domain.decision import Decision, Instance, Lifecycle
from spotlab.domain.features import Matrix
from spotlab.domain.market import Pool
from spotlab.domain.outcomes import ShadowDecision
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import ModelRecord
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.score import score_market
from spotlab.pipeline.shadow import challengers, compare, shadow
from spotlab.pipeline.stage_trace import Tracer
from spotlab.store import Store, open_store
from tests.support import builders as make
from tests.support.market import NOW, BucketModel, market_data
from tests.support.migrated import copy_to
from tests.support.outcomes import shadow_decision

HERE = Pool("us-east-1", "us-east-1a", "m6i.large")
PRICES: dict[tuple[str, str | None], float] = {
    ("m6i.large", "us-east-1a"): 0.033,
    ("m6a.large", "us-east-1a"): 0.030,
}


class Fearless(BucketModel):
    """Predicts no risk, so the cheapest pool wins."""

    name = "fearless"

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        return hazard_from_monthly_rate(np.full(len(matrix), 0.001))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.close()


def beside(store: Store, challenger: BucketModel) -> ShadowDecision:
    data = market_data(PRICES)
    mine = Evaluation(score_market(data, BucketModel(), Tracer()), PolicyParams())
    theirs = Evaluation(score_market(data, challenger, Tracer()), PolicyParams())
    unrecorded = evaluate(Instance("i-1", "test", HERE, Lifecycle.SPOT), mine, None, NOW)
    experiment_id = store.ledger.record(unrecorded.experiment)
    experiment = replace(unrecorded.experiment, experiment_id=experiment_id)
    return shadow(experiment, unrecorded.ranking, theirs, None)


def test_a_challenger_that_would_move_is_recorded_with_both_views_of_the_cost(
    store: Store,
) -> None:
    decision = beside(store, Fearless())
    assert (decision.champion_decision, decision.decision) == (Decision.STAY, Decision.SWITCH)
    assert decision.chosen_pool == Pool("us-east-1", "us-east-1a", "m6a.large").key
    assert not decision.agrees
    assert decision.own_cost_difference_usd_per_hour == pytest.approx(-0.003)
    interruption_usd = 0.6 * 0.096
    hazards = hazard_from_monthly_rate(np.array([0.25, 0.025]))
    by_champion = (0.030 + hazards[0] * interruption_usd) - (0.033 + hazards[1] * interruption_usd)
    assert decision.cost_difference_usd_per_hour == pytest.approx(by_champion)


def test_the_same_answer_agrees_and_costs_no_different(store: Store) -> None:
    decision = beside(store, BucketModel())
    assert decision.agrees
    assert decision.cost_difference_usd_per_hour == 0.0


def named(version: str, **changes: object) -> ModelRecord:
    return make.model_record(version, **changes)


def test_enabled_graduates_run_beside_the_model_that_decides() -> None:
    records = [
        named("1", state="champion"),
        named("2", state="graduated"),
        named("3", state="graduated", enabled=False),
        named("4", state="candidate"),
        named("5", state="archived"),
        named("6", state="graduated", task="capacity"),
    ]
    assert challengers(records, "advisor", "advisor-lgbm@1") == ["advisor-lgbm@2"]
    assert challengers(records, "advisor", "advisor-lgbm@2") == ["advisor-lgbm@1"]


def test_the_comparison_counts_agreement_failures_and_cost_with_an_interval() -> None:
    rng = np.random.default_rng(3)
    decisions = [
        shadow_decision(
            number,
            created_at=make.NOW + timedelta(hours=6 * number),
            agrees=number % 4 != 0,
            cost_difference_usd_per_hour=float(rng.normal(-0.01, 0.002)) * (number % 4 == 0),
        )
        for number in range(120)
    ]
    failed = replace(decisions[0], experiment_id=999, decision=None, error="no features")
    (found,) = compare([*decisions, failed])
    assert (found.model, found.decided, found.failures) == ("challenger@1", 120, 1)
    assert found.agreement.value == 0.75
    assert len(found.disagreements) == 30
    assert found.disagreements[0].created_at > found.disagreements[-1].created_at
    cost = found.cost_difference_usd_per_hour
    assert cost.low < cost.value < cost.high < 0
