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
from spotlab.training.capacity.training_rows import Lesson, walk_forward
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
    given: Sequence[Lesson], *, seed: int, settings: Mapping[str, float] = SETTINGS, step: Step
) -> CapacityFit:
    """Fit on every row; the same rows, seed and settings give the same bytes.

    Args:
        given: a lesson a horizon.
        seed: of the trees.
        settings: the ridge, and the trees' that differ from the recipe.
        step: told what is being done; may raise Cancelled.
    """
    staged = _out_of_fold(given, seed, settings, step)
    rounds, _ = best_rounds(given, staged)
    scores = [score[rounds // recipe.ROUNDS_APART] for score in staged]
    step("Choosing the calibration")
    calibrators, said = _calibrated(given, scores)
    step("Fitting on every row")
    stage = _fit_stage(given, seed, settings)
    booster = stage.trees(max(rounds, 1))
    knots = tuple(
        _with(knot, calibrator, trees=knot.trees and rounds > 0)
        for knot, calibrator in zip(stage.knots, calibrators, strict=True)
    )
    return CapacityFit(
        stage.columns,
        knots,
        booster.model_to_string().encode(),
        rounds,
        said,
        {f"{lesson.horizon_h:g} h": len(lesson.label) for lesson in given},
    )


def validation_loss(given: Sequence[Lesson], *, seed: int, settings: Mapping[str, float]) -> float:
    """Mean log loss over horizons of the forecasts that walk forward; no calibration.

    Args:
        given, seed, settings: as for `fit_capacity`.
    """
    return best_rounds(given, _out_of_fold(given, seed, settings, lambda _: None))[1]


def best_rounds(given: Sequence[Lesson], staged: Sequence[FloatArray]) -> tuple[int, float]:
    """How many trees do best on time after that they learned from, and their log loss.

    Args:
        given: a lesson a horizon.
        staged: (stages, n) scores of each lesson, as trees are added.
    """
    losses = np.zeros(len(staged[0]))
    for lesson, scores in zip(given, staged, strict=True):
        kept = ~np.isnan(scores[0])
        losses += [log_loss(lesson.label[kept], sigmoid(score[kept])) for score in scores]
    best = int(np.argmin(losses))
    return best * recipe.ROUNDS_APART, float(losses[best] / len(given))


def _out_of_fold(
    given: Sequence[Lesson], seed: int, settings: Mapping[str, float], step: Step
) -> list[FloatArray]:
    """(stages, n) scores of each lesson's sampled rows, from fits on the time before them.

    A stage has `ROUNDS_APART` more trees than the one before; the first has none. NaN elsewhere.
    """
    parts = list(walk_forward(given))
    stages = range(0, recipe.ROUNDS + 1, recipe.ROUNDS_APART)
    staged = [np.full((len(stages), len(lesson.label)), np.nan) for lesson in given]
    for number, (train, test) in enumerate(parts):
        step(f"Walking forward: {number + 1} of {len(parts)}")
        learned = [x.take(m & x.sampled) for x, m in zip(given, train, strict=True)]
        stage = _fit_stage(learned, seed, settings)
        trees = stage.trees(recipe.ROUNDS)
        for place, (lesson, mask) in enumerate(zip(given, test, strict=True)):
            asked = mask & lesson.sampled
            rows = lesson.matrix[asked]
            score = stage.linear(rows, place)
            staged[place][0, asked] = score
            for i, start in enumerate(stages[:-1], 1):
                if stage.knots[place].trees:
                    score = score + _raw(trees, rows, lesson.horizon_h, start, recipe.ROUNDS_APART)
                staged[place][i, asked] = score
    return staged


def _with(knot: CapacityKnot, calibration: Calibrator, *, trees: bool) -> CapacityKnot:
    return CapacityKnot(knot.horizon_h, knot.with_others, knot.alone, trees, calibration)


def _calibrated(
    given: Sequence[Lesson], scores: Sequence[FloatArray]
) -> tuple[list[Calibrator], dict[str, Any]]:
    """A calibration a horizon: the simplest that does about as well as the best.

    Few parts of the time are few cases of a level being off, so none is the first candidate.
    """
    chosen: list[Calibrator] = []
    told = {}
    for lesson, score in zip(given, scores, strict=True):
        kept = ~np.isnan(score)
        said, label = score[kept], lesson.label[kept]
        parts = (lesson.time[kept] * recipe.PARTS).astype(np.intp).astype(str).tolist()
        losses = {NO_CALIBRATION: log_loss(label, sigmoid(said))} if len(said) else {}
        if len(set(parts)) > 1:
            losses |= choose_calibration(said, label, parts, len(set(parts))).log_loss
        enough = min(losses.values(), default=0.0) + recipe.INDIFFERENT
        kind = next((name for name in losses if losses[name] <= enough), NO_CALIBRATION)
        chosen.append(Logistic(1.0, 0.0) if kind == NO_CALIBRATION else FITS[kind](said, label))
        told[f"{lesson.horizon_h:g} h"] = {
            "kind": kind,
            "log_loss": {name: round(loss, DIGITS) for name, loss in losses.items()},
        }
    return chosen, told


@dataclass(frozen=True, slots=True)
class _Stage:
    """Logistic parts, and what trees are grown from."""

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    given: Sequence[Lesson]
    seed: int
    settings: Mapping[str, float]

    def linear(self, matrix: Matrix, place: int) -> FloatArray:
        """(n,) logistic score: with others where they are known, else alone."""
        values = on_scale(matrix, self.columns)
        knot = self.knots[place]
        alone = np.isnan(matrix[:, recipe.OF_OTHERS]).all(axis=1)
        scores = [weights[0] + values @ np.array(weights[1:]) for weights in _both(knot)]
        return np.asarray(np.where(alone, scores[1], scores[0]), dtype=np.float64)

    def trees(self, rounds: int) -> lightgbm.Booster:
        """Trees on the sampled rows of every horizon, with the others known and hidden."""
        rows, labels, starts = [], [], []
        for place, lesson in enumerate(self.given):
            if not self.knots[place].trees:
                continue
            seen = lesson.matrix[lesson.sampled]
            for matrix in (seen, _hidden(seen)):
                rows.append(with_horizon(matrix, lesson.horizon_h))
                labels.append(lesson.label[lesson.sampled])
                starts.append(self.linear(matrix, place))
        settings = {
            **REPEATABLE,
            **recipe.TREES,
            **{
                name: int(value) if recipe.SPACE[name].whole else value
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


def _fit_stage(given: Sequence[Lesson], seed: int, settings: Mapping[str, float]) -> _Stage:
    widest = max(given, key=lambda lesson: len(lesson.label))
    columns = _columns(widest.matrix)
    knots = []
    for lesson in given:
        values = on_scale(lesson.matrix, columns)
        both = [
            fit_logistic_part(
                np.where(used, values, 0.0), lesson.label, settings["ridge"], recipe.DIRECTIONS
            )
            for used in (np.ones(len(NAMES), dtype=bool), ~np.array(recipe.OF_OTHERS))
        ]
        trees = lesson.horizon_h <= recipe.TREES_UP_TO_H
        knots.append(CapacityKnot(lesson.horizon_h, both[0], both[1], trees, Logistic(1.0, 0.0)))
    return _Stage(columns, tuple(knots), given, seed, settings)


def _columns(matrix: Matrix) -> tuple[CapacityColumn, ...]:
    """How each feature enters the logistic part."""
    found = []
    for place, name in enumerate(NAMES):
        kind, offset = recipe.scale_of(name)
        known = matrix[:, place][~np.isnan(matrix[:, place])]
        scaled = scale(known, kind, offset) if len(known) else np.zeros(1)
        low, high = np.quantile(scaled, [recipe.EXTREMES, 1.0 - recipe.EXTREMES])
        spread = float(np.std(scaled))
        numbers = [
            float(low),
            float(high),
            float(np.mean(scaled)),
            spread if spread > 1e-6 else 1.0,
        ]
        low_, high_, centre, spread_ = (round(number, DIGITS) for number in numbers)
        found.append(
            CapacityColumn(kind, offset, low_, high_, centre, spread_, recipe.OF_OTHERS[place])
        )
    return tuple(found)


def _both(knot: CapacityKnot) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return knot.with_others, knot.alone


def _hidden(matrix: Matrix) -> Matrix:
    """The rows as a single trace would have them."""
    alone = matrix.copy()
    alone[:, recipe.OF_OTHERS] = np.nan
    return alone


def _raw(
    booster: lightgbm.Booster, matrix: Matrix, horizon_h: float, start: int, rounds: int
) -> FloatArray:
    said = booster.predict(
        with_horizon(matrix, horizon_h),
        raw_score=True,
        start_iteration=start,
        num_iteration=rounds,
        num_threads=1,
    )
    return np.asarray(said, dtype=np.float64)
