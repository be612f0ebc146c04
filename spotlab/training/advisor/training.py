"""Training of the shipped advisor model, from recorded data to an artefact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.risk import BUCKET_RATES
from spotlab.inference.adapters import LightGBMRisk
from spotlab.inference.card import Calibration, parse_card
from spotlab.training.advisor import recipe
from spotlab.training.advisor.booster import BoosterFitter, last_bucket_forecast
from spotlab.training.advisor.calibration import choose_calibration
from spotlab.training.advisor.card import card
from spotlab.training.advisor.card_metrics import (
    level_by_snapshot,
    metrics,
    rounded,
    scores_on_unseen_snapshots,
)
from spotlab.training.advisor.datasets import Dataset, dataset
from spotlab.training.advisor.hyperparameters import Budget, SearchResult, Settings, search
from spotlab.training.advisor.labels import high, rate_position
from spotlab.training.advisor.nested_validation import ValidatedCandidate, nested_forecast, validate
from spotlab.training.advisor.recipe import Candidate
from spotlab.training.advisor.splits import GroupSplit
from spotlab.training.saved_version import Step, TrainingReport, counted_steps, save_version
from spotlab.training.scores import auc, brier, log_loss, pr_auc

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

SPLIT: Final = GroupSplit(folds=recipe.FOLDS)
_OTHER_STEPS: Final = 5


class AdvisorReport(TrainingReport):
    """Result of training an advisor model."""

    __slots__ = ()

    def as_text(self) -> str:
        """The report as a few lines of text."""
        scores = self.measured["metrics"]["model"]
        low, high_ = self.measured["metrics"]["interval_95"]["auc"]
        return (
            f"{self.headline}\n"
            f"{self.rows:,} rows, {scores['base_rate']:.1%} at bucket >= 3; by "
            f"{GroupSplit.parse(self.split).by}: "
            f"AUC {scores['auc']:.3f} (95 %: {low:.3f} to {high_:.3f}), "
            f"PR-AUC {scores['pr_auc']:.3f}, Brier {scores['brier']:.3f} "
            f"(skill {scores['brier_skill']:.2f})"
        )


def train(
    data_dir: Path,
    out_dir: Path,
    *,
    seed: int,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    budget: Budget | None = None,
    version: str | None = None,
    split: GroupSplit = SPLIT,
) -> AdvisorReport:
    """Train the advisor model from recorded data and write its artefact.

    The same data, seed and library versions give the same bytes. An existing version with other
    content is never overwritten: the next free version is written.

    Args:
        data_dir: recorded data.
        out_dir: folder of model artefacts.
        seed: of sampling inside the fit, of a search and of the intervals.
        progress: called with the name of the current step and the completed share, 0..1.
        cancelled: called between steps.
        budget: of a search for better settings; None: use the recipe's settings.
        version: to write; None: the first free one, starting with the recipe's.
        split: how rows are validated.
    Raises:
        NotAvailable: the data is missing; the error names SPOTLAB_SHARED_DATA.
        InvalidInput: the version exists with other content.
        Cancelled: nothing was written.
    """
    trials = budget.trials if budget else 0
    candidates = len(recipe.CANDIDATES) + (budget is not None)
    count = _OTHER_STEPS + trials + split.folds * (candidates + 1)
    step = counted_steps(progress, cancelled, count)
    step("Reading the recorded market and computing features")
    data = dataset(data_dir, recipe.AS_OF, recipe.LABEL_AT)
    if split.by == "region":
        data = replace(data, families=tuple(pool.region for pool in data.frame.pools))
    fitter = BoosterFitter(data, rounds=recipe.ROUNDS, seed=seed, folds=split.folds)
    return _train(fitter, data_dir, out_dir, split, budget, version, step)


def _train(
    fitter: BoosterFitter,
    data_dir: Path,
    out_dir: Path,
    split: GroupSplit,
    budget: Budget | None,
    version: str | None,
    step: Step,
) -> AdvisorReport:
    """Choose a candidate, fit, calibrate, evaluate and save; see `train`.

    Args:
        data_dir: recorded data; its evaluation-only part may be missing.
        step: called at the start of each step; may raise Cancelled.
    """
    data, seed = fitter.data, fitter.seed
    searched = None if budget is None else _search(fitter, budget, step)
    candidates: tuple[Candidate, ...] = recipe.CANDIDATES
    if searched is not None:
        candidates = (*candidates, _binary_candidate(searched.best.settings))
    validated = [
        validate(
            fitter,
            candidate,
            fitter.rows,
            lambda name=candidate.name: step(f"Comparing by {split.by}: {name}"),  # type: ignore[misc]
        )
        for candidate in candidates
    ]
    best = min(
        (each for each in validated if each.candidate.eligible), key=lambda each: each.log_loss
    )
    forecast = nested_forecast(
        fitter,
        [each for each in candidates if each.eligible],
        lambda: step(f"Measuring the choice by {split.by}"),
    )
    rate = choose_calibration(best.score, rate_position(data.bucket), data.families, split.folds)
    step("Fitting on every row")
    model = fitter.fit(best.candidate, fitter.rows, best.rounds).model_to_string().encode()
    step("Measuring intervals and subgroups")
    measured = rounded(
        {
            "comparison": [_comparison_row(data, each) for each in validated],
            "metrics": metrics(data, forecast, last_bucket_forecast(data, split.folds), seed),
            "monthly_rate": _rate_error(data, rate.forecast),
            "calibration_log_loss": {
                "rate": rate.log_loss,
                "high_bucket": best.high_bucket.log_loss,
            },
            **({} if searched is None else {"search": searched.as_document()}),
        }
    )

    def make_card(version: str, tests: Document) -> bytes:
        return card(
            data,
            version=version,
            calibration=Calibration(rate.calibrator, best.high_bucket.calibrator),
            score=best.score,
            seed=seed,
            split=split,
            rounds=best.rounds,
            chosen=best.candidate,
            measured=measured | tests,
        )

    step("Testing on the snapshots of 2022")
    draft = LightGBMRisk(parse_card(make_card("draft", {})), model, digest="")
    tests = rounded(
        {
            "level_where_the_advisor_is_fresh": level_by_snapshot(draft, data_dir),
            "tests_on_data_never_trained_on": scores_on_unseen_snapshots(draft, data_dir),
        }
    )
    step("Writing the artefact")
    folder, new = save_version(
        out_dir,
        recipe.NAME,
        recipe.VERSION,
        model,
        lambda version: make_card(version, tests),
        version,
    )
    return AdvisorReport(
        recipe.NAME, folder.name, folder, new, len(data.bucket), str(split), measured | tests
    )


def _search(fitter: BoosterFitter, budget: Budget, step: Step) -> SearchResult:
    """Search for the settings of the binary candidate with the lowest log loss on group folds."""

    def score(settings: Settings) -> float:
        return validate(fitter, _binary_candidate(settings), fitter.rows).log_loss

    initial = {name: recipe.SETTINGS[name] for name in recipe.SPACE}
    return search(recipe.SPACE, initial, score, budget, seed=fitter.seed, step=step)


def _binary_candidate(settings: Settings) -> Candidate:
    return Candidate("binary, settings from a search", "binary", {**recipe.SETTINGS, **settings})


def _comparison_row(data: Dataset, validated: ValidatedCandidate) -> Document:
    outcome, forecast = high(data.bucket), validated.high_bucket.forecast
    return {
        "candidate": validated.candidate.name,
        "eligible": validated.candidate.eligible,
        "rounds": validated.rounds,
        "calibration": validated.high_bucket.kind,
        "auc": auc(outcome, forecast),
        "pr_auc": pr_auc(outcome, forecast),
        "brier": brier(outcome, forecast),
        "log_loss": log_loss(outcome, forecast),
    }


def _rate_error(data: Dataset, forecast: FloatArray) -> Document:
    """Errors of the monthly rate, as shares: 0.05 is five percentage points."""
    span = BUCKET_RATES[-1] - BUCKET_RATES[0]
    truth = rate_position(data.bucket)
    return {
        "mean_of_label": BUCKET_RATES[0] + span * float(truth.mean()),
        "mean_absolute_error": span * float(np.abs(forecast - truth).mean()),
        "mean_absolute_error_of_a_constant": span
        * float(np.abs(truth - float(np.median(truth))).mean()),
        "bias": span * float((forecast - truth).mean()),
    }
