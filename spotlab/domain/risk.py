"""Risk, hazard and what an interruption costs. Domain floor: pure.

A risk is P(interrupted within horizon_h). SpotLab assumes a constant hazard within a month, so a
monthly interruption rate p gives

    hazard_per_hour = -ln(1 - p) / 730.5        (730.5 h: an average month)
    risk(h)         = 1 - exp(-hazard_per_hour * h)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

HOURS_PER_MONTH: Final = 730.5
MAX_MONTHLY_RATE: Final = 0.999
"""A rate of 1 would be an infinite hazard."""

BUCKET_LABELS: Final = ("<5 %", "5-10 %", "10-15 %", "15-20 %", ">20 %")
BUCKET_RATES: Final = (0.025, 0.075, 0.125, 0.175, 0.25)
"""Monthly interruption rate that stands for each advisor bucket: the middle of its range; the last
bucket is open (">20 %"), so 0.25 is a convention of ours and is said wherever it is used."""


@dataclass(frozen=True, slots=True)
class Risk:
    """P(interrupted within horizon_h), and the hazard it comes from.

    Args:
        value: 0..1.
        horizon_h: hours.
        hazard_per_hour: expected interruptions per hour.
    """

    value: float
    horizon_h: float
    hazard_per_hour: float

    @classmethod
    def from_hazard(cls, hazard_per_hour: float, horizon_h: float) -> Risk:
        """The risk of a constant hazard over a horizon."""
        return cls(float(risk_within(hazard_per_hour, horizon_h)), horizon_h, hazard_per_hour)


def hazard_from_monthly_rate(rate: float | FloatArray) -> FloatArray:
    """Hazard per hour of a monthly interruption rate (0..1).

    >>> round(float(hazard_from_monthly_rate(0.1)) * 1e4, 3)
    1.442
    """
    clipped = np.clip(np.asarray(rate, dtype=np.float64), 0.0, MAX_MONTHLY_RATE)
    return np.asarray(-np.log1p(-clipped) / HOURS_PER_MONTH, dtype=np.float64)


def risk_within(hazard_per_hour: float | FloatArray, horizon_h: float) -> FloatArray:
    """P(interrupted within horizon_h), elementwise.

    >>> round(float(risk_within(hazard_from_monthly_rate(0.1), 730.5)), 6)
    0.1
    """
    hazard = np.asarray(hazard_per_hour, dtype=np.float64)
    return np.asarray(-np.expm1(-hazard * horizon_h), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Outage:
    """What one interruption costs.

    Args:
        work_lost_h: hours of work that must be done again.
        recovery_h: hours until the replacement does useful work.
        usd_per_hour: what an hour is worth: the on-demand price of the instance.
    """

    work_lost_h: float
    recovery_h: float
    usd_per_hour: float

    @property
    def usd(self) -> float:
        """USD per interruption."""
        return (self.work_lost_h + self.recovery_h) * self.usd_per_hour


def expected_cost(
    price: float | FloatArray, hazard_per_hour: float | FloatArray, outage: Outage
) -> FloatArray:
    """Cost of an hour on a pool, counting what an interruption costs.

    Args:
        price: spot price, USD per hour.
        hazard_per_hour: expected interruptions per hour.
        outage: work lost and time to recover, valued at the on-demand price.
    Returns:
        USD per hour; equals price when the hazard is 0.
    """
    return np.asarray(price + np.asarray(hazard_per_hour) * outage.usd, dtype=np.float64)
