"""Artefacts on disk become candidates; the champion is chosen by a person, and recorded."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from spotlab.cli.identity import current_user
from spotlab.domain.access import Principal
from spotlab.domain.model_lifecycle import ModelAction
from spotlab.errors import ArtefactRefused, InvalidInput, NotFound
from spotlab.inference import artefacts
from spotlab.maintenance.doctor import examine, report_text
from spotlab.monitoring.health.prober import probe_all
from spotlab.pipeline.shadow import challengers
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_catalogue import figures
from spotlab.runtime.model_registration import UPLOADS, register_artefacts
from spotlab.services import Services
from spotlab.services.models import ModelService
from spotlab.settings import Settings
from spotlab.store import migrate
from spotlab.store.engine import connect, writer
from tests.support import builders as make
from tests.support.lab import FLEET, empty_lab, save_toy_model, small_lab
from tests.support.people import ANA, BEN

WEB = FLEET[0][0]


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    save_toy_model(tmp_path / "models")
    return tmp_path / "models"


def version(models_dir: Path, number: str, **changed: object) -> Path:
    """A copy of the toy model with another version (or name)."""
    first = models_dir / "toy" / "1.0.0"
    card = json.loads((first / "card.json").read_bytes()) | {"version": number} | changed
    return artefacts.save(models_dir, json.dumps(card).encode(), (first / "model.txt").read_bytes())


def started(home: Path, models_dir: Path) -> dict[str, str]:
    """State of each version after a start."""
    with empty_lab(home, models_dir) as lab:
        return {record.reference: record.state for record in lab.models()}


def models_of(lab: Lab, principal: Principal = ANA) -> ModelService:
    return Services(lab, principal).models


def challenger(lab: Lab, models_dir: Path, number: str = "1.1.0") -> ModelService:
    """A second, graduated version."""
    version(models_dir, number)
    again = empty_lab(lab.settings.home, models_dir)
    again.close()
    models = models_of(lab)
    models.act("graduate", f"toy@{number}", "better Brier")
    return models


def test_the_first_start_registers_and_crowns_and_says_why(
    tmp_path: Path, models_dir: Path
) -> None:
    with empty_lab(tmp_path / "home", models_dir) as lab:
        [entry] = models_of(lab).entries()
        assert (entry.record.reference, entry.record.state) == ("toy@1.0.0", "champion")
        assert (entry.refused, entry.instances, entry.moves) == ("", (), ())
        events = models_of(lab).history()
    assert [(e.actor, e.action, e.reason) for e in reversed(events)] == [
        ("spotlab", "register", "Found on disk at start."),
        ("spotlab", "graduate", "The first model of the task advisor."),
        ("spotlab", "champion", "The first model of the task advisor."),
    ]


def test_a_rule_never_becomes_the_champion_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(Settings().models_dir / "advisor-persistence", folder / "advisor-persistence")
    with empty_lab(tmp_path / "home", folder) as lab:
        [entry] = models_of(lab).entries()
        assert (entry.record.name, entry.record.state) == ("advisor-persistence", "candidate")
        models_of(lab).act("graduate", entry.record.reference, "by a person")
        models_of(lab).act("champion", entry.record.reference, "by a person")
        assert models_of(lab).entries()[0].record.state == "champion", "a person may"


def test_a_newer_version_waits_and_is_announced(
    tmp_path: Path, models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started(tmp_path / "home", models_dir)
    version(models_dir, "1.1.0")
    version(models_dir, "0.9.0")

    with empty_lab(tmp_path / "home", models_dir) as lab:
        states = {record.reference: record.state for record in lab.models()}
        document = examine(lab, probe_all(lab))
        inference = next(c for c in probe_all(lab) if c.name == "ML inference")

    assert states == {
        "toy@1.1.0": "candidate",
        "toy@1.0.0": "champion",
        "toy@0.9.0": "candidate",
    }
    said = "toy@1.1.0 is newer than the advisor champion toy@1.0.0 and has not been promoted."
    assert document["model_notices"] == [said]
    assert said in report_text(document)
    assert said in inference.reason
    assert said in caplog.text


def test_a_champion_whose_files_are_gone_is_succeeded_by_the_newest_of_its_name(
    tmp_path: Path, models_dir: Path
) -> None:
    version(models_dir, "0.9.0")
    assert started(tmp_path / "home", models_dir)["toy@1.0.0"] == "champion"
    for number in ("1.1.0", "1.2.0"):
        version(models_dir, number)
    version(models_dir, "7", name="other")
    shutil.rmtree(models_dir / "toy" / "1.0.0")

    with empty_lab(tmp_path / "home", models_dir) as lab:
        champion = lab.store.registry.champion("advisor")
        assert champion is not None
        assert champion.reference == "toy@1.2.0"
        crowned = models_of(lab).history("toy@1.2.0", limit=1)[0]
        assert crowned.reason == "The files of toy@1.0.0 are no longer on disk."
        assert lab.model().version == "1.2.0"
        gone = next(e for e in models_of(lab).entries() if e.record.version == "1.0.0")
        assert gone.refused == "Its files are not on disk."
        assert not gone.record.enabled  # otherwise it would fail as a challenger
        assert challengers(lab.store.registry.records(), "advisor", "toy@1.2.0") == []


@pytest.mark.parametrize(("there", "champion"), [("0.9.0", "1.0.0"), ("1.1.0", "1.1.0")])
def test_in_a_shared_registry_only_a_newer_version_takes_over(
    tmp_path: Path, models_dir: Path, there: str, champion: str
) -> None:
    started(tmp_path / "home", models_dir)
    with empty_lab(tmp_path / "home", models_dir) as lab:
        version(models_dir, there)
        shutil.rmtree(models_dir / "toy" / "1.0.0")
        register_artefacts(lab.predictor, lab.store.registry, lab.clock, shared=True)
        record = lab.store.registry.champion("advisor")
    assert record is not None
    assert record.version == champion


def test_a_damaged_champion_is_not_replaced_silently(tmp_path: Path, models_dir: Path) -> None:
    started(tmp_path / "home", models_dir)
    version(models_dir, "1.1.0")
    (models_dir / "toy" / "1.0.0" / "model.txt").write_text("tree\n")
    assert started(tmp_path / "home", models_dir)["toy@1.0.0"] == "champion"


def test_files_that_were_changed_since_are_announced(tmp_path: Path, models_dir: Path) -> None:
    started(tmp_path / "home", models_dir)
    shutil.move(models_dir / "toy" / "1.0.0", tmp_path / "kept")
    card = json.loads((tmp_path / "kept" / "card.json").read_bytes()) | {"summary": "changed"}
    artefacts.save(
        models_dir, json.dumps(card).encode(), (tmp_path / "kept" / "model.txt").read_bytes()
    )
    with empty_lab(tmp_path / "home", models_dir) as lab:
        assert models_of(lab).notices() == [
            "The files of toy@1.0.0 have changed since it was registered."
        ]


def test_an_upload_never_becomes_the_champion_by_itself(tmp_path: Path, models_dir: Path) -> None:
    version(models_dir, "1", name="stranger", task="another").rename(tmp_path / "folder")
    with empty_lab(tmp_path / "home", models_dir) as lab:
        record = models_of(lab).upload(tmp_path / "folder").record
        assert (tmp_path / "home" / UPLOADS / record.path).is_dir()
    assert started(tmp_path / "home", models_dir)["stranger@1"] == "candidate"


def test_an_upload_survives_a_restart_and_can_be_crowned(tmp_path: Path, models_dir: Path) -> None:
    version(models_dir, "2.0.0").rename(tmp_path / "folder")
    home = tmp_path / "home"
    with empty_lab(home, models_dir) as lab:
        models_of(lab).upload(tmp_path / "folder")
    with empty_lab(home, models_dir) as lab:
        models = models_of(lab)
        models.act("graduate", "toy@2.0.0")
        assert models_of(lab, BEN).act("champion", "toy@2.0.0", "won in shadow").state == "champion"
        assert lab.model().version == "2.0.0"
        live = models.live_at("advisor", lab.clock.now())
        assert live is not None
        assert (live.version, live.actor, live.reason) == ("2.0.0", "ben", "won in shadow")
        assert models.live_at("advisor", lab.clock.now() - timedelta(seconds=1)) is None


@pytest.mark.parametrize("action", ["disable", "reject", "archive"])
def test_an_instance_whose_model_is_put_away_falls_back_and_says_so(
    tmp_path: Path, models_dir: Path, action: str
) -> None:
    with small_lab(tmp_path / "home", models_dir) as lab:
        models = challenger(lab, models_dir)
        Services(lab, ANA).instances.assign(WEB, "toy@1.1.0", "a test")
        assert models.entry("toy@1.1.0").instances == (WEB,)
        assert evaluate_instances(lab, [WEB])[0].model == "toy@1.1.0"

        models.act(action, "toy@1.1.0", "drifts")
        first, second = evaluate_instances(lab, [WEB, FLEET[1][0]])

        said = f"The assigned model toy@1.1.0 is {action.removesuffix('d')}"
        assert first.model == second.model == "toy@1.0.0"
        assert any(reason.startswith(said) for reason in first.degraded)
        assert not any("assigned model" in reason for reason in second.degraded)
        assert lab.deciding_model(lab.store.fleet.instance(WEB))[0] == "toy@1.0.0"

        models.act("graduate" if action != "disable" else "enable", "toy@1.1.0")
        assert evaluate_instances(lab, [WEB])[0].model == "toy@1.1.0"


def test_an_instance_whose_model_has_lost_its_files_falls_back(
    tmp_path: Path, models_dir: Path
) -> None:
    with small_lab(tmp_path / "home", models_dir) as lab:
        challenger(lab, models_dir)
        Services(lab, ANA).instances.assign(WEB, "toy@1.1.0")
        shutil.rmtree(models_dir / "toy" / "1.1.0")
        [experiment] = evaluate_instances(lab, [WEB])
    assert experiment.model == "toy@1.0.0"
    assert any(
        "toy@1.1.0 cannot be used (There is no model" in reason for reason in experiment.degraded
    )


def test_invalid_actions_on_models_are_refused(tmp_path: Path, models_dir: Path) -> None:
    version(models_dir, "1", name="cap", task="another")
    with small_lab(tmp_path / "home", models_dir) as lab:
        models = challenger(lab, models_dir)
        with pytest.raises(InvalidInput, match=r"several versions.*toy@1\.1\.0, toy@1\.0\.0"):
            models.act("reject", "toy")
        with pytest.raises(NotFound, match="No model 'none' is registered"):
            models.act("reject", "none")
        with pytest.raises(InvalidInput, match="'crown' is not an action"):
            models.act("crown", "toy@1.1.0")
        with pytest.raises(InvalidInput, match="cap@1 is for the task another"):
            Services(lab, ANA).instances.assign(WEB, "cap")
        with pytest.raises(InvalidInput, match="is the champion"):
            models.act("disable", "toy@1.0.0")
        (models_dir / "toy" / "1.1.0" / "model.txt").write_text("tree\n")
        with pytest.raises(ArtefactRefused, match="SHA-256"):
            models.act(ModelAction.CHAMPION, "toy@1.1.0")
        assert lab.model().version == "1.0.0"
        assert models.find("advisor").reference == "toy@1.0.0"
        assert models.find("toy").reference == "toy@1.1.0"


def test_figures_are_read_from_both_forms_of_a_card() -> None:
    shipped = {"metrics": {"model": {"auc": 0.79, "ece": 0.01}, "interval_95": {"auc": [0.7, 0.8]}}}
    whole = {"metrics": {"auc": {"value": 0.79, "low": 0.7, "high": 0.8}, "rows": 3}}
    assert figures(shipped) == {
        "auc": {"value": 0.79, "low": 0.7, "high": 0.8},
        "ece": {"value": 0.01, "low": None, "high": None},
    }
    assert figures(whole) == {"auc": {"value": 0.79, "low": 0.7, "high": 0.8}}
    horizons = {"3 h": {"metrics": {"auc": {"value": 0.6}}}, "1 h": {"metrics": whole["metrics"]}}
    assert figures({"metrics": horizons}) == figures(whole)
    assert figures({}) == figures({"metrics": "good"}) == {}


def test_somebody_always_did_it() -> None:
    assert current_user()


def test_a_home_of_before_keeps_its_champion_and_its_history_begins(
    tmp_path: Path, models_dir: Path
) -> None:
    engine = connect(None, tmp_path / "home" / "spotlab.db")
    migrate.upgrade(engine)
    with writer(engine).begin() as connection:
        from alembic import command

        command.downgrade(migrate.alembic_config(connection), "r0001")
        insert = text(
            "INSERT INTO model_versions VALUES ('toy', '1.0.0', 'advisor', :digest, 'toy/1.0.0', "
            "'champion', '2026-01-02 03:04:05.000000', '{}')"
        )
        digest = artefacts.verify(models_dir / "toy" / "1.0.0").digest
        connection.execute(insert, {"digest": digest})
    engine.dispose()

    with empty_lab(tmp_path / "home", models_dir) as lab:
        [record] = lab.models()
        assert (record.state, record.enabled) == ("champion", True)
        [event] = models_of(lab).history()
        assert (event.actor, event.action, event.after) == ("spotlab", "register", "champion")
        assert event.at == record.registered_at
        assert "earlier moves were not recorded" in event.reason
        live = models_of(lab).live_at("advisor", make.NOW)
        assert live is None or live.version == "1.0.0"
        assert models_of(lab).live_at("advisor", record.registered_at) == event
