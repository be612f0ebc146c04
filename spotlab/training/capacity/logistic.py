"""Logistic regression with a ridge penalty and sign constraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.inference.calibrators import sigmoid

FloatArray = NDArray[np.float64]

DIGITS: Final = 6
_MAX_ITERATIONS: Final = 50
_TOLERANCE: Final = 1e-8


def fit_logistic_part(
    values: Matrix, label: FloatArray, ridge: float, directions: Sequence[int]
) -> tuple[float, ...]:
    """Intercept and one weight per feature, by penalised maximum likelihood.

    All weights whose sign contradicts their direction are set to 0 and the rest is fitted again,
    until there are none.

    Args:
        values: (n, f) standardised features, 0 if unknown.
        label: (n,) 0 or 1.
        ridge: penalty on squared weights, per row; the intercept is not penalised.
        directions: f values of -1 (weight at most 0), 0 (any) or 1 (at least 0).
    """
    columns = np.column_stack([np.ones(len(values)), values])
    signs = np.array([0, *directions])
    free = np.concatenate([[True], np.abs(values).max(axis=0) > 0.0])
    weights = np.zeros(columns.shape[1])
    while True:
        weights = _newton(columns, label, ridge * len(label), free, weights)
        wrong_sign = free & (weights * signs < 0.0)
        if not wrong_sign.any():
            return tuple(round(float(weight), DIGITS) for weight in weights)
        free &= ~wrong_sign
        weights[wrong_sign] = 0.0


def _newton(
    columns: Matrix, label: FloatArray, ridge: float, free: NDArray[np.bool_], start: FloatArray
) -> FloatArray:
    used = columns[:, free]
    penalty = np.full(used.shape[1], ridge)
    penalty[0] = 1e-9
    weights = start[free]
    for _ in range(_MAX_ITERATIONS):
        probability = sigmoid(used @ weights)
        gradient = used.T @ (probability - label) + penalty * weights
        curvature = (used * (probability * (1.0 - probability))[:, None]).T @ used + np.diag(
            penalty
        )
        step = np.linalg.solve(curvature, gradient)
        weights = weights - np.clip(step, -5.0, 5.0)
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    all_weights = np.zeros(columns.shape[1])
    all_weights[free] = weights
    return all_weights
