"""Reproducible random numbers, keyed by seed, stream and day.

A draw does not depend on earlier draws, so all processes get the same numbers in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DAY_S: Final = 86_400

_DAY_OFFSET: Final = 1 << 31
"""Keeps the key of a day before 1970 positive."""


class Stream(IntEnum):
    """Purpose of a draw; streams are independent of each other."""

    STATIC = 1
    ADVISOR = 2
    PRICE = 3
    CHANGE = 4
    STRESS = 5
    FLEET = 6


def draws(seed: int, stream: Stream, day: int = 0) -> np.random.Generator:
    """The generator of one seed, stream and day (days since 1970)."""
    return np.random.Generator(
        np.random.Philox(key=np.array([seed, (stream << 33) + day + _DAY_OFFSET], np.uint64))
    )


def kernel(decay_d: float, *, smooth: bool, days: int) -> FloatArray:
    """Weights of the last `days` days that turn white noise into a process of variance 1.

    Args:
        decay_d: days after which a shock has decayed to 1/e.
        smooth: False: an Ornstein-Uhlenbeck process on days, correlation e^(-t/decay). True: that
            process after a trailing average of the same length (Matérn 3/2), correlation
            (1 + t/decay) e^(-t/decay), which changes slowly, like a trailing-month figure.
        days: number of weights, today's first.
    """
    lag = np.arange(days, dtype=np.float64)
    weights = np.exp(-lag / decay_d) * ((lag + 1.0) if smooth else 1.0)
    return np.asarray(weights / np.sqrt(np.add.reduce(weights**2)), dtype=np.float64)


def weighted_past(
    weights: FloatArray, day: int, value_of: Callable[[int], FloatArray]
) -> FloatArray:
    """The weighted sum of a day's and earlier days' rows, in a fixed order.

    It is a loop instead of a matrix product, whose order of summation, and so its last bit, depends
    on its shape.
    """
    total = weights[0] * value_of(day)
    for lag, weight in enumerate(weights[1:], start=1):
        total = total + weight * value_of(day - lag)
    return np.asarray(total, dtype=np.float64)
