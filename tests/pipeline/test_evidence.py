"""Own interruptions change decisions and their reasons, and replay exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.interruptions import OwnRecord, Record
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.risk import Evidence, hazard_from_monthly_rate, risk_within
from spotlab.pipeline.evaluate import Evaluation
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.store import Store, open_store
from tests.support.decisions import record_decision
from tests.support.market import BucketModel, market_data
from tests.support.migrated import copy_to

HERE = Pool("us-east-1", "us-east-1a", "m6i.large")
SIBLING = Pool("us-east-1", "us-east-1b", "m6i.large")
OTHER = Pool("us-east-1", "us-east-1a", "m6a.large")
PRICES: dict[tuple[str, str | None], float] = {
    ("m6i.large", "us-east-1a"): 0.033,
    ("m6i.large", "us-east-1b"): 0.036,
    ("m6a.large", "us-east-1a"): 0.034,
}
OWN = OwnRecord({HERE: Record(4, 310.0)})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.close()


def scored(own: OwnRecord | None) -> ScoredMarket:
    data = market_data(PRICES, buckets={"m6a.large": 0})
    return score_market(data, BucketModel(), Tracer(), own)


def decided(store: Store, own: OwnRecord | None) -> Experiment:
    evaluation = Evaluation(scored(own), PolicyParams())
    instance = Instance("i-1", "test", HERE, Lifecycle.SPOT)
    return record_decision(instance, evaluation, store.ledger)


def test_an_instance_leaves_a_pool_where_its_own_fleet_was_interrupted(store: Store) -> None:
    assert _decision(decided(store, None)) is Decision.STAY
    taught = decided(store, OWN)
    assert _decision(taught) is Decision.SWITCH
    assert taught.verdict is not None
    assert taught.verdict.chosen is not None
    assert taught.verdict.chosen.pool == OTHER, "the sibling zone learned half of it"


def test_the_reason_says_what_own_instances_taught(store: Store) -> None:
    verdict = decided(store, OWN).verdict
    assert verdict is not None
    assert verdict.current is not None
    reason = verdict.current.reasons[-1]
    assert reason.startswith("4 interruptions in 310 h of your own instances here raise the risk")
    before = float(risk_within(hazard_from_monthly_rate(0.025), 24.0))
    assert f"from {100 * before:.2f} % to {100 * verdict.current.risk:.2f} %." in reason


def test_a_sibling_zone_says_where_it_learned() -> None:
    (row,) = [i for i, pool in enumerate(scored(OWN).frame.pools) if pool == SIBLING]
    evidence = scored(OWN).evidence[row]
    assert (evidence.events, evidence.sibling_events) == (0, 4)
    assert evidence.counted_events == 2.0


def test_a_pool_without_own_hours_keeps_the_models_hazard_to_the_bit() -> None:
    plain, taught = scored(None).table, scored(OWN).table
    other = plain["instance_type"] == "m6a.large"
    assert (plain.loc[other, "hazard_per_hour"] == taught.loc[other, "hazard_per_hour"]).all()
    assert (plain["hazard_per_hour"] != taught["hazard_per_hour"]).sum() == 2


def test_a_recorded_risk_replays_to_the_bit_from_what_is_stored(store: Store) -> None:
    experiment = decided(store, OWN)
    kept = store.ledger.get(experiment.experiment_id)
    assert kept == experiment
    taught = [each for each in kept.candidates if each.evidence is not None]
    assert {each.pool for each in taught} == {HERE, SIBLING}
    for each in taught:
        assert isinstance(each.evidence, Evidence)
        assert each.evidence.hazard_per_hour == each.hazard_per_hour
        assert float(risk_within(each.evidence.hazard_per_hour, each.horizon_h)) == each.risk


def _decision(experiment: Experiment) -> Decision | None:
    return experiment.verdict.decision if experiment.verdict else None
