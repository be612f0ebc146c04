"""Two hundred recorded decisions replay identically, on every database and after an upgrade.

`replays.json` has what was decided; `python -m tests.golden.test_replays` writes it anew, which is
right only where a decision was meant to change.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import text

from spotlab.domain.decision import Decision, Experiment
from spotlab.domain.market import FeedKind, Snapshot
from spotlab.errors import NotAvailable
from spotlab.pipeline.replay import (
    differences,
    opened,
    replay,
    restored,
    scored_by,
    with_features,
)
from spotlab.pipeline.score import ScoredMarket
from spotlab.store import Store, candidate_codec, migrate, open_store
from spotlab.store.engine import connect, writer
from spotlab.store.types import UtcDateTime
from tests.support.databases import Database, database, migrated_postgres, postgres_url
from tests.support.past_decisions import (
    DearModel,
    PricedModel,
    made,
    past_decisions,
    past_market,
    record_all,
    scored_markets,
)

__all__ = ["database", "migrated_postgres", "postgres_url"]

EXPECTED: Final = Path(__file__).parent / "replays.json"
FORMER: Final = "r0012"


def outcome(experiment: Experiment) -> str:
    """What was decided, in a line."""
    if experiment.verdict is None:
        return f"{experiment.instance.instance_id} error"
    chosen = experiment.verdict.chosen
    target = f" {chosen.pool.key}" if chosen is not None else ""
    return f"{experiment.instance.instance_id} {experiment.verdict.decision}{target}"


def test_the_two_hundred_decisions_are_as_different_as_decisions_get() -> None:
    decided = [each.experiment for each in made()]
    assert [outcome(each) for each in decided] == json.loads(EXPECTED.read_text())
    verdicts = Counter(each.verdict.decision if each.verdict else "error" for each in decided)
    assert len(decided) == 200
    assert min(verdicts[decision] for decision in Decision) >= 10, verdicts
    assert verdicts["error"] >= 5
    reasons = " ".join(each.verdict.reason for each in decided if each.verdict)
    for words in ("cooldown", "is unknown", "stays on-demand", "above the risk ceiling", "assumed"):
        assert words in reasons
    assert any(each.degraded for each in decided)


def test_each_replays_bit_for_bit_from_the_ledger(database: Database) -> None:
    with database.opened() as store:
        experiments = record_all(store)
    with database.opened() as store:
        markets: dict[int, ScoredMarket] = {}
        for experiment in experiments:
            recorded = store.ledger.get(experiment.experiment_id)
            assert recorded.run is not None
            assert recorded.candidates == ()
            scored = restored(store, recorded)
            assert differences(recorded, replay(recorded, scored)) == ()
            if recorded.run.run_id not in markets:
                markets[recorded.run.run_id] = with_features(store, scored, recorded)
            found = opened(recorded, markets[recorded.run.run_id])
            assert comparable(found) == comparable(experiment)


def comparable(experiment: Experiment) -> Experiment:
    """Without how long it took, and where it was recorded."""
    return replace(experiment, stages=(), duration_ms=0.0, run=None)


def test_each_replays_after_an_upgrade_from_the_former_schema(tmp_path: Path) -> None:
    path = tmp_path / "spotlab.db"
    experiments = former_database(path)
    store = open_store(None, path)
    identical = 0
    for experiment in experiments:
        recorded = store.ledger.get(experiment.experiment_id)
        assert recorded.candidates == experiment.candidates, "nothing is lost"
        verdict = experiment.verdict
        assert recorded.verdict == (verdict and replace(verdict, margin=None, runner_up=None))
        assert recorded.last_switch_at == experiment.last_switch_at
        again = replay(recorded, restored(store, recorded))
        assert differences(recorded, again) == (), experiment.experiment_id
        identical += 1
    other = replay(recorded, scored_by(store, recorded, DearModel()))
    assert other.experiment.model == "priced@2"
    recorded = replace(recorded, feature_names=("vcpu_count",))
    with pytest.raises(NotAvailable, match="uses features that were not recorded with decision"):
        scored_by(store, recorded, DearModel())
    store.close()
    assert identical == 200


def former_database(path: Path) -> list[Experiment]:
    """A database of the former schema with all decisions, each after its last switch."""
    engine = connect(None, path)
    migrate.upgrade(engine, FORMER)
    markets = scored_markets()
    experiments: list[Experiment] = []
    with writer(engine).begin() as connection:
        for decision, unrecorded in zip(past_decisions(), made(), strict=True):
            experiment = unrecorded.with_candidates()
            if decision.last_switch_at is not None:
                switch = replace(experiment, created_at=decision.last_switch_at)
                values = former_row(switch, connection.dialect)
                connection.execute(_INSERT, {**values, "decision": "SWITCH"})
            number = connection.execute(_INSERT, former_row(experiment, connection.dialect))
            experiments.append(replace(experiment, experiment_id=int(number.lastrowid)))
    migrate.upgrade(engine)  # the archive is written with the columns of today
    store = Store.of(engine)
    for number, scored in enumerate(markets):
        data = past_market(number)[0]
        store.archive.save(
            Snapshot(
                FeedKind.ON_DEMAND,
                data.market,
                "us-east-1",
                replace(data.origins[FeedKind.ON_DEMAND], event_time=data.as_of),
                f"{number}".ljust(64, "0"),
                scored.data.on_demand.drop(columns="event_time"),
            )
        )
    engine.dispose()
    return experiments


_COLUMNS: Final = (
    "created_at, instance_id, account, market, model, decision, reason, current_pool, chosen_pool, "
    "risk, chosen_risk, horizon_h, spot_price_usd_per_hour, chosen_price_usd_per_hour, "
    "saving_usd_per_hour, candidates_evaluated, duration_ms, shadow, is_degraded, degraded, error, "
    "instance, policy, requirements, dropped, feature_names, stages, correlation_id, workload, "
    "candidates"
)
_INSERT: Final = text(
    f"INSERT INTO experiments ({_COLUMNS}) VALUES "
    f"({', '.join(f':{name}' for name in _COLUMNS.split(', '))})"
)


def former_row(experiment: Experiment, dialect: Any) -> dict[str, Any]:
    """A row of the former schema, as the former version wrote it."""
    verdict = experiment.verdict
    current, chosen = (verdict.current, verdict.chosen) if verdict else (None, None)
    workload = experiment.workload.workload

    def dumped(value: Any) -> str:
        return json.dumps(msgspec.to_builtins(value))

    return {
        "created_at": str(UtcDateTime().process_bind_param(experiment.created_at, dialect)),
        "instance_id": experiment.instance.instance_id,
        "account": experiment.instance.account,
        "market": experiment.market.value,
        "model": experiment.model,
        "decision": verdict.decision.value if verdict else None,
        "reason": verdict.reason if verdict else "",
        "current_pool": experiment.instance.pool.key,
        "chosen_pool": chosen.pool.key if chosen else None,
        "risk": current.risk if current else None,
        "chosen_risk": chosen.risk if chosen else None,
        "horizon_h": workload.horizon_h,
        "spot_price_usd_per_hour": current.spot_price_usd_per_hour if current else None,
        "chosen_price_usd_per_hour": chosen.spot_price_usd_per_hour if chosen else None,
        "saving_usd_per_hour": verdict.saving_usd_per_hour if verdict else None,
        "candidates_evaluated": len(experiment.candidates),
        "duration_ms": experiment.duration_ms,
        "shadow": experiment.shadow,
        "is_degraded": bool(experiment.degraded),
        "degraded": dumped(experiment.degraded),
        "error": experiment.error,
        "instance": dumped(experiment.instance),
        "policy": dumped(experiment.policy),
        "requirements": dumped(experiment.requirements),
        "dropped": dumped(dict(experiment.dropped)),
        "feature_names": dumped(experiment.feature_names),
        "stages": dumped(experiment.stages),
        "correlation_id": "",
        "workload": dumped(experiment.workload),
        "candidates": candidate_codec.pack(
            experiment.candidates, verdict, experiment.feature_names
        ),
    }


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened_store = open_store(None, tmp_path / "spotlab.db")
    yield opened_store
    opened_store.close()


def test_another_model_decides_on_the_same_market(store: Store) -> None:
    experiments = record_all(store)
    same = dearer = 0
    markets: dict[int, tuple[ScoredMarket, ScoredMarket]] = {}
    for each in experiments:
        recorded = store.ledger.get(each.experiment_id)
        assert recorded.run is not None
        if recorded.run.run_id not in markets:
            markets[recorded.run.run_id] = (
                scored_by(store, recorded, PricedModel()),
                scored_by(store, recorded, DearModel()),
            )
        own, other = (replay(recorded, scored) for scored in markets[recorded.run.run_id])
        assert differences(recorded, own) == (), "features and predictions are the same"
        assert other.experiment.model == "priced@2"
        same += outcome(other.experiment) == outcome(each)
        dearer += bool(differences(recorded, other))
    assert 0 < same < 200
    assert dearer > 100


if __name__ == "__main__":
    lines = [outcome(each.experiment) for each in made()]
    EXPECTED.write_text(json.dumps(lines, indent=0) + "\n")
