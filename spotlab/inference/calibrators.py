"""The three ways a raw score becomes a probability, as a card writes them.

Each keeps the order of the scores: a calibration corrects a level, it never re-ranks pools. Fitting
is training's; a served model only applies what its card says.

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

_EDGE: Final = 1e-12
"""Keeps a log-odds finite where a probability rounds to 0 or 1."""


class Logistic(msgspec.Struct, frozen=True, tag_field="kind", tag="platt"):
    """Platt: sigmoid(slope * score + intercept)."""

    slope: float
    intercept: float


class Beta(msgspec.Struct, frozen=True, tag_field="kind", tag="beta"):
    """Beta: with s = sigmoid(score), sigmoid(yes * ln s - no * ln(1 - s) + intercept).

    Platt's where yes equals no; else it bends low and high scores by different amounts.
    """

    yes: float
    no: float
    intercept: float


class Isotonic(msgspec.Struct, frozen=True, tag_field="kind", tag="isotonic"):
    """Isotonic: a rising line through knots, level outside of them.

    Args:
        scores: k >= 1 raw scores, increasing.
        shares: (k,) probabilities at those scores, never falling, within 0..1.
    """

    scores: tuple[float, ...]
    shares: tuple[float, ...]


Calibrator = Logistic | Beta | Isotonic


def sigmoid(score: FloatArray) -> FloatArray:
    """1 / (1 + exp(-score)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)), dtype=np.float64)


def logit(share: FloatArray) -> FloatArray:
    """The log-odds of a share, finite at 0 and 1."""
    clipped = np.clip(share, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)


def log_sides(score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """ln sigmoid(score) and -ln(1 - sigmoid(score)), without overflow: what Beta weighs."""
    return (
        np.asarray(-np.logaddexp(0.0, -score), dtype=np.float64),
        np.asarray(np.logaddexp(0.0, score), dtype=np.float64),
    )


def apply(calibrator: Calibrator, score: FloatArray) -> FloatArray:
    """The calibrated score, still a log-odds.

    Args:
        calibrator: of any kind.
        score: (n,) a model's own log-odds.

    >>> apply(Logistic(2.0, 1.0), np.array([0.5])).tolist()
    [2.0]
    """
    match calibrator:
        case Logistic():
            calibrated = calibrator.slope * score + calibrator.intercept
        case Beta():
            below, above = log_sides(score)
            calibrated = calibrator.yes * below + calibrator.no * above + calibrator.intercept
        case Isotonic():
            calibrated = logit(np.interp(score, calibrator.scores, calibrator.shares))
    return np.asarray(calibrated, dtype=np.float64)


def spread(
    calibrator: Calibrator, parts: FloatArray, base: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Contributions to a score as contributions to the calibrated score; they still add up.

    The whole way from the calibrated base to the calibrated score is shared out in the parts' own
    proportions: exact for Platt, whose factor is the slope.

    Args:
        calibrator: of any kind.
        parts: (n, f) contributions to the score, log-odds.
        base: (n,) score without them.
    Returns:
        (n, f) contributions to the calibrated score and the (n,) calibrated base.
    """
    if isinstance(calibrator, Logistic):
        return parts * calibrator.slope, apply(calibrator, base)
    moved, start = parts.sum(axis=1), apply(calibrator, base)
    way = apply(calibrator, base + moved) - start
    factor = np.divide(way, moved, out=np.zeros_like(way), where=moved != 0.0)
    return parts * factor[:, None], start


def problem(calibrator: Calibrator) -> str:
    """What is wrong with the numbers of a calibrator; "" when nothing is."""
    numbers = (
        (*calibrator.scores, *calibrator.shares)
        if isinstance(calibrator, Isotonic)
        else msgspec.structs.astuple(calibrator)
    )
    if not all(math.isfinite(number) for number in numbers):
        return "holds a number that is not finite"
    if isinstance(calibrator, Isotonic):
        return _knots_problem(calibrator)
    if min(numbers[:-1]) < 0.0:
        return "would turn the order of the scores around"
    return ""


def _knots_problem(calibrator: Isotonic) -> str:
    scores, shares = np.array(calibrator.scores), np.array(calibrator.shares)
    if not 1 <= len(scores) == len(shares):
        return "has not one share a score"
    if (np.diff(scores) <= 0.0).any() or (np.diff(shares) < 0.0).any():
        return "has scores that do not increase or shares that fall"
    if shares.min() < 0.0 or shares.max() > 1.0:
        return "has a share outside 0..1"
    return ""
