"""Training makes a usable artefact, the same one every time, and stops when asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import Cancelled, NotAvailable
from spotlab.features.engine import compute
from spotlab.inference.explain import explain
from spotlab.inference.predictor import Predictor
from spotlab.training.advisor import recipe
from spotlab.training.advisor.calibration import fit_logistic
from spotlab.training.advisor.datasets import dataset, recorded_market
from spotlab.training.advisor.labels import high
from spotlab.training.advisor.splits import GroupSplit
from spotlab.training.advisor.training import AdvisorReport, train
from tests.support import recorded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = recorded.write_market(tmp_path_factory.mktemp("recorded"))
    recorded.write_2022(folder)
    return folder


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "ROUNDS", 12)


def run(
    folder: Path,
    out: Path,
    progress: Callable[[str, float], None] = lambda text, share: None,
    seed: int = 7,
    folds: int = 3,
) -> AdvisorReport:
    return train(
        folder,
        out,
        seed=seed,
        progress=progress,
        cancelled=lambda: False,
        split=GroupSplit(folds=folds),
    )


def test_the_artefact_scores_and_explains_the_market_it_came_from(
    folder: Path, tmp_path: Path
) -> None:
    run(folder, tmp_path)
    model = Predictor(tmp_path).get("advisor-lgbm")
    frame = compute(recorded_market(folder, recipe.AS_OF))
    rate = model.monthly_rate(frame.select(model.feature_names))
    explanation = explain(model, frame, frame.pools[0], 24.0)

    assert np.isfinite(rate).all()
    assert explanation.monthly_rate == pytest.approx(rate[0])


def test_the_model_ranks_families_it_never_saw(folder: Path, tmp_path: Path) -> None:
    report = run(folder, tmp_path, folds=5)
    figures = report.measured["metrics"]

    assert figures["model"]["auc"] > 0.6
    assert figures["interval_95"]["auc"][0] < figures["model"]["auc"]
    assert figures["model"]["auc"] < figures["interval_95"]["auc"][1]
    assert "AUC" in report.as_text()
    assert report.as_document()["rows"] == report.rows == 360
    assert report.measured["tests_on_data_never_trained_on"]["all"]["rows refused"] == 0


def test_the_card_knows_how_far_the_level_moved(folder: Path, tmp_path: Path) -> None:
    report = run(folder, tmp_path)
    card = json.loads((report.folder / "card.json").read_bytes())
    drift = card["persistence"]["level_drift"]
    data = dataset(folder, recipe.AS_OF, recipe.LABEL_AT)
    before = data.frame.column(recipe.BUCKET)
    later, rows = high(data.bucket), ~np.isnan(before)
    rose = float(later[rows].mean()) - float(high(before[rows]).mean())

    assert rose != 0.0
    assert np.sign(drift["high_bucket"]) == np.sign(rose)
    assert set(card["level_where_the_advisor_is_fresh"]) == {
        path.name[:10] for path in (folder / "advisor").iterdir()
    }


def test_two_runs_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first, second = run(folder, tmp_path / "a"), run(folder, tmp_path / "b")

    files = sorted(path.name for path in first.folder.iterdir())
    assert files == ["SHA256SUMS", "card.json", "model.txt"]
    for name in files:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_a_second_run_leaves_the_version_and_another_seed_makes_a_new_one(
    folder: Path, tmp_path: Path
) -> None:
    first, again, other = (
        run(folder, tmp_path),
        run(folder, tmp_path),
        run(folder, tmp_path, seed=8),
    )

    assert (first.version, first.new) == ("1.2.0", True)
    assert (again.version, again.new) == ("1.2.0", False)
    assert (other.version, other.new) == ("1.3.0", True)


def test_progress_rises_to_the_end(folder: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, float]] = []
    run(folder, tmp_path, lambda text, share: steps.append((text, share)))
    shares = [share for _, share in steps]

    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert 0.9 < shares[-1] <= 1.0
    assert steps[-1][0] == "Writing the artefact"


def test_a_stopped_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    answers = iter([False, False, True])

    with pytest.raises(Cancelled, match="nothing was written"):
        train(
            folder,
            tmp_path,
            seed=7,
            progress=lambda text, share: None,
            cancelled=lambda: next(answers),
        )
    assert list(tmp_path.iterdir()) == []


def test_no_recorded_data_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="SPOTLAB_SHARED_DATA"):
        run(tmp_path / "nowhere", tmp_path)


def test_calibration_finds_the_slope_it_was_made_with() -> None:
    rng = np.random.default_rng(1)
    score = rng.normal(0.0, 2.0, 20_000)
    share = 1 / (1 + np.exp(-(0.6 * score - 0.4)))

    exact = fit_logistic(score, share)
    sampled = fit_logistic(score, (rng.random(20_000) < share).astype(np.float64))

    assert (exact.slope, exact.intercept) == (0.6, -0.4)
    assert sampled.slope == pytest.approx(0.6, abs=0.03)
