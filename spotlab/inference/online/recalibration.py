"""Logistic regression that learns online: Platt's recalibration of one expert, or of several.

    forecast = sigmoid(x . w)

with one w at each node, and x the experts' log-odds with a constant. A Gaussian prior says that the
forecast needs no change; each batch of rows is one Newton step (an extended Kalman filter in its
information form), so that the order of rows within a batch does not matter. What was learnt is
forgotten at a steady rate, towards the prior.

Sources: Platt, Probabilistic outputs for support vector machines (1999); Fahrmeir, Posterior mode
estimation by extended Kalman filtering for multivariate dynamic generalized linear models (JASA
1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.calibrators import sigmoid
from spotlab.inference.online.aggregation import sums_by_node
from spotlab.inference.online.nodes import ASLEEP, IntArray

FloatArray = NDArray[np.float64]

_EDGE: Final = 1e-3
"""Forecasts nearer to 0 or 1 are read as this: their log-odds would outweigh all others."""
_MIN_VARIANCE: Final = 1e-3
"""Of an outcome, so that a step stays finite where a forecast is near 0 or 1."""


class OnlineLogistic:
    """Weights of d inputs at m nodes.

    Args:
        nodes: m.
        mean: (d,) weights before any row.
        precision: (d,) certainty of each, as the inverse of its variance.
        forgetting: share of what was learnt that is forgotten within one horizon, 0..1.
    """

    def __init__(
        self, nodes: int, mean: Sequence[float], precision: Sequence[float], forgetting: float
    ) -> None:
        self._prior = np.diag(np.asarray(precision, dtype=np.float64))
        self._forgetting = forgetting
        self.mean: FloatArray = np.tile(np.asarray(mean, dtype=np.float64), (nodes, 1))
        self.precision: FloatArray = np.tile(self._prior, (nodes, 1, 1))

    def forecast(self, node: IntArray, inputs: FloatArray) -> FloatArray:
        """(n,) probabilities; NaN where an input is NaN or the node is ASLEEP.

        Args:
            node: (n,) node of each row.
            inputs: (n, d) with the constant.
        """
        score = np.einsum("nd,nd->n", self.mean[node], inputs)
        return np.where(node == ASLEEP, np.nan, sigmoid(score))

    def learn(
        self, node: IntArray, inputs: FloatArray, outcome: FloatArray, share: FloatArray
    ) -> None:
        """Take in outcomes of rows.

        Args:
            node, inputs: as given to `forecast`.
            outcome: (n,) 0 or 1.
            share: (n,) part of a horizon from one row of the pool to the next.
        """
        forecast = self.forecast(node, inputs)
        known = ~np.isnan(forecast)
        node, inputs, forecast = node[known], inputs[known], forecast[known]
        if not len(node):
            return
        share, outcome = share[known], outcome[known]
        size = inputs.shape[1]
        variance = np.maximum(forecast * (1.0 - forecast), _MIN_VARIANCE) * share
        squares = inputs[:, :, None] * (inputs * variance[:, None])[:, None, :]
        gradient = inputs * (share * (outcome - forecast))[:, None]
        touched, total = sums_by_node(
            node, np.concatenate([squares.reshape(len(node), -1), gradient, share[:, None]], axis=1)
        )
        kept = (1.0 - self._forgetting) ** total[:, -1]
        old = self._prior + (self.precision[touched] - self._prior) * kept[:, None, None]
        new = old + total[:, : size * size].reshape(-1, size, size)
        self.precision[touched] = new
        self.mean[touched] += _solved(new, total[:, size * size : -1])


def _solved(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """(u, d) solutions of u symmetric systems; two inputs need no general solver."""
    if right.shape[1] != 2:
        return np.asarray(np.linalg.solve(matrix, right[:, :, None])[:, :, 0])
    first, both, second = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    scale = 1.0 / (first * second - both * both)
    return np.column_stack(
        [
            (second * right[:, 0] - both * right[:, 1]) * scale,
            (first * right[:, 1] - both * right[:, 0]) * scale,
        ]
    )


def log_odds(probability: FloatArray) -> FloatArray:
    """Log-odds of forecasts, finite at 0 and 1; NaN stays NaN."""
    clipped = np.clip(probability, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
