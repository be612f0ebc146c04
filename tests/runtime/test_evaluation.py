"""Evaluation runs: the selected model decides, and challengers in shadow affect nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.domain.decision import Decision, Experiment
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import FeedKind, MarketName, Pool
from spotlab.domain.outcomes import OutcomeState, ShadowDecision, Target
from spotlab.domain.policy import DEFAULT_POLICY, PolicyState
from spotlab.domain.ports import Topic
from spotlab.domain.workload import AssignmentScope
from spotlab.errors import FeedRefused, InvalidInput, NotFound
from spotlab.inference import artefacts
from spotlab.runtime import decision_recording
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.outcomes import add_event, drift_report, outcomes_view, settle
from spotlab.services import Services
from tests.support.lab import FLEET, DictStore, empty_lab, save_toy_model, small_lab
from tests.support.market import StillClock
from tests.support.people import ANA

WEB = FLEET[0][0]
CHALLENGER = "toy@2.0.0"


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """The toy model, and a second version that predicts the lowest rate for every pool."""
    first = save_toy_model(tmp_path / "models")
    card = json.loads((first / "card.json").read_bytes()) | {"version": "2.0.0"}
    card["calibration"]["rate"] = {"slope": 1.0, "intercept": -20.0}
    content = json.dumps(card).encode()
    artefacts.save(tmp_path / "models", content, (first / "model.txt").read_bytes())
    return tmp_path / "models"


@pytest.fixture
def lab(tmp_path: Path, models_dir: Path) -> Iterator[Lab]:
    """A small lab with toy@1.0.0 as its champion, and toy@2.0.0 graduated."""
    with small_lab(tmp_path / "home", models_dir) as opened:
        models = Services(opened, ANA).models
        states = {record.reference: record.state for record in opened.models()}
        if states["toy@1.0.0"] != "champion":
            models.act("graduate", "toy@1.0.0", "for a test")
            models.act("champion", "toy@1.0.0", "for a test")
        else:
            models.act("graduate", CHALLENGER, "for a test")
        yield opened


def forward(lab: Lab, **delta: float) -> None:
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(**delta)


def test_each_decision_has_its_challengers_beside_it(lab: Lab) -> None:
    experiments = evaluate_instances(lab)
    beside = lab.store.shadow_decisions.of([each.experiment_id for each in experiments])
    assert {each.model for each in experiments} == {"toy@1.0.0"}
    ids = sorted(each.experiment_id for each in experiments)
    assert [each.experiment_id for each in beside] == ids, "moves are recorded after the others"
    assert {(each.model, each.champion) for each in beside} == {(CHALLENGER, "toy@1.0.0")}
    assert all(not each.error for each in beside)
    mine = {each.experiment_id: each for each in lab.store.ledger.list()}
    lower = [each.current_risk for each in beside if each.current_risk is not None]
    theirs = [mine[e.experiment_id].risk for e in beside if e.current_risk is not None]
    assert all(low < risk for low, risk in zip(lower, theirs, strict=True) if risk is not None)


def test_challengers_cannot_get_what_the_decision_could_not_get(lab: Lab) -> None:
    Services(lab, ANA).workloads.assign(
        AssignmentScope.ACCOUNT, "acme", "stateful-server", "for a test"
    )
    taken = Pool("us-east-1", "us-east-1a", "m6i.large")
    first, web = (replace(lab.store.fleet.instance(WEB), instance_id=i) for i in ("i-0", "i-1"))
    lab.store.fleet.sync("acme", [replace(first, pool=taken), web])
    (experiment,) = evaluate_instances(lab, ["i-1"])
    (beside,) = lab.store.shadow_decisions.of([experiment.experiment_id])
    assert taken.key in experiment.unavailable
    assert beside.chosen_pool != taken.key


def test_the_champion_runs_beside_an_instance_with_a_model_of_its_own(lab: Lab) -> None:
    Services(lab, ANA).instances.assign(WEB, CHALLENGER, "to compare")
    (experiment,) = evaluate_instances(lab, [WEB])
    (beside,) = lab.store.shadow_decisions.of([experiment.experiment_id])
    assert (experiment.model, beside.model) == (CHALLENGER, "toy@1.0.0")


def test_a_challenger_that_fails_is_recorded_and_disturbs_nothing(
    lab: Lab, models_dir: Path
) -> None:
    before = [each.verdict for each in evaluate_instances(lab)]
    shutil.rmtree(models_dir / "toy" / "2.0.0")
    experiments = evaluate_instances(lab)
    assert [each.verdict for each in experiments] == before
    beside = lab.store.shadow_decisions.of([each.experiment_id for each in experiments])
    assert len(beside) == len(experiments)
    assert all("There is no model 'toy@2.0.0'" in each.error for each in beside)
    (comparison,) = outcomes_view(lab).comparisons
    assert comparison.failures == len(experiments)


def test_a_disabled_challenger_does_not_run(lab: Lab) -> None:
    Services(lab, ANA).models.act("disable", CHALLENGER, "too slow")
    (experiment,) = evaluate_instances(lab, [WEB])
    assert lab.store.shadow_decisions.of([experiment.experiment_id]) == []


def test_the_active_policy_decides_and_is_recorded(lab: Lab) -> None:
    policies = Services(lab, ANA).policies
    (before,) = evaluate_instances(lab, [WEB])
    assert (before.policy_version, before.policy) == ("default@1", DEFAULT_POLICY.params)
    saved = policies.save(
        "still", {"min_saving_fraction": 1.0, "risk_ceiling": 1.0}, base="default"
    )
    policies.set_state("still", PolicyState.ACTIVE, "a test")
    (after,) = evaluate_instances(lab, [WEB])
    assert (after.policy_version, after.policy) == ("still@1", saved.policy.params)
    assert before.verdict is not None
    assert after.verdict is not None
    assert (before.verdict.decision, after.verdict.decision) == (Decision.SWITCH, Decision.STAY)


def test_policies_in_shadow_decide_with_the_deciding_model_next_to_challengers(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.policies.save(
        "still", {"min_saving_fraction": 1.0, "risk_ceiling": 1.0}, base="default"
    )
    services.policies.save("same", {}, base="default")
    services.policies.save("draft", {"cooldown_h": 1.0}, base="default")
    services.policies.set_state("still", PolicyState.SHADOW)
    services.policies.set_state("same", PolicyState.SHADOW)
    experiments = evaluate_instances(lab)
    (model,) = outcomes_view(lab).comparisons
    assert (model.model, model.policy, model.decided) == (CHALLENGER, "", len(experiments))
    same, still = services.policies.in_shadow()
    assert (same.policy, same.agreement.value, same.disagreements) == ("same@1", 1.0, ())
    assert same.cost_difference_usd_per_day.value == 0.0
    assert (still.policy, still.decided, still.instances) == ("still@1", 4, 4)
    assert still.moves == 0 < still.champion_moves
    assert {each.model for each in still.disagreements} == {"toy@1.0.0"}
    assert len(still.disagreements) == still.champion_moves


def test_a_policy_in_shadow_that_fails_is_recorded_and_disturbs_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(lab, ANA)
    services.policies.save("still", {"min_saving_fraction": 1.0}, base="default")
    services.policies.set_state("still", PolicyState.SHADOW)
    decide_in_shadow = decision_recording.shadow

    def fails_for_policies(experiment: Experiment, *rest: Any) -> ShadowDecision:
        if rest[1].policy_version != "default@1":
            raise KeyError("of a policy")
        return decide_in_shadow(experiment, *rest)

    monkeypatch.setattr(decision_recording, "shadow", fails_for_policies)
    (experiment,) = evaluate_instances(lab, [WEB])
    assert experiment.verdict is not None
    model, policy = lab.store.shadow_decisions.of([experiment.experiment_id])
    assert (model.model, model.error) == (CHALLENGER, "")
    assert (policy.policy, policy.model, policy.decision) == ("still@1", experiment.model, None)
    assert "of a policy" in policy.error
    (comparison,) = services.policies.in_shadow()
    assert (comparison.decided, comparison.failures) == (0, 1)


def test_a_policy_in_shadow_agrees_with_what_it_decides_once_active(lab: Lab) -> None:
    services = Services(lab, ANA)
    services.policies.save(
        "bold", {"risk_ceiling": 0.05, "min_saving_fraction": 0.2}, base="default"
    )
    services.policies.set_state("bold", PolicyState.SHADOW)
    first = evaluate_instances(lab)
    beside = lab.store.shadow_decisions.list(policies=True)
    previewed = services.policies.preview("bold", days=1)
    services.policies.set_state("bold", PolicyState.ACTIVE, "a test")
    second = {each.instance.instance_id: each.verdict for each in evaluate_instances(lab)}
    assert len(first) == len(beside) == previewed.decided
    assert previewed.changed == sum(not each.agrees for each in beside)
    for each in beside:
        verdict = second[each.instance_id]
        assert verdict is not None
        assert each.decision is verdict.decision
        assert each.chosen_pool == (verdict.chosen.pool.key if verdict.chosen else None)


def test_an_own_interruption_raises_the_risk_of_the_next_decision(lab: Lab) -> None:
    (before,) = evaluate_instances(lab, [WEB])
    assert add_event(lab, WEB, InterruptionKind.NOTICE, lab.clock.now())
    (after,) = evaluate_instances(lab, [WEB])
    assert before.verdict is not None
    assert before.verdict.current is not None
    assert after.verdict is not None
    assert after.verdict.current is not None
    assert after.verdict.current.risk > before.verdict.current.risk
    assert any("1 interruption in 0 h" in r for r in after.verdict.current.reasons)


def test_a_risk_is_settled_once_the_instance_was_watched_through(lab: Lab) -> None:
    fleet = lab.store.fleet.instances()
    log = lab.store.interruptions
    log.record_running(fleet, lab.clock.now(), None, emulated=True)
    (experiment,) = evaluate_instances(lab, [WEB])
    for _ in range(52):
        last = lab.clock.now()
        forward(lab, minutes=30)
        log.record_running(fleet, lab.clock.now(), last, emulated=True)
    assert settle(lab).new[Target.INTERRUPTION] == 2, "the champion's and the challenger's"
    assert settle(lab).new[Target.INTERRUPTION] == 0
    view = outcomes_view(lab)
    assert view.market is MarketName.SIMULATED
    assert {(card.model, card.rows, card.challenger) for card in view.cards} == {
        ("toy@1.0.0", 1, False),
        (CHALLENGER, 1, True),
    }
    (outcome, _) = lab.store.outcomes.list(target=Target.INTERRUPTION)
    assert (outcome.experiment_id, outcome.state) == (
        experiment.experiment_id,
        OutcomeState.REALISED,
    )


def test_each_run_leaves_a_sketch_for_drift_but_not_more_often_than_hourly(lab: Lab) -> None:
    evaluate_instances(lab, [WEB])
    evaluate_instances(lab, [WEB])
    sketches = lab.store.drift.list(MarketName.SIMULATED, "toy@1.0.0")
    assert [each.at for each in sketches] == [lab.clock.now()]
    assert set(sketches[0].importance) == set(sketches[0].features)
    assert sum(sketches[0].importance.values()) > 0
    report = drift_report(lab)
    assert (report.model, report.reference_days) == ("toy@1.0.0", 0)
    assert report.words.startswith("Unknown")


def test_events_of_a_file_are_taken_whole_or_not_at_all(lab: Lab, tmp_path: Path) -> None:
    def document(instance_id: str) -> dict[str, object]:
        return {
            "detail-type": "EC2 Spot Instance Interruption Warning",
            "source": "aws.ec2",
            "time": lab.clock.now().isoformat(),
            "region": "us-east-1",
            "detail": {"instance-id": instance_id, "instance-action": "terminate"},
        }

    events = Services(lab, ANA).interruptions
    path = tmp_path / "events.json"
    path.write_text(json.dumps([document(WEB), document("i-stranger")]))
    with pytest.raises(NotFound, match="'i-stranger' is not in the fleet"):
        events.add_file(path)
    assert list(events.list()) == []

    path.write_text(json.dumps([document(WEB)]))
    assert events.add_file(path) == (1, 1)
    assert events.add_file(path) == (0, 1)
    (found,) = events.list()
    assert (found.instance_id, found.emulated) == (WEB, True)
    assert found.source == "EventBridge (events.json)"


def test_events_that_cannot_be_are_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is in the future"):
        add_event(lab, WEB, InterruptionKind.NOTICE, lab.clock.now() + timedelta(hours=1))
    with pytest.raises(InvalidInput, match=r"nothing\.json cannot be read"):
        Services(lab, ANA).interruptions.add_file(tmp_path / "nothing.json")
    (tmp_path / "empty.json").write_text("")
    with pytest.raises(FeedRefused):
        Services(lab, ANA).interruptions.add_file(tmp_path / "empty.json")


def test_another_replicas_collect_is_scored_at_once(lab: Lab, models_dir: Path) -> None:
    with empty_lab(lab.settings.home, models_dir, DictStore()) as other:
        other.bus = lab.bus  # as if connected through Redis
        other.open_online = lab.open_online
        before = lab.scored()
        assert lab.scored() is before
        later = lab.clock.now() - timedelta(minutes=1)
        kind, market = FeedKind.ADVISOR, MarketName.SIMULATED
        feed = other.store.archive.latest(kind, market, "")
        assert feed is not None
        rows = feed.rows.assign(bucket=4)
        origin = replace(feed.origin, event_time=later)
        other.store.archive.save(replace(feed, origin=origin, digest="f" * 64, rows=rows))
        other.reader.publish(market)
        assert lab.scored() is before, "nobody was told"
        other.bus.publish(Topic.MARKET)
        assert set(lab.scored().table["advisor_bucket"].dropna()) == {4}


def test_a_lab_that_collected_nothing_says_so(tmp_path: Path, models_dir: Path) -> None:
    from spotlab.errors import NoMarketData

    with empty_lab(tmp_path / "empty", models_dir) as empty, pytest.raises(NoMarketData):
        outcomes_view(empty)
