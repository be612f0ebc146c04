"""Recorded decisions are opened and made again from what the database has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, func, select

from spotlab.domain.decision import Experiment
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.policy import PolicyParams
from spotlab.domain.workload import AppliedWorkload, AssignmentScope
from spotlab.domain.workload_presets import PRESETS
from spotlab.errors import DatabaseDown, InvalidInput, NotAvailable, NotFound
from spotlab.pipeline import replay as replaying
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment, replay_experiment
from spotlab.services import Services
from spotlab.store.engine import reading, writing
from spotlab.store.tables.market_runs import MarketBlobRow, MarketRunRow, MarketScoreRow
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.people import ANA

WEB = FLEET[0][0]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        yield opened


def evaluated(lab: Lab) -> Experiment:
    """The decision about web-1, as the ledger has it."""
    (experiment,) = evaluate_instances(lab, [WEB])
    return lab.store.ledger.get(experiment.experiment_id)


def rows(lab: Lab, table: type) -> int:
    with reading(lab.store.engine) as session:
        count = select(func.count()).select_from(table)
        return int(session.connection().execute(count).scalar_one())


def test_a_fleet_shares_one_market_and_every_decision_replays(lab: Lab) -> None:
    experiments = evaluate_instances(lab)
    parts = rows(lab, MarketBlobRow)
    experiments += evaluate_instances(lab)
    assert len(experiments) == 2 * len(FLEET)
    assert rows(lab, MarketRunRow) == 1, "nothing changed between the runs"
    assert rows(lab, MarketBlobRow) == parts
    for each in experiments:
        recorded = lab.store.ledger.get(each.experiment_id)
        assert recorded.candidates == ()
        assert recorded.candidates_evaluated == each.candidates_evaluated > 0
        assert replay_experiment(lab, recorded).identical


def test_a_decision_after_losses_in_its_pool_and_family_replays_with_what_was_known(
    lab: Lab,
) -> None:
    quiet = evaluated(lab)
    assert quiet.verdict is not None
    assert quiet.verdict.current is not None
    here, now = quiet.verdict.current.pool, lab.clock.now()
    lost = [
        (here, InterruptionKind.NOTICE),
        *(
            (replace(here, instance_type=f"m5.{size}"), InterruptionKind.CAPACITY)
            for size in ("4xlarge", "8xlarge")
        ),
    ]
    events = [
        InterruptionEvent(f"i-{n}", pool, now, kind, "a test", now, emulated=True)
        for n, (pool, kind) in enumerate(lost)
    ]
    lab.store.interruptions.add(events)
    moved = evaluated(lab)
    assert moved.verdict is not None
    assert moved.verdict.current is not None
    assert moved.verdict.current.risk > 0.9 > 0.1 > quiet.verdict.current.risk
    assert "an interruption, with which others of the pool are lost" in moved.verdict.reason
    assert "a lack of capacity of m5.8xlarge and m5.4xlarge" in moved.verdict.reason
    lab.store.interruptions.add([replace(each, instance_id="i-9") for each in events])
    assert replay_experiment(lab, moved).identical
    assert replay_experiment(lab, quiet).identical


def test_an_opened_decision_has_what_it_was_made_from(lab: Lab) -> None:
    (made,) = evaluate_instances(lab, [WEB])
    opened = open_experiment(lab, lab.store.ledger.get(made.experiment_id))
    assert opened.verdict == made.verdict, "reasons, sources and features included"
    assert len(opened.candidates) == made.candidates_evaluated
    assert opened.feature_names == made.feature_names
    assert opened.candidates[0].rank == 1


def test_what_was_decided_stays_readable_without_its_market(lab: Lab) -> None:
    experiment = evaluated(lab)
    with writing(lab.store.engine) as session:
        session.connection().execute(delete(MarketRunRow))
    opened = open_experiment(lab, lab.store.ledger.get(experiment.experiment_id))
    assert opened.verdict is not None
    assert opened.verdict.chosen is not None
    assert opened.verdict.chosen.spot_price_usd_per_hour > 0
    assert opened.candidates == ()
    with pytest.raises(NotFound, match="The market of this decision is no longer in the database"):
        replay_experiment(lab, experiment)


def test_a_replay_does_not_need_the_model_but_one_with_it_does(lab: Lab, tmp_path: Path) -> None:
    experiment = evaluated(lab)
    for path in (tmp_path / "models" / "toy").rglob("*.txt"):
        path.unlink()
    assert replay_experiment(lab, experiment).identical
    with pytest.raises(NotFound, match="gone"):
        replay_experiment(lab, experiment, model="gone@1.0.0")
    with writing(lab.store.engine) as session:
        session.connection().execute(delete(MarketScoreRow))
    lab._process_state.clear()
    with pytest.raises(NotFound, match=r"The prediction of toy@1\.0\.0 for this decision"):
        replay_experiment(lab, experiment)


def test_features_that_are_computed_in_another_way_are_not_passed_off_as_recorded(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = evaluated(lab)
    compute = replaying.engine.compute

    def otherwise(*arguments: object) -> object:
        frame = compute(*arguments)  # type: ignore[arg-type]
        return replace(frame, values=frame.values + 1e-9)

    monkeypatch.setattr(replaying.engine, "compute", otherwise)
    opened = open_experiment(lab, experiment)
    assert opened.candidates
    assert opened.candidates[0].features == {}
    assert replay_experiment(lab, experiment).identical
    scored = replaying.restored(lab.store, experiment)
    with pytest.raises(NotAvailable, match="by another version of SpotLab"):
        replaying.with_features(lab.store, scored, experiment)


def test_a_market_without_decisions_as_a_crash_leaves_it_breaks_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_experiments: Sequence[Experiment]) -> list[int]:
        raise DatabaseDown("killed before the decision was stored")

    with monkeypatch.context() as patched:
        patched.setattr(type(lab.store.ledger), "record_all", lambda _self, all_: killed(all_))
        with pytest.raises(DatabaseDown):
            evaluate_instances(lab)
    assert (rows(lab, MarketRunRow), lab.store.ledger.count()) == (1, 0)
    lab.clock.forward(days=3)  # type: ignore[attr-defined]
    report = Services(lab, ANA).maintenance.sweep()
    assert report.deleted["markets of decisions"] == 1
    assert (rows(lab, MarketRunRow), rows(lab, MarketBlobRow)) == (0, 0)


def test_another_workload_and_policy_decide_and_cost_what_is_known_since(lab: Lab) -> None:
    experiment = evaluated(lab)
    workload = next(each for each in PRESETS if each.name == "stateful-server")
    applied = AppliedWorkload(workload, AssignmentScope.INSTANCE, WEB)
    dear = replay_experiment(lab, experiment, applied=applied)
    assert dear.changed == ("workload",)
    assert dear.replayed.workload.workload == workload
    assert dear.recorded_cost is not None
    assert dear.recorded_cost.unknown == "No prices were read since the decision."

    read_again(lab, hours=10)
    policy = replace(PolicyParams(), risk_ceiling=0.5, min_saving_usd_per_hour=1.0)
    stays = replay_experiment(lab, experiment, policy=policy, policy_version="strict@1")
    assert stays.replayed.verdict is not None
    assert stays.replayed.policy_version == "strict@1"
    recorded, replayed = stays.recorded_cost, stays.replayed_cost
    assert recorded is not None
    assert replayed is not None
    assert recorded.hours == replayed.hours == pytest.approx(10.0)
    assert experiment.verdict is not None
    assert experiment.verdict.chosen is not None
    # Five hours at the price of the decision, five at twice that.
    chosen = experiment.verdict.chosen.spot_price_usd_per_hour
    assert recorded.price_usd == pytest.approx(15 * chosen)
    assert recorded.moving_usd == pytest.approx(0.1 * 0.096)
    current = experiment.verdict.current
    assert current is not None
    assert replayed.price_usd == pytest.approx(15 * current.spot_price_usd_per_hour)
    assert replayed.moving_usd == 0.0
    assert replayed.total_usd is not None
    assert replayed.total_usd > replayed.price_usd


def read_again(lab: Lab, hours: float) -> None:
    """Prices double after half of some hours; they are read at their end."""
    archive, market = lab.store.archive, MarketName.SIMULATED
    before = archive.latest(FeedKind.PRICE_HISTORY, market, "us-east-1")
    assert before is not None
    half = lab.clock.now() + timedelta(hours=hours / 2)
    lab.clock.forward(hours=hours)  # type: ignore[attr-defined]
    newest = before.rows.sort_values("event_time").drop_duplicates(
        ["availability_zone", "instance_type"], keep="last"
    )
    doubled = newest.assign(
        event_time=half,
        spot_price_usd_per_hour=newest["spot_price_usd_per_hour"] * 2,
    )
    origin = replace(before.origin, event_time=half, fetched_at=lab.clock.now())
    archive.save(replace(before, origin=origin, digest="2".ljust(64, "0"), rows=doubled))


def test_a_policy_is_changed_by_name_and_number(lab: Lab) -> None:
    experiments = Services(lab, ANA).experiments
    number = evaluated(lab).experiment_id
    replay = experiments.replay(number, policy='{"min_saving_usd_per_hour": 1}')
    assert replay.changed == ("policy",)
    assert replay.replayed.policy.min_saving_usd_per_hour == 1.0
    for text, message in {
        "{}": "no JSON object",
        "[" * 900: "no JSON object",
        '{"risk_ceiling": 1e999}': "no JSON object",
        f'{{"risk_ceiling": {"9" * 400}}}': "no JSON object",
        '{"risk_ceiling": "\udc80"}': "no JSON object",
        '{"speed": 1}': "'speed' is not a parameter",
        '{"risk_ceiling": "high"}': "no JSON object of numbers",
        '{"risk_ceiling": -1}': "risk_ceiling is -1",
        '{"risk_ceiling": true}': "no JSON object of numbers",
        '{"expected_stay_h": 0}': "expected_stay_h is 0",
    }.items():
        with pytest.raises(InvalidInput, match=message):
            experiments.replay(number, policy=text)


def test_a_run_keeps_no_candidates_of_its_decisions(lab: Lab) -> None:
    for each in evaluate_instances(lab):
        assert each.candidates == ()
        assert each.run is not None
        assert each.candidates_evaluated == each.run.candidates > 0
        assert np.isfinite(each.duration_ms)
