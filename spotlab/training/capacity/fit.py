"""Fitting capacity models: logistic parts, trees on top, a calibration.

The logistic part of a horizon carries the forecast. Ticks of few pools over some weeks are few
independent cases, and trees alone learn the pools by heart: on pools they had not seen they did
worse than the time since the last loss alone. Trees that start from the logistic score, with
thresholds drawn at random and signs that physics gives, correct it a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.features.capacity_model.features import NAMES
from spotlab.inference.calibrators import Calibrator, Logistic, sigmoid
from spotlab.inference.capacity import on_scale, scale, with_horizon
from spotlab.inference.card import CapacityColumn, CapacityKnot
from spotlab.inference.lightgbm_import import lightgbm as library
from spotlab.training.advisor.calibration import FITS, choose_calibration
from spotlab.training.capacity import recipe
from spotlab.training.capacity.logistic import fit_logistic_part
from spotlab.training.capacity.training_rows import HorizonRows, walk_forward
from spotlab.training.saved_version import Step
from spotlab.training.scores import log_loss

if TYPE_CHECKING:
    import lightgbm

FloatArray = NDArray[np.float64]

REPEATABLE: Final[Mapping[str, Any]] = {
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
SETTINGS: Final[Mapping[str, float]] = {
    "ridge": recipe.RIDGE,
    **{name: recipe.TREES[name] for name in recipe.SPACE if name in recipe.TREES},
}
NO_CALIBRATION: Final = "none"
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class CapacityFit:
    """What a card and a model file are made of.

    Args:
        columns, knots: of the card.
        booster: LightGBM's text.
        rounds: trees.
        calibration: by horizon: its kind, and the log loss of each kind on parts of the time
            that it was not fitted on.
        rows: learned from, by horizon.
    """

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    booster: bytes
    rounds: int
    calibration: Mapping[str, Any]
    rows: Mapping[str, int]


def fit_capacity(
    training: Sequence[HorizonRows], *, seed: int, settings: Mapping[str, float] = SETTINGS, step: Step
) -> CapacityFit:
    """Fit on every row; the same rows, seed and settings give the same bytes.

    Args:
        given: a lesson a horizon.
        seed: of the trees.
        settings: the ridge, and the trees' that differ from the recipe.
        step: told what is being done; may raise Cancelled.
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
        {f"{lesson.horizon_h:g} h": len(lesson.label) for lesson in training},
    )


def validation_loss(training: Sequence[HorizonRows], *, seed: int, settings: Mapping[str, float]) -> float:
    """Mean log loss over horizons of the forecasts that walk forward; no calibration.

    Args:
        given, seed, settings: as for `fit_capacity`.
    """
    return best_rounds(training, _out_of_fold(training, seed, settings, lambda _: None))[1]


def best_rounds(training: Sequence[HorizonRows], stage_scores: Sequence[FloatArray]) -> tuple[int, float]:
    """How many trees do best on time after that they learned from, and their log loss.

    Args:
        given: a lesson a horizon.
        staged: (stages, n) scores of each lesson, as trees are added.
    """
    losses = np.zeros(len(stage_scores[0]))
    for lesson, scores in zip(training, stage_scores, strict=True):
        scored = ~np.isnan(scores[0])
        losses += [log_loss(lesson.label[scored], sigmoid(score[scored])) for score in scores]
    best = int(np.argmin(losses))
    return best * recipe.ROUNDS_STEP, float(losses[best] / len(training))


def _out_of_fold(
    training: Sequence[HorizonRows], seed: int, settings: Mapping[str, float], step: Step
) -> list[FloatArray]:
    """(stages, n) scores of each lesson's sampled rows, from fits on the time before them.

    A stage has `ROUNDS_APART` more trees than the one before; the first has none. NaN elsewhere.
    """
    folds = list(walk_forward(training))
    stages = range(0, recipe.ROUNDS + 1, recipe.ROUNDS_STEP)
    stage_scores = [np.full((len(stages), len(lesson.label)), np.nan) for lesson in training]
    for number, (train, test) in enumerate(folds):
        step(f"Walking forward: {number + 1} of {len(folds)}")
        train_rows = [x.take(m & x.sampled) for x, m in zip(training, train, strict=True)]
        stage = _fit_stage(train_rows, seed, settings)
        trees = stage.fit_trees(recipe.ROUNDS)
        for place, (lesson, mask) in enumerate(zip(training, test, strict=True)):
            test_rows = mask & lesson.sampled
            matrix = lesson.matrix[test_rows]
            score = stage.logistic_score(matrix, place)
            stage_scores[place][0, test_rows] = score
            for i, start in enumerate(stages[:-1], 1):
                if stage.knots[place].trees:
                    score = score + _tree_score(trees, matrix, lesson.horizon_h, start, recipe.ROUNDS_STEP)
                stage_scores[place][i, test_rows] = score
    return stage_scores


def _with_calibration(knot: CapacityKnot, calibration: Calibrator, *, trees: bool) -> CapacityKnot:
    return CapacityKnot(knot.horizon_h, knot.with_others, knot.alone, trees, calibration)


def _calibrated(
    training: Sequence[HorizonRows], scores: Sequence[FloatArray]
) -> tuple[list[Calibrator], dict[str, Any]]:
    """A calibration a horizon: the simplest that does about as well as the best.

    Few parts of the time are few cases of a level being off, so none is the first candidate.
    """
    chosen: list[Calibrator] = []
    descriptions = {}
    for lesson, score in zip(training, scores, strict=True):
        scored = ~np.isnan(score)
        known_scores, label = score[scored], lesson.label[scored]
        parts = (lesson.time[scored] * recipe.TIME_PARTS).astype(np.intp).astype(str).tolist()
        losses = {NO_CALIBRATION: log_loss(label, sigmoid(known_scores))} if len(known_scores) else {}
        if len(set(parts)) > 1:
            losses |= choose_calibration(known_scores, label, parts, len(set(parts))).log_loss
        max_loss = min(losses.values(), default=0.0) + recipe.MIN_LOG_LOSS_GAIN
        kind = next((name for name in losses if losses[name] <= max_loss), NO_CALIBRATION)
        chosen.append(Logistic(1.0, 0.0) if kind == NO_CALIBRATION else FITS[kind](known_scores, label))
        descriptions[f"{lesson.horizon_h:g} h"] = {
            "kind": kind,
            "log_loss": {name: round(loss, DIGITS) for name, loss in losses.items()},
        }
    return chosen, descriptions


@dataclass(frozen=True, slots=True)
class _LogisticStage:
    """Logistic parts, and what trees are grown from."""

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    training: Sequence[HorizonRows]
    seed: int
    settings: Mapping[str, float]

    def logistic_score(self, matrix: Matrix, place: int) -> FloatArray:
        """(n,) logistic score: with others where they are known, else alone."""
        values = on_scale(matrix, self.columns)
        knot = self.knots[place]
        alone = np.isnan(matrix[:, recipe.OF_OTHERS]).all(axis=1)
        scores = [weights[0] + values @ np.array(weights[1:]) for weights in _weights(knot)]
        return np.asarray(np.where(alone, scores[1], scores[0]), dtype=np.float64)

    def fit_trees(self, rounds: int) -> lightgbm.Booster:
        """Trees on the sampled rows of every horizon, with the others known and hidden."""
        rows, labels, starts = [], [], []
        for place, lesson in enumerate(self.training):
            if not self.knots[place].trees:
                continue
            sampled = lesson.matrix[lesson.sampled]
            for matrix in (sampled, _without_others(sampled)):
                rows.append(with_horizon(matrix, lesson.horizon_h))
                labels.append(lesson.label[lesson.sampled])
                starts.append(self.logistic_score(matrix, place))
        settings = {
            **REPEATABLE,
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
            feature_name=[*NAMES, recipe.HORIZON],
        )
        booster: lightgbm.Booster = library().train(settings, data, num_boost_round=rounds)
        return booster


def _fit_stage(training: Sequence[HorizonRows], seed: int, settings: Mapping[str, float]) -> _LogisticStage:
    widest = max(training, key=lambda lesson: len(lesson.label))
    columns = _columns(widest.matrix)
    knots = []
    for lesson in training:
        values = on_scale(lesson.matrix, columns)
        weights = [
            fit_logistic_part(
                np.where(used, values, 0.0), lesson.label, settings["ridge"], recipe.DIRECTIONS
            )
            for used in (np.ones(len(NAMES), dtype=bool), ~np.array(recipe.OF_OTHERS))
        ]
        trees = lesson.horizon_h <= recipe.TREES_UP_TO_H
        knots.append(CapacityKnot(lesson.horizon_h, weights[0], weights[1], trees, Logistic(1.0, 0.0)))
    return _LogisticStage(columns, tuple(knots), training, seed, settings)


def _columns(matrix: Matrix) -> tuple[CapacityColumn, ...]:
    """How each feature enters the logistic part."""
    columns = []
    for place, name in enumerate(NAMES):
        kind, offset = recipe.scale_of(name)
        known = matrix[:, place][~np.isnan(matrix[:, place])]
        scaled = scale(known, kind, offset) if len(known) else np.zeros(1)
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
    """The rows as a single trace would have them."""
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
