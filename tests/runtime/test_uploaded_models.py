"""An uploaded model affects no other, and is trusted only after an administrator's decision."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.errors import ArtefactRefused, Forbidden, ModelFailed
from spotlab.inference import artefacts
from spotlab.inference.isolated_model import IsolatedRisk
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_dry_run import DryRun, DryRunLimits
from spotlab.runtime.model_registration import UPLOADS
from spotlab.services import Services
from spotlab.services import models as models_service
from tests.support.lab import FLEET, DictStore, empty_lab, save_toy_model, small_lab
from tests.support.people import ANA
from tests.support.uploaded_models import odd_programs as odd_programs
from tests.support.uploaded_models import save_uploaded_model

WEB, OTHER = FLEET[0][0], FLEET[1][0]
SENT = "toy@2.0.0"
Opener = Callable[..., Lab]


@pytest.fixture
def lab_with(tmp_path: Path, odd_programs: None) -> Iterator[Opener]:
    """Opens a lab whose champion is shipped, with toy@2.0.0 among its uploads."""
    opened: list[Lab] = []

    def open_one(behaves: str = "") -> Lab:
        shipped = save_toy_model(tmp_path / "shipped")
        save_uploaded_model(tmp_path / "home", shipped, behaves)
        opened.append(small_lab(tmp_path / "home", tmp_path / "shipped"))
        return opened[-1]

    yield open_one
    for lab in opened:
        lab.close()


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders whose trial prediction was run, and succeeded."""
    asked: list[Path] = []

    def dry_run(folder: Path, _limits: DryRunLimits) -> DryRun:
        asked.append(folder)
        return DryRun(256, 0.1, 0.2, 0.01)

    monkeypatch.setattr(models_service, "dry_run", dry_run)
    return asked


def is_outside(lab: Lab, reference: str = SENT) -> bool:
    return isinstance(lab.model(reference), IsolatedRisk)


def test_a_shipped_model_is_inside_and_a_sent_one_outside(lab_with: Opener) -> None:
    lab = lab_with()
    assert not is_outside(lab, "toy@1.0.0")
    assert is_outside(lab)
    entries = {each.record.reference: each.isolated for each in Services(lab, ANA).models.entries()}
    assert entries == {"toy@1.0.0": False, SENT: True}


def test_a_link_does_not_make_a_sent_model_a_shipped_one(tmp_path: Path) -> None:
    shipped = save_toy_model(tmp_path / "home" / UPLOADS)
    save_uploaded_model(tmp_path / "home", shipped)
    (tmp_path / "linked").symlink_to(tmp_path / "home" / UPLOADS)
    with empty_lab(tmp_path / "home", tmp_path / "linked") as lab:
        champion = lab.store.registry.champion("advisor")
        assert champion is not None
        assert not is_outside(lab, champion.reference)
        others = {record.reference for record in lab.models()} - {champion.reference}
        assert all(is_outside(lab, reference) for reference in others)
        assert len(others) == 1


def test_both_give_the_same_risks_and_reasons(lab_with: Opener, tmp_path: Path) -> None:
    lab = lab_with()
    outside = lab.scored(SENT).table["hazard_per_hour"]
    inside = lab.scored("toy@1.0.0").table["hazard_per_hour"]
    assert outside.to_numpy().tobytes() == inside.to_numpy().tobytes()
    models = Services(lab, ANA)
    pool = lab.store.fleet.instance(WEB).pool
    mine, theirs = (models.explanations.now(pool, name) for name in (SENT, "toy@1.0.0"))
    assert mine.contributions == theirs.contributions
    assert mine.risk == theirs.risk


@pytest.mark.parametrize(
    ("behaves", "why"),
    [
        ("crash", "crashed (SIGSEGV) in its own process"),
        ("answer_noise", "sent an invalid response from its own process and was stopped"),
        ("object", "failed (ValueError"),
    ],
)
def test_an_own_model_that_fails_is_replaced_by_the_champion_and_it_is_said(
    lab_with: Opener, behaves: str, why: str
) -> None:
    lab = lab_with(behaves)
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    for _ in range(2):  # in the second run it is not called at all
        experiments = {each.instance.instance_id: each for each in evaluate_instances(lab)}
        assert len(experiments) == len(FLEET)
        assert all(each.verdict is not None for each in experiments.values())
        assert {each.model for each in experiments.values()} == {"toy@1.0.0"}
        (degraded,) = experiments[WEB].degraded
        assert degraded.startswith(f"The assigned model {SENT} {why}")
        assert degraded.endswith("the champion toy@1.0.0 is used instead.")
        assert experiments[OTHER].degraded == ()


def test_an_own_model_that_fails_is_asked_once_in_a_run(
    lab_with: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_with("object")
    for instance_id in (WEB, OTHER):
        Services(lab, ANA).instances.assign(instance_id, SENT, "to see")
    asked: list[object] = []
    ask = IsolatedRisk._score
    monkeypatch.setattr(IsolatedRisk, "_score", lambda *a: (asked.append(a), ask(*a))[1])
    assert all(each.degraded for each in evaluate_instances(lab, [WEB, OTHER]))
    assert len(asked) == 1


def test_an_own_model_without_a_fault_decides(lab_with: Opener) -> None:
    lab = lab_with()
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    (experiment,) = evaluate_instances(lab, [WEB])
    assert (experiment.model, experiment.degraded) == (SENT, ())
    (beside,) = lab.store.shadow_decisions.of([experiment.experiment_id])
    assert beside.model == "toy@1.0.0"


def test_a_model_of_ones_own_that_wants_what_is_not_computed_harms_no_other(
    tmp_path: Path,
) -> None:
    shipped = save_toy_model(tmp_path / "shipped")
    text = (shipped / "model.txt").read_text().replace("discount_depth", "no_such_feature")
    card = (shipped / "card.json").read_text().replace("discount_depth", "no_such_feature")
    document = json.loads(card) | {"version": "2.0.0"}
    artefacts.save(tmp_path / "home" / UPLOADS, json.dumps(document).encode(), text.encode())
    with small_lab(tmp_path / "home", tmp_path / "shipped") as lab:
        Services(lab, ANA).instances.assign(WEB, SENT, "to see")
        experiments = {each.instance.instance_id: each for each in evaluate_instances(lab)}
    assert {each.model for each in experiments.values()} == {"toy@1.0.0"}
    assert "cannot be used" in experiments[WEB].degraded[0]
    assert experiments[OTHER].degraded == ()


def test_a_challenger_that_crashes_is_recorded_as_failed(
    lab_with: Opener, proven: list[Path]
) -> None:
    lab = lab_with("crash")
    Services(lab, ANA).models.act("graduate", SENT, "looks good")
    sums = lab.settings.home / UPLOADS / "toy" / "2.0.0" / artefacts.SUMS
    sums.write_text("".join(sorted(sums.read_text().splitlines(True), reverse=True)))
    assert is_outside(lab), "its files are not those that were graduated"
    experiments = evaluate_instances(lab)
    beside = lab.store.shadow_decisions.of([each.experiment_id for each in experiments])
    assert len(beside) == len(FLEET)
    assert all("crashed (SIGSEGV) in its own process" in each.error for each in beside)
    assert all(each.verdict is not None and not each.degraded for each in experiments)


def test_a_failure_is_told_to_whoever_looks(lab_with: Opener) -> None:
    lab = lab_with("crash")
    with pytest.raises(ModelFailed, match=f"Model {SENT} crashed"):
        Services(lab, ANA).market.scored(SENT)
    with pytest.raises(ModelFailed, match="SIGSEGV"):
        Services(lab, ANA).explanations.now(lab.store.fleet.instance(WEB).pool, SENT)
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    pipeline = Services(lab, ANA).instances.pipeline(WEB)
    assert pipeline.model == "toy@1.0.0"
    assert "crashed (SIGSEGV)" in pipeline.note


@pytest.mark.parametrize("behaves", ["crash", "object"])
def test_candidates_are_the_champions_where_an_own_model_fails(
    lab_with: Opener, behaves: str
) -> None:
    lab = lab_with(behaves)
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    for _ in range(2):
        model, instead = Services(lab, ANA).market.deciding_model(lab.store.fleet.instance(WEB))
        assert model == "toy@1.0.0"
        assert instead.startswith(f"The assigned model {SENT} ")
    assert lab.deciding_model(lab.store.fleet.instance(OTHER)) == (None, "")


def test_a_decision_stands_though_its_model_fails_at_explaining(lab_with: Opener) -> None:
    lab = lab_with("explain_nothing")
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    (experiment,) = evaluate_instances(lab, [WEB])
    assert (experiment.model, experiment.degraded) == (SENT, ())
    with pytest.raises(ModelFailed, match="SIGSEGV"):
        Services(lab, ANA).explanations.then(experiment.experiment_id, experiment.instance.pool)
    (after,) = evaluate_instances(lab, [WEB])
    assert after.model == "toy@1.0.0"
    assert "crashed (SIGSEGV) in its own process" in after.degraded[0]


def test_an_administrators_word_lets_it_in_and_takes_it_out_at_once(
    lab_with: Opener, proven: list[Path], tmp_path: Path
) -> None:
    lab = lab_with()
    models = Services(lab, ANA).models
    with empty_lab(lab.settings.home, tmp_path / "shipped", DictStore()) as other:
        for action, outside in (
            ("graduate", False),
            ("disable", True),
            ("enable", False),
            ("reject", True),
            ("graduate", False),
            ("champion", False),
        ):
            models.act(action, SENT, "for a test")
            assert is_outside(lab) is outside, action
            assert is_outside(other) is outside, f"{action}, seen by another process"
    assert {folder.name for folder in proven} == {"2.0.0"}
    assert len(proven) == 3, "outside once more, each time before it comes in"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_administrator_may_let_it_in(
    lab_with: Opener, proven: list[Path], role: Role
) -> None:
    lab = lab_with()
    for action in ("graduate", "champion"):
        with pytest.raises(Forbidden):
            Services(lab, Principal("bob", role)).models.act(action, SENT, "mine")
    assert is_outside(lab)


def test_one_that_does_not_predict_outside_is_not_let_in(
    lab_with: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_with()

    def refuse(_folder: Path, _limits: DryRunLimits) -> DryRun:
        raise ArtefactRefused("The trial prediction was killed by SIGSEGV.")

    monkeypatch.setattr(models_service, "dry_run", refuse)
    with pytest.raises(ArtefactRefused, match="SIGSEGV"):
        Services(lab, ANA).models.act("graduate", SENT, "looks good")
    assert is_outside(lab)


def test_an_upload_does_not_take_the_throne_of_a_lost_champion(tmp_path: Path) -> None:
    home, shipped = tmp_path / "home", save_toy_model(tmp_path / "shipped")
    save_uploaded_model(home, shipped, "", "9.0.0")
    with empty_lab(home, tmp_path / "shipped") as lab:
        assert lab.store.registry.champion("advisor") is not None
    save_uploaded_model(tmp_path / "upgrade", shipped, "", "1.1.0")
    with empty_lab(home, tmp_path / "upgrade" / UPLOADS) as lab:
        champion = lab.store.registry.champion("advisor")
        assert champion is not None
        assert champion.reference == "toy@1.1.0", "not what somebody sent, though it is newer"
        assert is_outside(lab, "toy@9.0.0")


def test_a_model_that_hangs_delays_nobody_who_asks_for_another(lab_with: Opener) -> None:
    lab = lab_with()
    asked, answer = threading.Event(), threading.Event()
    slow = lab.model(SENT)

    def hazard(rows: object) -> object:
        asked.set()
        assert answer.wait(20.0)
        return [0.1] * len(rows)  # type: ignore[arg-type]

    slow.hazard_per_hour = hazard  # type: ignore[method-assign,assignment]
    waiting = threading.Thread(target=lab.scored, args=(SENT,))
    waiting.start()
    assert asked.wait(20.0)
    done = threading.Thread(target=lab.scored)
    done.start()
    done.join(15.0)
    assert not done.is_alive(), "the champion's market waits for the other model"
    answer.set()
    waiting.join()
