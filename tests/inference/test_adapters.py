"""A model predicts only rows that its card allows, and its contributions add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from spotlab.domain.ports import RiskModel
from spotlab.domain.risk import HOURS_PER_MONTH, risk_within
from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference import artefacts
from spotlab.inference.adapters import CheckedModel
from tests.support import models

AGE = models.FEATURES.index("advisor_age_h")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CheckedModel:
    return artefacts.load(models.saved(tmp_path_factory.mktemp("models")))


def sklearn_model(folder: Path, estimator: Any, **changed: Any) -> CheckedModel:
    matrix = models.rows(400)
    estimator.fit(models.frame_of(matrix), models.outcomes(matrix))
    means = matrix.mean(axis=0)
    features = [
        feature | {"typical": float(mean)}
        for feature, mean in zip(models.card()["features"], means, strict=True)
    ]
    text = models.card(kind="sklearn", file="model.skops", features=features) | changed
    return artefacts.load(
        artefacts.save(folder, json.dumps(text).encode(), skops.io.dumps(estimator))
    )


def test_the_model_is_a_risk_model(model: CheckedModel) -> None:
    assert isinstance(model, RiskModel)
    assert model.feature_names == models.FEATURES


def test_risks_are_probabilities_and_follow_the_bucket(model: CheckedModel) -> None:
    matrix = models.rows(300)
    safe, risky = matrix.copy(), matrix.copy()
    safe[:, 0], risky[:, 0] = 0.0, 4.0

    risk = risk_within(model.hazard_per_hour(matrix), 24.0)

    assert ((risk > 0.0) & (risk < 1.0)).all()
    assert (model.hazard_per_hour(risky) > model.hazard_per_hour(safe)).all()


def test_the_hazard_gives_the_monthly_rate_back(model: CheckedModel) -> None:
    matrix = models.rows(5)

    month = risk_within(model.hazard_per_hour(matrix), HOURS_PER_MONTH)

    assert month == pytest.approx(model.monthly_rate(matrix), rel=1e-12)
    assert (month >= 0.025).all()
    assert (month <= 0.25).all()


def test_one_row_is_scored_as_in_a_batch(model: CheckedModel) -> None:
    matrix = models.rows(500)

    batch = model.hazard_per_hour(matrix)

    assert [model.hazard_per_hour(matrix[[i]])[0] for i in range(5)] == batch[:5].tolist()


def test_no_rows_give_no_risks(model: CheckedModel) -> None:
    empty = np.zeros((0, len(models.FEATURES)))

    assert model.hazard_per_hour(empty).shape == (0,)
    assert model.contributions(empty)[0].shape == (0, len(models.FEATURES))


def test_contributions_add_up_to_the_raw_score(model: CheckedModel) -> None:
    matrix = models.rows(300)
    matrix[::7, 0] = np.nan

    parts, base = model.contributions(matrix)

    assert parts.sum(axis=1) + base == pytest.approx(model.raw_score(matrix), abs=1e-9)


def test_a_row_out_of_range_is_refused_alone_and_said(model: CheckedModel) -> None:
    matrix = models.rows(3)
    matrix[1, 0] = 7.0
    matrix[2, 3] = np.nan

    hazard = model.hazard_per_hour(matrix)

    assert np.isnan(hazard).tolist() == [False, True, True]
    assert np.isnan(model.contributions(matrix)[0][1]).all()
    assert model.refusals(matrix) == {
        1: "advisor_bucket is 7 (1), outside 0..4",
        2: "vcpu_count is unknown, which the model does not accept",
    }


def test_an_unknown_value_the_card_allows_is_scored(model: CheckedModel) -> None:
    matrix = models.rows(3)
    matrix[:, :3] = np.nan

    assert np.isfinite(model.hazard_per_hour(matrix)).all()
    assert model.refusals(matrix) == {}


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (models.rows(3)[:, :3].copy(), r"shape \(3, 3\)"),
        (models.rows(3)[0], r"shape \(4,\)"),
        (models.rows(3).astype(np.float32), "float32"),
    ],
)
def test_a_matrix_of_the_wrong_kind_is_refused(model: CheckedModel, matrix: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        model.hazard_per_hour(matrix)


def test_a_fresh_bucket_counts_more_than_an_old_one(model: CheckedModel) -> None:
    matrix = models.rows(200)
    matrix[:, 0] = 4.0
    fresh, old, unknown = matrix.copy(), matrix.copy(), matrix.copy()
    old[:, AGE] = 100_000.0
    unknown[:, AGE] = np.nan

    rate = {name: model.monthly_rate(m) for name, m in [("fresh", fresh), ("old", old)]}

    assert (rate["fresh"] > rate["old"]).all()
    assert model.monthly_rate(unknown) == pytest.approx(rate["old"])
    assert (model.high_bucket_probability(fresh) > model.high_bucket_probability(old)).all()


def test_a_level_that_had_no_time_to_move_is_taken_back(tmp_path: Path) -> None:
    drift = {"rate": 1.2, "high_bucket": 1.5}
    still = artefacts.load(models.saved(tmp_path / "still"))
    moved = artefacts.load(
        models.saved(tmp_path / "moved", persistence=models.PERSISTENCE | {"level_drift": drift})
    )
    trained_h = models.PERSISTENCE["gap_h"][-1] - models.PERSISTENCE["lead_h"]
    lowered, steps = {}, {}
    for age_h in (2.0, trained_h / 2, trained_h, 10 * trained_h, np.nan):
        matrix = models.rows(200)
        matrix[:, AGE] = age_h
        parts, base = moved.contributions(matrix)
        lowered[age_h] = still.monthly_rate(matrix) - moved.monthly_rate(matrix)
        high = still.high_bucket_probability(matrix) - moved.high_bucket_probability(matrix)

        assert parts.sum(axis=1) + base == pytest.approx(moved.raw_score(matrix), abs=1e-9)
        assert ((high > 0.0) == (lowered[age_h] > 0.0)).all()
        assert np.ptp(base) == 0.0
        steps[age_h] = parts[:, AGE].mean()
    unlisted = models.rows(50)
    unlisted[:, 0] = np.nan

    assert (lowered[2.0] > 0.0).all()
    assert lowered[2.0].mean() > lowered[trained_h / 2].mean() > 0.0
    assert [np.abs(lowered[age]).max() for age in [*lowered][2:]] == [0.0, 0.0, 0.0]
    assert 0.0 < steps[2.0] < 0.001, "just read"
    assert steps[2.0] < steps[trained_h / 2] < steps[trained_h] == steps[np.nan]
    assert moved.raw_score(unlisted).tolist() == still.raw_score(unlisted).tolist()


def test_a_linear_models_contributions_are_coefficient_times_deviation(tmp_path: Path) -> None:
    matrix = models.rows(400)
    fitted = LogisticRegression()
    model = sklearn_model(tmp_path, fitted, persistence=None)
    slope = models.card()["calibration"]["rate"]["slope"]

    parts, base = model.contributions(matrix)

    assert parts == pytest.approx(slope * fitted.coef_[0] * (matrix - matrix.mean(axis=0)))
    assert parts.sum(axis=1) + base == pytest.approx(model.raw_score(matrix), abs=1e-9)


def test_a_scaled_linear_model_adds_up_too(tmp_path: Path) -> None:
    matrix = models.rows(50)
    model = sklearn_model(tmp_path, make_pipeline(StandardScaler(), LogisticRegression()))

    parts, base = model.contributions(matrix)

    assert parts.sum(axis=1) + base == pytest.approx(model.raw_score(matrix), abs=1e-9)


def test_boosted_trees_are_scored_and_explained(tmp_path: Path) -> None:
    matrix = models.rows(50)
    model = sklearn_model(tmp_path, HistGradientBoostingClassifier(max_iter=10))

    parts, base = model.contributions(matrix)

    assert np.isfinite(model.hazard_per_hour(matrix)).all()
    assert parts.sum(axis=1) + base == pytest.approx(model.raw_score(matrix), abs=1e-9)


def test_an_estimator_without_explanation_says_so(tmp_path: Path) -> None:
    trees = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5))
    model = sklearn_model(tmp_path, trees)

    with pytest.raises(InvalidInput, match="No explanation"):
        model.contributions(models.rows(2))


def test_a_type_that_is_not_on_the_list_is_named(tmp_path: Path) -> None:
    calls = make_pipeline(FunctionTransformer(np.tanh), LogisticRegression())

    with pytest.raises(ArtefactRefused, match=r"not trusted: .*FunctionTransformer"):
        sklearn_model(tmp_path, calls)
    with pytest.raises(ArtefactRefused, match=r"not trusted: .*RandomForestClassifier"):
        sklearn_model(tmp_path, RandomForestClassifier(n_estimators=2))


def test_a_skops_file_that_is_none_is_refused(tmp_path: Path) -> None:
    card = json.dumps(models.card(kind="sklearn", file="model.skops")).encode()

    with pytest.raises(ArtefactRefused, match="is not a skops file"):
        artefacts.save(tmp_path, card, b"not a zip")
    with pytest.raises(ArtefactRefused, match="is a pickle"):
        artefacts.save(tmp_path, card, b"\x80\x04K\x01.")
