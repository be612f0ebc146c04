"""Training the shipped model, from recorded data to an artefact. Training floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.risk import BUCKET_RATES
from spotlab.errors import Cancelled
from spotlab.inference import artefacts
from spotlab.inference.adapters import LightGBMRisk
from spotlab.inference.card import Calibration, parse_card
from spotlab.training import recipe
from spotlab.training.booster import (
    fit_booster,
    last_bucket_forecast,
    out_of_fold,
    training_matrix,
)
from spotlab.training.calibrate import choose_calibration
from spotlab.training.cards import card
from spotlab.training.datasets import Dataset, dataset
from spotlab.training.evaluate import (
    level_where_fresh,
    metrics,
    on_data_never_trained_on,
    rounded,
)
from spotlab.training.labels import high, rate_position
from spotlab.training.recipe import Candidate
from spotlab.training.scores import auc, brier, log_loss, pr_auc

FloatArray = NDArray[np.float64]
Document = dict[str, Any]
Step = Callable[[str], None]

_FIRST_VERSION: Final = (1, 0, 0)
_STEPS: Final = 2 + recipe.FOLDS * len(recipe.CANDIDATES) + 3


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run made.

    Args:
        name, version: of the artefact.
        folder: where it is.
        new: False when this very artefact was there already.
        rows: trained on.
        measured: comparison, metrics and tests, as on the card.
    """

    name: str
    version: str
    folder: Path
    new: bool
    rows: int
    measured: Document

    def as_document(self) -> Document:
        """The report as JSON-like values."""
        return {
            "name": self.name,
            "version": self.version,
            "folder": str(self.folder),
            "new": self.new,
            "rows": self.rows,
            **self.measured,
        }

    def as_text(self) -> str:
        """A few lines for a person."""
        by_family = self.measured["metrics"]["model"]
        low, high_ = self.measured["metrics"]["interval_95"]["auc"]
        return (
            f"{self.name} {self.version} {'written to' if self.new else 'is unchanged in'} "
            f"{self.folder}\n"
            f"{self.rows:,} rows, {by_family['base_rate']:.1%} at bucket >= 3; by family: "
            f"AUC {by_family['auc']:.3f} (95 %: {low:.3f} to {high_:.3f}), "
            f"PR-AUC {by_family['pr_auc']:.3f}, Brier {by_family['brier']:.3f} "
            f"(skill {by_family['brier_skill']:.2f})"
        )


def train(
    data_dir: Path,
    out_dir: Path,
    *,
    seed: int,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> TrainReport:
    """Train the risk model from the recorded data and write its artefact.

    The same data, seed and library versions give the same bytes. A version that is there with
    other content is never touched: the next free one is written.

    Args:
        data_dir: recorded data.
        out_dir: folder of model artefacts.
        seed: of sampling inside the fit and of the intervals.
        progress: told what is being done and the share that is done, 0..1.
        cancelled: asked between steps.
    Raises:
        NotAvailable: the data is not there; names SPOTLAB_SHARED_DATA.
        Cancelled: nothing was written.
    """
    step = _steps(progress, cancelled)
    step("Reading the recorded market and computing features")
    data = dataset(data_dir, recipe.AS_OF, recipe.LABEL_AT)
    return train_on(data, data_dir, out_dir, seed=seed, rounds=recipe.ROUNDS, step=step)


def train_on(
    data: Dataset, data_dir: Path, out_dir: Path, *, seed: int, rounds: int, step: Step
) -> TrainReport:
    """Choose, fit, calibrate, measure and save; see `train`.

    Args:
        data_dir: holds the test data that trains nothing, if it is there.
        rounds: trees.
        step: told what is being done; may raise Cancelled.
    """
    scores = {
        candidate.name: out_of_fold(
            data,
            candidate,
            rounds=rounds,
            seed=seed,
            step=lambda name=candidate.name: step(f"Comparing by family: {name}"),  # type: ignore[misc]
        )
        for candidate in recipe.CANDIDATES
    }
    comparison = [
        _compared(data, candidate, scores[candidate.name]) for candidate in recipe.CANDIDATES
    ]
    chosen = _best(comparison)
    score = scores[chosen.name]
    rate = choose_calibration(score, rate_position(data.bucket), data.families)
    high_bucket = choose_calibration(score, high(data.bucket), data.families)
    calibration = Calibration(rate=rate.calibrator, high_bucket=high_bucket.calibrator)
    step("Fitting on every row")
    booster = fit_booster(
        training_matrix(data, seed), data.bucket, chosen, rounds=rounds, seed=seed
    )
    model = booster.model_to_string().encode()
    step("Measuring intervals and subgroups")
    measured = rounded(
        {
            "comparison": comparison,
            "metrics": metrics(data, high_bucket.forecast, last_bucket_forecast(data), seed),
            "monthly_rate": _rate_error(data, rate.forecast),
            "calibration_chosen_by_log_loss": {
                "rate": rate.log_loss,
                "high_bucket": high_bucket.log_loss,
            },
        }
    )

    def draw_up(version: str, tests: Document) -> bytes:
        return card(
            data,
            version=version,
            calibration=calibration,
            seed=seed,
            rounds=rounds,
            chosen=chosen,
            measured=measured | tests,
        )

    step("Testing on the snapshots of 2022")
    draft = LightGBMRisk(parse_card(draw_up("draft", {})), model, digest="")
    tests = rounded(
        {
            "level_where_the_advisor_is_fresh": level_where_fresh(draft, data_dir),
            "tests_on_data_never_trained_on": on_data_never_trained_on(draft, data_dir),
        }
    )
    step("Writing the artefact")
    folder, new = _save(out_dir, model, lambda version: draw_up(version, tests))
    return TrainReport(recipe.NAME, folder.name, folder, new, len(data.bucket), measured | tests)


def _compared(data: Dataset, candidate: Candidate, score: FloatArray) -> Document:
    outcome = high(data.bucket)
    said = choose_calibration(score, outcome, data.families).forecast
    position = choose_calibration(score, rate_position(data.bucket), data.families).forecast
    return {
        "candidate": candidate.name,
        "eligible": candidate.eligible,
        "auc": auc(outcome, said),
        "pr_auc": pr_auc(outcome, said),
        "brier": brier(outcome, said),
        "log_loss": log_loss(outcome, said),
        "log_loss_of_rate": log_loss(rate_position(data.bucket), position),
    }


def _best(comparison: list[Document]) -> Candidate:
    """The eligible candidate with the lowest calibrated log loss on families it never saw."""
    allowed = [row for row in comparison if row["eligible"]]
    name = min(allowed, key=lambda row: row["log_loss"])["candidate"]
    return next(candidate for candidate in recipe.CANDIDATES if candidate.name == name)


def _rate_error(data: Dataset, said: FloatArray) -> Document:
    """How far the monthly rate is off, as a share: 0.05 is five percent points."""
    span = BUCKET_RATES[-1] - BUCKET_RATES[0]
    truth = rate_position(data.bucket)
    return {
        "mean_of_label": BUCKET_RATES[0] + span * float(truth.mean()),
        "mean_absolute_error": span * float(np.abs(said - truth).mean()),
        "mean_absolute_error_of_a_constant": span
        * float(np.abs(truth - float(np.median(truth))).mean()),
        "bias": span * float((said - truth).mean()),
    }


def _steps(progress: Callable[[str, float], None], cancelled: Callable[[], bool]) -> Step:
    done = -1

    def step(text: str) -> None:
        nonlocal done
        if cancelled():
            raise Cancelled("Training was stopped; nothing was written.")
        done += 1
        progress(text, min(1.0, done / _STEPS))

    return step


def _save(out_dir: Path, model: bytes, draw_up: Callable[[str], bytes]) -> tuple[Path, bool]:
    """Save as the first version that is free, or that already holds this very content."""
    major, minor, patch = _FIRST_VERSION
    while True:
        version = f"{major}.{minor}.{patch}"
        content = draw_up(version)
        folder = out_dir / recipe.NAME / version
        if not folder.exists():
            return artefacts.save(out_dir, content, model), True
        held = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        if held.get(artefacts.CARD) == content and model in held.values():
            return folder, False
        minor += 1
