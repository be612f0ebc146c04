"""Test, then train: every row is forecast before any outcome that was unknown at its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.online.forecaster import OnlineForecaster, OnlineForecasts
from spotlab.inference.online.nodes import IntArray

FloatArray = NDArray[np.float64]

_EDGE_H: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows to be forecast, in any order.

    Args:
        at_h: (n,) time of each forecast, hours.
        known_h: (n,) time at which each outcome is known, at or after its forecast.
        nodes: (n, L) nodes of each row.
        experts: (n, k) probabilities of the experts, as of `at_h`.
        outcome: (n,) 0 or 1.
        share: (n,) part of a horizon from one row of the pool to the next.
        until_h: outcomes that are known by then are learnt from after the last forecast; None:
            those that become known after the last forecast are not.
    """

    at_h: FloatArray
    known_h: FloatArray
    nodes: IntArray
    experts: FloatArray
    outcome: FloatArray
    share: FloatArray
    until_h: float | None = None


def test_then_train(forecaster: OnlineForecaster, stream: Stream) -> OnlineForecasts:
    """Forecast the rows in order of time; learn from each outcome once it is known, never earlier.

    Rows of one time are forecast together. Outcomes that become known at that very time are
    learnt from first.

    Args:
        forecaster: changed by what it learns.
        stream: n rows.
    Returns:
        The forecasts, in the order of the stream's rows.
    """
    order = np.argsort(stream.at_h, kind="stable")
    by_known = np.lexsort((stream.at_h, stream.known_h))
    known_h = stream.known_h[by_known]
    times, first = np.unique(stream.at_h[order], return_index=True)
    ends = np.r_[first[1:], len(order)]
    size = len(stream.outcome)
    made = OnlineForecasts(
        stream.nodes,
        np.full((size, len(forecaster.experts)), np.nan),
        np.full(size, np.nan),
        np.full((size, forecaster.recalibrations), np.nan),
        np.full(size, np.nan),
    )
    learnt = 0

    def learn_until(time_h: float) -> None:
        nonlocal learnt
        until = int(np.searchsorted(known_h, time_h + _EDGE_H, side="right"))
        if until > learnt:
            rows = by_known[learnt:until]
            forecaster.learn(made.take(rows), stream.outcome[rows], stream.share[rows])
            learnt = until

    for time_h, start, end in zip(times, first, ends, strict=True):
        learn_until(time_h)
        rows = order[start:end]
        found = forecaster.forecast(stream.nodes[rows], stream.experts[rows])
        made.experts[rows] = found.experts
        made.aggregated[rows] = found.aggregated
        made.recalibrated[rows] = found.recalibrated
        made.probability[rows] = found.probability
    if stream.until_h is not None:
        learn_until(stream.until_h)
    return made
