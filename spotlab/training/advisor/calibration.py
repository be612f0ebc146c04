"""Fitting calibrations, and choosing between them by validation.

A model's scores must be out-of-fold, or their calibration would be overconfident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.calibrators import (
    Beta,
    Calibrator,
    Isotonic,
    Logistic,
    apply,
    beta_terms,
    sigmoid,
)
from spotlab.training.advisor.splits import group_folds
from spotlab.training.scores import log_loss

FloatArray = NDArray[np.float64]

DIGITS: Final = 6
"""Digits of every number in a card; more would exceed the precision of the data."""
_MAX_ITERATIONS: Final = 50
_TOLERANCE: Final = 1e-10
_MAX_SHIFT: Final = 64.0
_BISECTIONS: Final = 60


@dataclass(frozen=True, slots=True)
class ChosenCalibration:
    """The chosen calibration and its validation.

    Args:
        kind: "platt", "beta" or "isotonic".
        calibrator: of that kind, fitted on every row.
        log_loss: of each kind on groups it was not fitted on, nats.
        forecast: (n,) probabilities, each from a calibration of that kind that was fitted without
            the row's group.
    """

    kind: str
    calibrator: Calibrator
    log_loss: Mapping[str, float]
    forecast: FloatArray


def fit_logistic(score: FloatArray, target: FloatArray) -> Logistic:
    """Best-fitting slope and intercept of sigmoid(slope * score + intercept).

    The target may be a share: the log loss remains a proper score.

    Args:
        score: (n,) log-odds.
        target: (n,) 0..1.
    """
    slope, intercept = _newton(np.column_stack([score, np.ones_like(score)]), target)
    if slope < 0.0:
        slope, intercept = 0.0, _smoothed_log_odds(target)
    return Logistic(round(slope, DIGITS), round(intercept, DIGITS))


def level_shift(log_odds: FloatArray, share: float) -> float:
    """The constant to add to all log-odds so that the mean probability equals a share.

    Found by bisection, since the mean of log-odds is not the log-odds of the mean.

    Args:
        log_odds: (n,) calibrated.
        share: above 0 and below 1.

    >>> level_shift(np.array([-1.0, 1.0]), 0.5)
    0.0
    """
    low, high = -_MAX_SHIFT, _MAX_SHIFT
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (
            (middle, high) if float(sigmoid(log_odds + middle).mean()) < share else (low, middle)
        )
    return round((low + high) / 2.0, DIGITS)


def fit_beta(score: FloatArray, target: FloatArray) -> Beta:
    """The best-fitting beta calibration with non-negative weights.

    Arguments as in `fit_logistic`. A weight that would be negative is set to 0 and the other one is
    fitted again, as the method's authors do: a calibration must not reverse the order of scores.
    """
    below, above = beta_terms(score)
    ones = np.ones_like(score)
    below_weight, above_weight, intercept = _newton(np.column_stack([below, above, ones]), target)
    if below_weight < 0.0:
        below_weight, (above_weight, intercept) = (
            0.0,
            _newton(np.column_stack([above, ones]), target),
        )
    elif above_weight < 0.0:
        above_weight, (below_weight, intercept) = (
            0.0,
            _newton(np.column_stack([below, ones]), target),
        )
    if min(below_weight, above_weight) < 0.0:
        below_weight, above_weight, intercept = 0.0, 0.0, _smoothed_log_odds(target)
    return Beta(round(below_weight, DIGITS), round(above_weight, DIGITS), round(intercept, DIGITS))


def fit_isotonic(score: FloatArray, target: FloatArray) -> Isotonic:
    """The best-fitting non-decreasing line, with a knot at the mean score of each level.

    Arguments as in `fit_logistic`. The first and last share stay half a row away from 0 and 1, so
    that no forecast is certain.
    """
    order = np.argsort(score, kind="stable")
    shares, counts, middles = _isotonic_levels(score[order], target[order])
    low = max(shares[0], 0.5 / (counts[0] + 1.0))
    high = min(shares[-1], 1.0 - 0.5 / (counts[-1] + 1.0))
    safe = np.round(np.clip(shares, min(low, high), max(low, high)), DIGITS)
    places, first = np.unique(np.round(middles, DIGITS), return_index=True)
    return Isotonic(tuple(places.tolist()), tuple(safe[first].tolist()))


FITS: Final[Mapping[str, Callable[[FloatArray, FloatArray], Calibrator]]] = {
    "platt": fit_logistic,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}
"""Simplest first: at equal log loss the simpler kind is chosen."""


def choose_calibration(
    score: FloatArray, target: FloatArray, groups: Sequence[str], folds: int = 5
) -> ChosenCalibration:
    """The kind with the lowest log loss on groups it was not fitted on, fitted on every row.

    Args:
        score: (n,) out-of-fold log-odds.
        target: (n,) 0..1; outcomes, or shares.
        groups: (n,) group of each row, such as its family or day; folds do not divide groups.
        folds: at least 2.
    Raises:
        InvalidInput: fewer groups than folds.
    """
    forecasts = {
        kind: cross_calibrated(score, target, groups, fit, folds) for kind, fit in FITS.items()
    }
    losses = {kind: log_loss(target, forecast) for kind, forecast in forecasts.items()}
    kind = min(losses, key=lambda name: losses[name])
    return ChosenCalibration(kind, FITS[kind](score, target), losses, forecasts[kind])


def cross_calibrated(
    score: FloatArray,
    target: FloatArray,
    groups: Sequence[str],
    fit: Callable[[FloatArray, FloatArray], Calibrator],
    folds: int = 5,
) -> FloatArray:
    """(n,) calibrated probabilities, each fold's calibration fitted on the other folds."""
    probability = np.full(len(score), np.nan)
    for train, test in group_folds(groups, folds):
        probability[test] = sigmoid(apply(fit(score[train], target[train]), score[test]))
    return probability


def _newton(columns: FloatArray, target: FloatArray) -> list[float]:
    """The f weights of a logistic regression on (n, f) columns, by Newton's method."""
    weights = np.zeros(columns.shape[1])
    for _ in range(_MAX_ITERATIONS):
        probability = sigmoid(columns @ weights)
        gradient = columns.T @ (probability - target)
        curvature = (columns * (probability * (1.0 - probability))[:, None]).T @ columns
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        weights = weights - step
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    return [float(weight) for weight in weights]


def _smoothed_log_odds(target: FloatArray) -> float:
    """Log-odds of the mean, half a row away from 0 and 1."""
    share = (float(target.sum()) + 0.5) / (len(target) + 1.0)
    return float(np.log(share / (1.0 - share)))


def _isotonic_levels(
    score: FloatArray, target: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean target, rows and mean score of each level, by pooling adjacent violators.

    Args:
        score: (n,) sorted.
        target: (n,) in the same order.
    """
    levels: list[tuple[float, float, float]] = []  # sum of targets, rows, sum of scores
    starts = np.flatnonzero(np.diff(score, prepend=-np.inf))
    counts = np.diff(np.append(starts, len(score)))
    sums = np.add.reduceat(target, starts)
    for total, count, value in zip(sums, counts, score[starts], strict=True):
        level = (float(total), float(count), float(value * count))
        while levels and levels[-1][0] * level[1] >= level[0] * levels[-1][1]:
            previous = levels.pop()
            level = (previous[0] + level[0], previous[1] + level[1], previous[2] + level[2])
        levels.append(level)
    target_sums, rows, score_sums = np.array(levels).T
    return target_sums / rows, rows, score_sums / rows
