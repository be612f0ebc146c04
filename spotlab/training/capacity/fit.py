"""Fitting capacity models: a logistic part per horizon, trees on top, and a calibration.

Most of the forecast comes from the logistic part. Ticks of few pools over some weeks are few
independent cases, so that trees alone overfit: on unseen pools they were worse than the time since
the last loss. Trees that start from the logistic score, with random thresholds and monotone
constraints, improve it a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.features.capacity_model.features import NAMES
from spotlab.features.capacity_model.registry import HORIZON
from spotlab.inference.calibrators import Calibrator, Logistic, sigmoid
from spotlab.inference.capacity import scaled_feature, scaled_features, with_horizon
from spotlab.inference.card import CapacityColumn, CapacityKnot
from spotlab.inference.lightgbm_import import lightgbm as library
from spotlab.training.advisor.calibration import FITS, choose_calibration
from spotlab.training.advisor.recipe import REPRODUCIBLE
from spotlab.training.capacity import recipe
from spotlab.training.capacity.logistic import fit_logistic_part
from spotlab.training.capacity.training_rows import HorizonRows, walk_forward
from spotlab.training.saved_version import Step
from spotlab.training.scores import log_loss

if TYPE_CHECKING:
    import lightgbm

FloatArray = NDArray[np.float64]

SETTINGS: Final[Mapping[str, float]] = {
    "ridge": recipe.RIDGE,
    **{name: recipe.TREES[name] for name in recipe.SPACE if name in recipe.TREES},
}
NO_CALIBRATION: Final = "none"
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class CapacityFit:
    """Fitted model: the contents of a model file and its part of the card.

    Args:
        columns, knots: for the card.
        booster: LightGBM model text.
        rounds: number of trees.
        calibration: by horizon: its kind, and the log loss of each kind on held-out time.
        rows: number of training rows by horizon.
    """

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    booster: bytes
    rounds: int
    calibration: Mapping[str, Any]
    rows: Mapping[str, int]


def fit_capacity(
    training: Sequence[HorizonRows],
    *,
    seed: int,
    settings: Mapping[str, float] = SETTINGS,
    step: Step,
) -> CapacityFit:
    """Fit on every row; the same rows, seed and settings give the same bytes.

    Args:
        training: rows of each horizon.
        seed: of the trees.
        settings: ridge penalty, and the tree settings that override the recipe's.
        step: called at the start of each step; may raise Cancelled.
    """
    stage_scores = _out_of_fold(training, seed, settings, step)
    rounds, _ = best_rounds(training, stage_scores)
    scores = [score[rounds // recipe.ROUNDS_STEP] for score in stage_scores]
    step("Choosing the calibration")
    calibrators, calibration = _calibrated(training, scores)
    step("Fitting on every row")
    stage = _fit_stage(training, seed, settings)
    booster = stage.fit_trees(max(rounds, 1))
    knots = tuple(
        _with_calibration(knot, calibrator, trees=knot.trees and rounds > 0)
        for knot, calibrator in zip(stage.knots, calibrators, strict=True)
    )
    return CapacityFit(
        stage.columns,
        knots,
        booster.model_to_string().encode(),
        rounds,
        calibration,
        {f"{horizon.horizon_h:g} h": len(horizon.label) for horizon in training},
    )


def validation_loss(
    training: Sequence[HorizonRows], *, seed: int, settings: Mapping[str, float]
) -> float:
    """Mean log loss over horizons of uncalibrated walk-forward forecasts.

    Args:
        training, seed, settings: as for `fit_capacity`.
    """
    return best_rounds(training, _out_of_fold(training, seed, settings, lambda _: None))[1]


def best_rounds(
    training: Sequence[HorizonRows], stage_scores: Sequence[FloatArray]
) -> tuple[int, float]:
    """The number of trees with the lowest walk-forward log loss, and that loss.

    Args:
        training: rows of each horizon.
        stage_scores: (stages, n) scores of each horizon's rows, as trees are added.
    """
    losses = np.zeros(len(stage_scores[0]))
    for horizon, scores in zip(training, stage_scores, strict=True):
        scored = ~np.isnan(scores[0])
        losses += [log_loss(horizon.label[scored], sigmoid(score[scored])) for score in scores]
    best = int(np.argmin(losses))
    return best * recipe.ROUNDS_STEP, float(losses[best] / len(training))


def _out_of_fold(
    training: Sequence[HorizonRows], seed: int, settings: Mapping[str, float], step: Step
) -> list[FloatArray]:
    """(stages, n) scores of each horizon's sampled rows, from fits on the time before them.

    A stage has `ROUNDS_STEP` more trees than the one before; the first has none. Others are NaN.
    """
    folds = list(walk_forward(training))
    stages = range(0, recipe.ROUNDS + 1, recipe.ROUNDS_STEP)
    stage_scores = [np.full((len(stages), len(horizon.label)), np.nan) for horizon in training]
    for number, (train, test) in enumerate(folds):
        step(f"Walking forward: {number + 1} of {len(folds)}")
        train_rows = [x.take(m & x.sampled) for x, m in zip(training, train, strict=True)]
        stage = _fit_stage(train_rows, seed, settings)
        trees = stage.fit_trees(recipe.ROUNDS)
        for place, (horizon, mask) in enumerate(zip(training, test, strict=True)):
            test_rows = mask & horizon.sampled
            matrix = horizon.matrix[test_rows]
            score = stage.logistic_score(matrix, place)
            stage_scores[place][0, test_rows] = score
            for i, start in enumerate(stages[:-1], 1):
                if stage.knots[place].trees:
                    score = score + _tree_score(
                        trees, matrix, horizon.horizon_h, start, recipe.ROUNDS_STEP
                    )
                stage_scores[place][i, test_rows] = score
    return stage_scores


def _with_calibration(knot: CapacityKnot, calibration: Calibrator, *, trees: bool) -> CapacityKnot:
    return CapacityKnot(knot.horizon_h, knot.with_others, knot.alone, trees, calibration)


def _calibrated(
    training: Sequence[HorizonRows], scores: Sequence[FloatArray]
) -> tuple[list[Calibrator], dict[str, Any]]:
    """For each horizon, the simplest calibration that is about as good as the best one.

    With few parts of the time there is little evidence of a wrong level, so "none" is tried first.
    """
    chosen: list[Calibrator] = []
    descriptions = {}
    for horizon, score in zip(training, scores, strict=True):
        scored = ~np.isnan(score)
        known_scores, label = score[scored], horizon.label[scored]
        parts = (horizon.time[scored] * recipe.TIME_PARTS).astype(np.intp).astype(str).tolist()
        losses = (
            {NO_CALIBRATION: log_loss(label, sigmoid(known_scores))} if len(known_scores) else {}
        )
        if len(set(parts)) > 1:
            losses |= choose_calibration(known_scores, label, parts, len(set(parts))).log_loss
        max_loss = min(losses.values(), default=0.0) + recipe.MIN_LOG_LOSS_GAIN
        kind = next((name for name in losses if losses[name] <= max_loss), NO_CALIBRATION)
        chosen.append(
            Logistic(1.0, 0.0) if kind == NO_CALIBRATION else FITS[kind](known_scores, label)
        )
        descriptions[f"{horizon.horizon_h:g} h"] = {
            "kind": kind,
            "log_loss": {name: round(loss, DIGITS) for name, loss in losses.items()},
        }
    return chosen, descriptions


@dataclass(frozen=True, slots=True)
class _LogisticStage:
    """Logistic parts of all horizons, and the rows to fit trees on."""

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    training: Sequence[HorizonRows]
    seed: int
    settings: Mapping[str, float]

    def logistic_score(self, matrix: Matrix, place: int) -> FloatArray:
        """(n,) logistic score, with the weights for other pools if any of them is known."""
        values = scaled_features(matrix, self.columns)
        knot = self.knots[place]
        alone = np.isnan(matrix[:, recipe.OF_OTHERS]).all(axis=1)
        scores = [weights[0] + values @ np.array(weights[1:]) for weights in _weights(knot)]
        return np.asarray(np.where(alone, scores[1], scores[0]), dtype=np.float64)

    def fit_trees(self, rounds: int) -> lightgbm.Booster:
        """Trees on the sampled rows of all horizons, each with other pools known and hidden."""
        rows, labels, starts = [], [], []
        for place, horizon in enumerate(self.training):
            if not self.knots[place].trees:
                continue
            sampled = horizon.matrix[horizon.sampled]
            for matrix in (sampled, _without_others(sampled)):
                rows.append(with_horizon(matrix, horizon.horizon_h))
                labels.append(horizon.label[horizon.sampled])
                starts.append(self.logistic_score(matrix, place))
        settings = {
            **REPRODUCIBLE,
            **recipe.TREES,
            **{
                name: int(value) if recipe.SPACE[name].integer else value
                for name, value in self.settings.items()
                if name != "ridge"
            },
            "objective": "binary",
            "seed": self.seed,
            "monotone_constraints": [*recipe.DIRECTIONS, 1],
        }
        data = library().Dataset(
            np.concatenate(rows),
            np.concatenate(labels),
            init_score=np.concatenate(starts),
            feature_name=[*NAMES, HORIZON],
        )
        booster: lightgbm.Booster = library().train(settings, data, num_boost_round=rounds)
        return booster


def _fit_stage(
    training: Sequence[HorizonRows], seed: int, settings: Mapping[str, float]
) -> _LogisticStage:
    widest = max(training, key=lambda horizon: len(horizon.label))
    columns = _columns(widest.matrix)
    knots = []
    for horizon in training:
        values = scaled_features(horizon.matrix, columns)
        weights = [
            fit_logistic_part(
                np.where(used, values, 0.0), horizon.label, settings["ridge"], recipe.DIRECTIONS
            )
            for used in (np.ones(len(NAMES), dtype=bool), ~np.array(recipe.OF_OTHERS))
        ]
        trees = horizon.horizon_h <= recipe.TREES_UP_TO_H
        knots.append(
            CapacityKnot(horizon.horizon_h, weights[0], weights[1], trees, Logistic(1.0, 0.0))
        )
    return _LogisticStage(columns, tuple(knots), training, seed, settings)


def _columns(matrix: Matrix) -> tuple[CapacityColumn, ...]:
    """Scale, bounds and spread of each feature in the logistic part."""
    columns = []
    for place, name in enumerate(NAMES):
        kind, offset = recipe.scale_of(name)
        known = matrix[:, place][~np.isnan(matrix[:, place])]
        scaled = scaled_feature(known, kind, offset) if len(known) else np.zeros(1)
        low, high = np.quantile(scaled, [recipe.CLIPPED_SHARE, 1.0 - recipe.CLIPPED_SHARE])
        spread = float(np.std(scaled))
        numbers = [
            float(low),
            float(high),
            float(np.mean(scaled)),
            spread if spread > 1e-6 else 1.0,
        ]
        low_, high_, centre, spread_ = (round(number, DIGITS) for number in numbers)
        columns.append(
            CapacityColumn(kind, offset, low_, high_, centre, spread_, recipe.OF_OTHERS[place])
        )
    return tuple(columns)


def _weights(knot: CapacityKnot) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return knot.with_others, knot.alone


def _without_others(matrix: Matrix) -> Matrix:
    """The rows as in a panel with a single trace: features of other pools are NaN."""
    alone = matrix.copy()
    alone[:, recipe.OF_OTHERS] = np.nan
    return alone


def _tree_score(
    booster: lightgbm.Booster, matrix: Matrix, horizon_h: float, start: int, rounds: int
) -> FloatArray:
    score = booster.predict(
        with_horizon(matrix, horizon_h),
        raw_score=True,
        start_iteration=start,
        num_iteration=rounds,
        num_threads=1,
    )
    return np.asarray(score, dtype=np.float64)
