"""Platt, beta and isotonic calibration, as stored in model cards.

Each preserves the order of the scores: a calibration corrects the level and never re-ranks pools.
Calibrators are fitted in `training`; here they are only applied.

Sources: Platt, Probabilistic outputs for support vector machines (1999); Kull, Silva Filho and
Flach, Beta calibration (AISTATS 2017); Zadrozny and Elkan, Transforming classifier scores into
accurate multiclass probability estimates (KDD 2002).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_EPSILON: Final = 1e-12
"""Keeps a log-odds finite where a probability rounds to 0 or 1."""


class Logistic(msgspec.Struct, frozen=True, tag_field="kind", tag="platt"):
    """Platt: sigmoid(slope * score + intercept)."""

    slope: float
    intercept: float


class Beta(msgspec.Struct, frozen=True, tag_field="kind", tag="beta"):
    """Beta: with s = sigmoid(score), sigmoid(yes * ln s - no * ln(1 - s) + intercept).

    Equals Platt's if yes equals no; otherwise it scales low and high scores differently.
    """

    yes: float
    no: float
    intercept: float


class Isotonic(msgspec.Struct, frozen=True, tag_field="kind", tag="isotonic"):
    """Isotonic: piecewise linear and non-decreasing through knots, constant outside them.

    Args:
        scores: k >= 1 raw scores, increasing.
        shares: (k,) probabilities at those scores, non-decreasing, within 0..1.
    """

    scores: tuple[float, ...]
    shares: tuple[float, ...]


Calibrator = Logistic | Beta | Isotonic


def sigmoid(score: FloatArray) -> FloatArray:
    """1 / (1 + exp(-score)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)), dtype=np.float64)


def logit(share: FloatArray) -> FloatArray:
    """The log-odds of a share, finite at 0 and 1."""
    clipped = np.clip(share, _EPSILON, 1.0 - _EPSILON)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)


def beta_terms(score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """ln sigmoid(score) and -ln(1 - sigmoid(score)), without overflow: the terms of `Beta`."""
    return (
        np.asarray(-np.logaddexp(0.0, -score), dtype=np.float64),
        np.asarray(np.logaddexp(0.0, score), dtype=np.float64),
    )


def apply(calibrator: Calibrator, score: FloatArray) -> FloatArray:
    """(n,) calibrated scores, in log-odds.

    Args:
        calibrator: any of the three.
        score: (n,) raw scores of a model, in log-odds.

    >>> apply(Logistic(2.0, 1.0), np.array([0.5])).tolist()
    [2.0]
    """
    match calibrator:
        case Logistic():
            calibrated = calibrator.slope * score + calibrator.intercept
        case Beta():
            below, above = beta_terms(score)
            calibrated = calibrator.yes * below + calibrator.no * above + calibrator.intercept
        case Isotonic():
            calibrated = logit(np.interp(score, calibrator.scores, calibrator.shares))
    return np.asarray(calibrated, dtype=np.float64)


def spread_contributions(
    calibrator: Calibrator, parts: FloatArray, base: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Contributions to the calibrated score, from contributions to the raw score.

    The difference between the calibrated base and the calibrated score is distributed in
    proportion to the raw contributions. For Platt this is exact: the factor is the slope.

    Args:
        calibrator: any of the three.
        parts: (n, f) contributions to the score, in log-odds.
        base: (n,) score without them.
    Returns:
        (n, f) contributions and (n,) calibrated base, which add up to the calibrated score.
    """
    if isinstance(calibrator, Logistic):
        return parts * calibrator.slope, apply(calibrator, base)
    total, calibrated_base = parts.sum(axis=1), apply(calibrator, base)
    difference = apply(calibrator, base + total) - calibrated_base
    factor = np.divide(difference, total, out=np.zeros_like(total), where=total != 0.0)
    return parts * factor[:, None], calibrated_base


def calibrator_problem(calibrator: Calibrator) -> str:
    """The problem with a calibrator's numbers, or "" if they are valid."""
    numbers = (
        (*calibrator.scores, *calibrator.shares)
        if isinstance(calibrator, Isotonic)
        else msgspec.structs.astuple(calibrator)
    )
    if not all(math.isfinite(number) for number in numbers):
        return "contains a number that is not finite"
    if isinstance(calibrator, Isotonic):
        return _knots_problem(calibrator)
    if min(numbers[:-1]) < 0.0:
        return "would reverse the order of the scores"
    return ""


def _knots_problem(calibrator: Isotonic) -> str:
    scores, shares = np.array(calibrator.scores), np.array(calibrator.shares)
    if not 1 <= len(scores) == len(shares):
        return "does not have one share per score"
    if (np.diff(scores) <= 0.0).any() or (np.diff(shares) < 0.0).any():
        return "has scores that do not increase, or shares that decrease"
    if shares.min() < 0.0 or shares.max() > 1.0:
        return "has a share outside 0..1"
    return ""
