"""Quantiles of the Gamma distribution, for one shape at a time.

SciPy's `gammaincinv` is the same function: importing it takes a quarter of a second and 20 MB of
every process that shows a risk, more than all else that such a process imports for it.
"""

from __future__ import annotations

import math
from typing import Final

_PRECISION: Final = 1e-14
_STEPS: Final = 200


def gamma_quantile(shape: float, probability: float) -> float:
    """The value below which a Gamma distribution with rate 1 has this probability.

    Args:
        shape: above 0.
        probability: above 0, below 1.
    Returns:
        The value, to nine digits or better up to a shape of 100,000; 0 where no float is as small.

    >>> round(gamma_quantile(1.0, 0.95), 6)  # exponential: -ln(0.05)
    2.995732
    """
    assert shape > 0.0, shape
    assert 0.0 < probability < 1.0, probability
    low, high = -math.inf, math.inf
    log_value = _first_log(shape, probability)
    for _ in range(_STEPS):
        if log_value < -700.0:
            return 0.0
        value = math.exp(log_value)
        difference = gamma_probability(shape, value) - probability
        low, high = (log_value, high) if difference < 0.0 else (low, log_value)
        slope = math.exp(shape * log_value - value - math.lgamma(shape))
        step = -difference / slope if slope > 0.0 else math.copysign(1.0, -difference)
        if abs(step) <= _PRECISION * max(1.0, abs(log_value)):
            return math.exp(log_value + step)
        following = log_value + max(-1.0, min(1.0, step))
        if not low < following < high:  # never outside of what is known to hold the value
            following = (low + high) / 2
        log_value = following
    return math.exp(log_value)


def _first_log(shape: float, probability: float) -> float:
    """Logarithm of a first guess: the first term of the series, which small values follow."""
    small = (math.log(probability) + math.lgamma(shape + 1.0)) / shape
    return min(small, math.log(shape + 1.0))


def gamma_probability(shape: float, value: float) -> float:
    """Probability that a Gamma distribution with rate 1 is at most a value.

    The series of the lower incomplete gamma function, or the continued fraction of the upper one
    (modified Lentz), whichever converges quickly; see Press et al., Numerical Recipes, 6.2.

    Args:
        shape: above 0.
        value: 0 or more.
    """
    if value <= 0.0:
        return 0.0
    scale = math.exp(shape * math.log(value) - value - math.lgamma(shape))
    if value < shape + 1.0:
        term = total = 1.0 / shape
        divisor = shape
        while term > total * 1e-17:
            divisor += 1.0
            term *= value / divisor
            total += term
        return scale * total
    offset = value + 1.0 - shape
    numerator, denominator = 1e300, 1.0 / offset
    fraction = denominator
    for step in range(1, 100_000):
        factor = -step * (step - shape)
        offset += 2.0
        denominator = 1.0 / (factor * denominator + offset)
        numerator = offset + factor / numerator
        fraction *= numerator * denominator
        if abs(numerator * denominator - 1.0) < 1e-16:
            break
    return 1.0 - scale * fraction
