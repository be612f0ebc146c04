"""Risk, hazard, evidence from own instances, and the cost of an interruption.

A risk is P(interrupted within horizon_h). SpotLab assumes a constant hazard within a month, so for
a monthly interruption rate p

    hazard_per_hour = -ln(1 - p) / 730.5        (730.5 h: an average month)
    risk(h)         = 1 - exp(-hazard_per_hour * h)

Own instances update the hazard (Gamma-Poisson): see `Evidence` and
docs/adr/0013-outcomes-and-drift.md.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.gamma_quantile import gamma_quantile
from spotlab.domain.hazard_curve import (
    CapacityForecast,
    ShortCause,
    ShortPart,
    ShortSignal,
    multiple,
    parts_of,
)
from spotlab.domain.policy import PolicyParams

FloatArray = NDArray[np.float64]

HOURS_PER_MONTH: Final = 730.5
MAX_MONTHLY_RATE: Final = 0.999
"""A rate of 1 would be an infinite hazard."""

BUCKET_LABELS: Final = ("<5 %", "5-10 %", "10-15 %", "15-20 %", ">20 %")
BUCKET_RATES: Final = (0.025, 0.075, 0.125, 0.175, 0.25)
"""Monthly interruption rate of each advisor bucket: the middle of its range. The last bucket has no
upper limit (">20 %"), so 0.25 is our convention, which is stated wherever it is used."""

PRIOR_EXPOSURE_H: Final = 10_000.0
"""Exposure that has the same weight as the model's hazard. A Gamma prior with mean m and variance v
is worth m / v hours; over the pools of one advisor snapshot that is 10,400 (2021), 10,000 (2024)
and 10,600 (2025)."""
SIBLING_WEIGHT: Final = 0.5
"""Weight of an hour or an interruption in another zone of the same region and type."""


@dataclass(frozen=True, slots=True)
class Risk:
    """P(interrupted within horizon_h), and the hazard behind it.

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
        """The risk within a horizon, with a constant hazard."""
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


def risk_at(risk: float, horizon_h: float, other_horizon_h: float) -> float:
    """The same hazard's risk over another horizon.

    >>> round(risk_at(0.19, 48.0, 24.0), 6)
    0.1
    """
    return float(1.0 - (1.0 - risk) ** (other_horizon_h / horizon_h))


def learned_hazard(
    prior_hazard_per_hour: float | FloatArray,
    events: float | FloatArray,
    exposure_h: float | FloatArray,
    prior_exposure_h: float = PRIOR_EXPOSURE_H,
) -> FloatArray:
    """Posterior mean of a hazard, elementwise: (events + h0 T0) / (exposure + T0).

    Args:
        prior_hazard_per_hour: h0, the model's; NaN stays NaN.
        events: observed interruptions.
        exposure_h: observed instance hours.
        prior_exposure_h: T0; the prior is Gamma(h0 T0, T0).
    Returns:
        Hazard per hour; exactly the prior if there is no exposure and no event.

    >>> round(float(learned_hazard(1.25e-4, 2.0, 310.0)) * 1e4, 3)
    3.152
    """
    prior = np.asarray(prior_hazard_per_hour, dtype=np.float64)
    counts, hours = np.asarray(events, np.float64), np.asarray(exposure_h, np.float64)
    posterior = (counts + prior * prior_exposure_h) / (hours + prior_exposure_h)
    return np.asarray(np.where((counts > 0) | (hours > 0), posterior, prior), dtype=np.float64)


REBALANCE_FACTOR: Final = 4.0
"""The hazard of a pool is multiplied by this at the time of a rebalance recommendation."""
REBALANCE_WINDOW_H: Final = 6.0
"""Hours after which a recommendation has no effect any more."""


def rebalance_factor(age_h: float | None) -> float:
    """What a pool's newest rebalance recommendation multiplies its hazard by.

    It falls linearly from REBALANCE_FACTOR to 1 within REBALANCE_WINDOW_H. Several recommendations
    count as the newest one, so that the factor is bounded: see docs/adr/0035-events.md.

    Args:
        age_h: since the newest recommendation, hours; None: there is none.

    >>> rebalance_factor(0.0), rebalance_factor(3.0), rebalance_factor(6.0), rebalance_factor(None)
    (4.0, 2.5, 1.0, 1.0)
    """
    if age_h is None or age_h >= REBALANCE_WINDOW_H:
        return 1.0
    return REBALANCE_FACTOR - (REBALANCE_FACTOR - 1.0) * max(0.0, age_h) / REBALANCE_WINDOW_H


@dataclass(frozen=True, slots=True)
class Evidence:
    """Own interruptions and exposure on one pool, and the hazard that follows from them.

    Args:
        prior_hazard_per_hour: the model's.
        events: own interruptions on this pool.
        exposure_h: exposure on this pool, hours.
        sibling_events, sibling_exposure_h: the same in the other zones of its region.
        prior_exposure_h: exposure that has the weight of the model's hazard, hours.
        sibling_weight: weight of the other zones (power prior, Ibrahim & Chen 2000).
        rebalance_age_h: since the newest rebalance recommendation on this pool, hours; None: none.
            Only in decisions that were recorded before signals were; newer ones have a signal.
        signals: what raises the hazard for a while, at most one of each cause.
        parts: the same under the policy that decides.
        forecast: of the pool's capacity; None: it has no history of launches or probes.
        forecast_share: share of it that counts now, under the policy that decides.
    """

    prior_hazard_per_hour: float
    events: int
    exposure_h: float
    sibling_events: int = 0
    sibling_exposure_h: float = 0.0
    prior_exposure_h: float = PRIOR_EXPOSURE_H
    sibling_weight: float = SIBLING_WEIGHT
    rebalance_age_h: float | None = None
    signals: tuple[ShortSignal, ...] = ()
    parts: tuple[ShortPart, ...] = ()
    forecast: CapacityForecast | None = None
    forecast_share: float = 0.0

    @property
    def counted_events(self) -> float:
        """Interruptions, with those of the other zones by their weight."""
        return self.events + self.sibling_weight * self.sibling_events

    @property
    def counted_exposure_h(self) -> float:
        """Exposure in hours, with that of the other zones by its weight."""
        return self.exposure_h + self.sibling_weight * self.sibling_exposure_h

    @property
    def rebalance_factor(self) -> float:
        """What the newest rebalance recommendation multiplies the hazard by; 1: nothing."""
        return rebalance_factor(self.rebalance_age_h)

    @property
    def hazard_per_hour(self) -> float:
        """The long-run hazard: posterior mean, times the factor of a recorded recommendation."""
        learned = learned_hazard(
            self.prior_hazard_per_hour,
            self.counted_events,
            self.counted_exposure_h,
            self.prior_exposure_h,
        )
        return float(learned) * self.rebalance_factor

    def under(self, policy: PolicyParams, as_of: datetime) -> Evidence:
        """The same evidence with the short parts that a policy gives its signals."""
        if not self.may_move:
            return self
        share = 0.0
        if self.forecast is not None:
            age_h = max(0.0, (as_of - self.forecast.at) / timedelta(hours=1))
            left = max(0.0, 1.0 - age_h / (2.0 * policy.capacity_half_life_h))
            share = policy.capacity_forecast_share * left
        parts = parts_of(self.signals, as_of, policy, self.hazard_per_hour)
        return replace(self, parts=parts, forecast_share=share)

    @property
    def may_move(self) -> bool:
        """Whether it has something that raises the hazard for a while, under some policy."""
        return bool(self.signals) or self.forecast is not None

    @property
    def moves(self) -> bool:
        """Whether something raises the hazard for a while, under the policy that decides."""
        return bool(self.parts) or self.forecast_share > 0.0

    def multiple(self, horizon_h: float, *, without: Collection[ShortCause] = ()) -> float:
        """The mean hazard within a horizon as a multiple of the long-run one; 1 without parts.

        Args:
            horizon_h: hours.
            without: causes that do not count.
        """
        parts = self.parts
        if without:
            parts = tuple(each for each in parts if each.cause not in without)
        found = multiple(parts, horizon_h)
        if self.forecast is not None and self.forecast_share > 0.0 and self.hazard_per_hour > 0.0:
            long_run = self.hazard_per_hour
            excess = self.forecast_share * self.forecast.excess(long_run, horizon_h)
            found += excess / (long_run * horizon_h)
        return found

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Credible interval of the hazard, per hour, with equal tails of the Gamma posterior."""
        shape = self.counted_events + self.prior_hazard_per_hour * self.prior_exposure_h
        rate = self.counted_exposure_h + self.prior_exposure_h
        if shape == 0.0:  # a prior hazard of 0 and no event: not a Gamma distribution
            return 0.0, 0.0
        scale = self.rebalance_factor / rate
        low, high = gamma_quantile(shape, (1 - level) / 2), gamma_quantile(shape, (1 + level) / 2)
        return scale * low, scale * high


def expected_cost(
    price_usd_per_hour: float | FloatArray,
    hazard_per_hour: float | FloatArray,
    interruption_usd: float | FloatArray,
) -> FloatArray:
    """Cost of an hour on a pool, interruptions included, elementwise.

    The pipeline ranks by it, and the policy of the backtests chooses by it.

    Args:
        price_usd_per_hour: spot price.
        hazard_per_hour: expected interruptions per hour.
        interruption_usd: cost of one interruption, USD.
    Returns:
        USD per hour; equals the price where the hazard is 0.

    >>> round(float(expected_cost(0.04, 0.001, 0.6)), 6)
    0.0406
    """
    hazard = np.asarray(hazard_per_hour, dtype=np.float64)
    return np.asarray(price_usd_per_hour + hazard * interruption_usd, dtype=np.float64)
