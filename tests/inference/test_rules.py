"""Rules: models of one feature that are there to be beaten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotlab.errors import ArtefactRefused
from spotlab.inference import artefacts
from spotlab.inference.adapters import CheckedModel, RuleRisk
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.model_process import PROGRAM, WorkerLimits
from spotlab.inference.model_workers import ModelWorkers
from spotlab.inference.predictor import Isolation, Predictor
from spotlab.runtime.model_dry_run import DryRunLimits, dry_run
from spotlab.settings import Settings

SHIPPED = Settings().models_dir
PERSISTENCE = SHIPPED / "advisor-persistence" / "1.0.0"
STREAK = SHIPPED / "capacity-streak" / "1.0.0"
POOL_RATE = SHIPPED / "capacity-pool-rate" / "1.0.0"
BUCKETS = np.array([[bucket, 1.0] for bucket in (0.0, 1.0, 2.0, 3.0, 4.0, np.nan)])


def opened(folder: Path) -> Any:
    return artefacts.load(folder)


def changed(tmp_path: Path, source: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A version with a changed rule and correct checksums; the rule is not opened."""
    rule = json.loads((source / "rule.json").read_text())
    change(rule)
    return artefacts.save(tmp_path, (source / "card.json").read_bytes(), json.dumps(rule).encode())


def test_a_higher_bucket_has_a_higher_rate_and_an_unknown_one_a_rate_too() -> None:
    rule = opened(PERSISTENCE)
    assert isinstance(rule, RuleRisk)
    rate = rule.monthly_rate(BUCKETS)
    assert (np.diff(rate[:5]) > 0).all()
    assert np.isfinite(rate).all()
    assert rate[0] < 0.06 < 0.18 < rate[4], "a fresh bucket mostly stays"


def test_its_contributions_are_exact_and_of_its_features_only() -> None:
    rule = opened(PERSISTENCE)
    parts, base = rule.contributions(BUCKETS)
    assert np.abs(parts.sum(axis=1) + base - rule.raw_score(BUCKETS)).max() < 1e-12
    assert rule.feature_names == ("advisor_bucket", "advisor_age_h")


@pytest.mark.parametrize(
    ("folder", "safe", "risky"),
    [(STREAK, 100.0, 0.2), (POOL_RATE, 1.0, 0.3)],
    ids=["streak", "rate"],
)
def test_a_capacity_rule_answers_at_any_horizon_and_explains_itself(
    folder: Path, safe: float, risky: float
) -> None:
    rule = opened(folder)
    assert isinstance(rule, CapacityModel)
    rows = np.array([[safe], [risky], [np.nan]])
    for horizon_h in (0.1, 1.0, 2.5, 24.0, 40.0):
        loss = rule.loss_probability(rows, horizon_h)
        assert loss[0] < loss[1]
        assert ((loss > 0.0) & (loss < 1.0)).all()
        parts, base = rule.contributions(rows, horizon_h)
        assert np.allclose(parts[:, 0] + base, np.log(loss / (1.0 - loss)))


@pytest.mark.parametrize("folder", [PERSISTENCE, STREAK, POOL_RATE])
def test_a_shipped_rule_passes_the_trial_prediction_of_uploads(folder: Path) -> None:
    run = dry_run(folder, DryRunLimits())
    assert 0.0 < run.risk_low <= run.risk_high < 1.0


def test_an_uploaded_rule_answers_the_same_from_its_own_process(tmp_path: Path) -> None:
    def keep(_rule: dict[str, Any]) -> None:
        """Not changed."""

    changed(tmp_path, PERSISTENCE, keep)
    limits = WorkerLimits(workers=1, memory_mb=512, wall_s=20.0)
    workers = ModelWorkers(limits, PROGRAM)
    try:
        isolated: Any = Predictor(
            tmp_path, isolation=Isolation(tmp_path, lambda *_: False, workers)
        ).get("advisor-persistence@1.0.0")
        inside: CheckedModel = opened(PERSISTENCE)
        assert isolated.raw_score(BUCKETS).tobytes() == inside.raw_score(BUCKETS).tobytes()
        for mine, theirs in zip(
            isolated.contributions(BUCKETS), inside.contributions(BUCKETS), strict=True
        ):
            assert mine.tobytes() == theirs.tobytes()
    finally:
        workers.close()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda rule: rule.update(format=2), "format 2"),
        (lambda rule: rule.update(feature="price"), "'price'"),
        (lambda rule: rule.update(form="logistic"), "at"),
        (lambda rule: rule.update(form="code"), "code"),
        (lambda rule: rule.update(run="import os"), "run"),
        (lambda rule: rule.update(at=[0, 1, 2, 2, 4]), "at does not increase"),
        (lambda rule: rule.update(at=[0, 1]), "same length"),
        (lambda rule: rule.update(at=[], log_odds=[]), "same length"),
        (lambda rule: rule.update(at=[*range(2000)], log_odds=[0.0] * 2000), "same length"),
        (lambda rule: rule.update(unknown=1e9), "outside"),
        (lambda rule: rule.update(unknown=None), "unknown"),
        (lambda rule: rule.update(log_odds=["1"] * 5), "log_odds"),
        (lambda rule: rule.update(feature="x" * 70_000), "larger than 64 KB"),
    ],
)
def test_a_rule_that_is_none_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    with pytest.raises(ArtefactRefused, match=r"rule\.json: The rule is not valid") as refused:
        changed(tmp_path, PERSISTENCE, change)
    assert named in str(refused.value)
    assert not (tmp_path / "advisor-persistence" / "1.0.0").exists()


def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path) -> None:
    rule = (PERSISTENCE / "rule.json").read_text().replace("4.0", "NaN")
    with pytest.raises(ArtefactRefused, match=r"rule\.json"):
        artefacts.save(tmp_path, (PERSISTENCE / "card.json").read_bytes(), rule.encode())


def test_a_capacity_rule_has_neither_trees_nor_a_second_feature(tmp_path: Path) -> None:
    card = json.loads((STREAK / "card.json").read_text())
    model = (STREAK / "rule.json").read_bytes()
    with_trees = json.loads(json.dumps(card))
    with_trees["knots"][0]["trees"] = True
    with pytest.raises(ArtefactRefused, match="a model of kind rule has no trees"):
        artefacts.save(tmp_path, json.dumps(with_trees).encode(), model)
    card["features"].append(card["features"][0] | {"name": "last_outage_h"})
    card["columns"].append(card["columns"][0])
    for knot in card["knots"]:
        knot["with_others"].append(0.0)
        knot["alone"].append(0.0)
    with pytest.raises(ArtefactRefused, match="2 features, a rule has one"):
        artefacts.save(tmp_path, json.dumps(card).encode(), model)


@pytest.mark.parametrize(
    ("rule", "champion", "test"),
    [
        (PERSISTENCE, SHIPPED / "advisor-lgbm" / "1.2.0", None),
        (STREAK, SHIPPED / "capacity-lgbm" / "1.0.1", "1 h"),
        (POOL_RATE, SHIPPED / "capacity-lgbm" / "1.0.1", "1 h"),
    ],
)
def test_the_shipped_model_was_measured_on_the_same_rows_and_is_better(
    rule: Path, champion: Path, test: str | None
) -> None:
    mine, theirs = (
        json.loads((folder / "card.json").read_text())["metrics"] for folder in (rule, champion)
    )
    if test is None:
        rows = [each["model"]["rows"] for each in (mine, theirs)]
        brier = [each["model"]["brier"] for each in (mine, theirs)]
        base_rate = mine["model"]["base_rate"]
    else:
        rows = [each[test]["rows"] for each in (mine, theirs)]
        brier = [each[test]["metrics"]["brier"]["value"] for each in (mine, theirs)]
        base_rate = mine[test]["base_rate"]
    assert rows[0] == rows[1]
    assert brier[1] < brier[0] < base_rate * (1.0 - base_rate)
