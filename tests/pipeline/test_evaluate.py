"""An evaluation is recorded completely, and can be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.pipeline.evaluate import Evaluation
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.store import Store, open_store
from tests.support.decisions import record_decision
from tests.support.market import BucketModel, market_data
from tests.support.migrated import copy_to

PRICES: dict[tuple[str, str | None], float] = {
    ("m5.large", "us-east-1a"): 0.030,
    ("m6i.large", "us-east-1b"): 0.033,
    ("m6g.large", "us-east-1a"): 0.010,
    ("m5.xlarge", "us-east-1a"): 0.060,
}
HERE = Pool("us-east-1", "us-east-1a", "m5.large")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.engine.dispose()


def decided(
    store: Store,
    prices: dict[tuple[str, str | None], float] | None = None,
    pool: Pool = HERE,
    lifecycle: Lifecycle = Lifecycle.SPOT,
) -> Experiment:
    tracer = Tracer()
    scored = score_market(market_data(prices or PRICES), BucketModel(), tracer)
    evaluation = Evaluation(scored, PolicyParams(), tuple(tracer.stages))
    return record_decision(Instance("i-1", "test", pool, lifecycle), evaluation, store.ledger)


def test_leaves_a_pool_over_the_risk_ceiling_for_one_of_the_same_architecture(store: Store) -> None:
    experiment = decided(store)
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.SWITCH
    assert experiment.verdict.chosen is not None
    assert experiment.verdict.chosen.pool == Pool("us-east-1", "us-east-1b", "m6i.large")


def test_the_ledger_gives_back_exactly_what_was_decided(store: Store) -> None:
    experiment = decided(store)
    assert store.ledger.get(experiment.experiment_id) == experiment


def test_every_stage_is_traced_with_its_counts(store: Store) -> None:
    stages = {stage.name: stage for stage in decided(store).stages}
    assert list(stages) == ["features", "risk", "filter", "policy"]
    assert stages["filter"].rows_in == len(PRICES)
    assert stages["filter"].rows_out == 2


def test_the_pool_it_is_on_is_kept_even_when_it_is_dropped(store: Store) -> None:
    assert HERE in [candidate.pool for candidate in decided(store).candidates]


def test_a_region_level_price_serves_where_the_zone_has_none(store: Store) -> None:
    prices: dict[tuple[str, str | None], float] = {
        ("m5.large", None): 0.05,
        ("m6i.large", None): 0.02,
    }
    experiment = decided(store, prices)
    assert experiment.verdict is not None
    assert experiment.verdict.current is not None
    assert experiment.verdict.current.pool.availability_zone is None
    assert experiment.verdict.decision is Decision.SWITCH


def test_an_unknown_type_stays_and_says_that_nothing_can_be_compared(store: Store) -> None:
    experiment = decided(store, pool=replace(HERE, instance_type="x9q.large"))
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.STAY
    assert "is unknown" in experiment.verdict.reason


def test_an_evaluation_that_fails_is_recorded_with_its_error(store: Store) -> None:
    experiment = decided(store, pool=replace(HERE, instance_type="nonsense"))
    assert experiment.verdict is None
    assert "'nonsense' is not an instance type" in experiment.error
    assert store.ledger.get(experiment.experiment_id).error == experiment.error


def test_an_on_demand_instance_may_move_to_the_spot_pool_of_its_own_type(store: Store) -> None:
    prices: dict[tuple[str, str | None], float] = {("m6i.large", "us-east-1a"): 0.03}
    pool = Pool("us-east-1", "us-east-1a", "m6i.large")
    experiment = decided(store, prices, pool, Lifecycle.ON_DEMAND)
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.SWITCH
    assert experiment.verdict.chosen is not None
    assert experiment.verdict.chosen.pool == pool
