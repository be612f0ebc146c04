"""Aggregation of experts: exponential weights of sleeping experts, with a bound on the regret.

An expert at a node (a task, a region, a family or a pool) is a specialist: it is awake on the
node's rows only. The forecast is the mean of the awake specialists, each weighted by

    w = prior * exp(sum over its known rows of rate * (loss of the forecast - loss of the expert))

with the squared error as loss. A node without rows weighs its prior, so that a pool follows its
family, region and task until its own rows say otherwise.

The squared error is 1/2-exp-concave on [0, 1] and 2-mixable. Rows whose horizons overlap share
their outcome: `share` is the part of a horizon that passes from one row of a pool to the next, and
a row counts with rate = min(RATE * share, MAX_ROW_RATE). If every outcome were known before the
next forecast, then for each node and expert at once

    sum over the node's rows of rate * (loss of the forecast - loss of the expert) <= ln(1 / prior)

Outcomes that are still unknown add to this; see ADR 41.

Sources: Freund, Schapire, Singer and Warmuth, Using and combining predictors that specialize (STOC
1997); Vovk, A game of prediction with expert advice (1998); Joulani, György and Szepesvári,
Online learning under delayed feedback (ICML 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.inference.online.nodes import ASLEEP, IntArray

FloatArray = NDArray[np.float64]

RATE: Final = 2.0
"""Learning rate for the rows of one horizon together: the largest with a constant bound."""
MAX_ROW_RATE: Final = 0.5
"""Of one row: above it the weighted mean is no longer covered by the bound."""

_MANY_ROWS: Final = 1000
"""From here on, counting column by column is faster than adding runs of rows."""


class Aggregation:
    """Weights of K experts at m nodes.

    Args:
        nodes: m.
        prior: (K,) weight of each expert before any row.
        level_prior: (L,) weight of each column of the rows' nodes before any row.
    """

    def __init__(self, nodes: int, prior: Sequence[float], level_prior: Sequence[float]) -> None:
        if min(*prior, *level_prior) <= 0.0:
            raise InvalidInput("A prior weight is not above 0.", remedy="Use weights above 0.")
        self._log_prior = np.log(np.asarray(prior) / np.sum(prior))
        self._log_level = np.log(np.asarray(level_prior) / np.sum(level_prior))
        self.regret: FloatArray = np.zeros((nodes, len(prior)))
        """(m, K) sum of rate * (loss of the forecast - loss of the expert) over known rows."""
        self.losses: FloatArray = np.zeros((nodes, len(prior) + 1))
        """(m, K + 1) sum of share * squared error: each expert, then the forecast."""
        self.shares: FloatArray = np.zeros((nodes, len(prior) + 1))
        """(m, K + 1) sum of share over the rows that each expert and the forecast had."""

    def weights(self, nodes: IntArray) -> FloatArray:
        """(n, K) weights of the experts for rows, which add up to 1.

        Args:
            nodes: (n, L) nodes of each row, or ASLEEP.
        """
        awake = nodes != ASLEEP
        regret = self.regret[np.where(awake, nodes, 0)]
        log_weight = regret + np.where(awake, self._log_level, -np.inf)[:, :, None]
        log_weight -= log_weight.max(axis=(1, 2), keepdims=True)
        weight = np.exp(log_weight, out=log_weight).sum(axis=1) * np.exp(self._log_prior)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def forecast(self, nodes: IntArray, experts: FloatArray) -> FloatArray:
        """(n,) weighted mean of the experts that have a forecast; NaN where none has.

        Args:
            nodes: (n, L) nodes of each row.
            experts: (n, K) probabilities; NaN: the expert sleeps.
        """
        has_forecast = ~np.isnan(experts)
        weight = np.where(has_forecast, self.weights(nodes), 0.0)
        total = weight.sum(axis=1)
        mean = np.where(has_forecast, weight * experts, 0.0).sum(axis=1)
        return np.asarray(
            np.divide(mean, total, out=np.full(len(nodes), np.nan), where=total > 0.0)
        )

    def learn(
        self,
        nodes: IntArray,
        experts: FloatArray,
        forecast: FloatArray,
        outcome: FloatArray,
        share: FloatArray,
    ) -> None:
        """Take in outcomes of rows, with the forecasts that were made at the time.

        Args:
            nodes, experts: as given to `forecast`.
            forecast: (n,) as returned by it.
            outcome: (n,) 0 or 1.
            share: (n,) part of a horizon from one row of the pool to the next, above 0 and up to 1.
        """
        loss = (np.column_stack([experts, forecast]) - outcome[:, None]) ** 2
        known = ~np.isnan(loss)
        loss = np.where(known, loss, 0.0)
        rate = np.minimum(RATE * share, MAX_ROW_RATE)[:, None]
        regret = np.where(known[:, :-1], rate * (loss[:, -1:] - loss[:, :-1]), 0.0)
        shares = np.where(known, share[:, None], 0.0)
        stacked = np.concatenate([regret, shares * loss, shares], axis=1)
        experts_end, losses_end = regret.shape[1], regret.shape[1] + loss.shape[1]
        for column in range(nodes.shape[1]):
            node, total = sums_by_node(nodes[:, column], stacked)
            self.regret[node] += total[:, :experts_end]
            self.losses[node] += total[:, experts_end:losses_end]
            self.shares[node] += total[:, losses_end:]

    def running_losses(self, node: int) -> FloatArray:
        """(K + 1,) mean squared error at a node: of each expert, then of the forecast."""
        shares = self.shares[node]
        known = shares > 0.0
        return np.where(known, self.losses[node] / np.where(known, shares, 1.0), np.nan)


def sums_by_node(node: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """The different nodes of rows, and the (u, k) sums of the rows' (n, k) values at each."""
    if len(node) and node[0] != ASLEEP and (node == node[0]).all():
        return node[:1], values.sum(axis=0, keepdims=True)
    order = np.argsort(node, kind="stable")
    ordered = node[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]
    start = np.flatnonzero(first)
    awake = ordered[start] != ASLEEP
    if len(start) == len(order):
        total = values[order]
    elif len(order) < _MANY_ROWS:
        total = np.add.reduceat(values[order], start, axis=0)
    else:
        number = np.empty(len(order), dtype=np.intp)
        number[order] = np.cumsum(first) - 1
        columns = np.ascontiguousarray(values.T)
        total = np.stack([np.bincount(number, each, len(start)) for each in columns], axis=1)
    return ordered[start][awake], np.asarray(total[awake])
