"""One hazard over time: a long-run part, and short parts that decay into it.

The cumulative hazard of a pool within h hours is

    H(h) = hazard × (h + Σ (factor − 1) × ∫ decay(age + t) dt, t = 0 … h)

with decay(age) = max(0, 1 − age / (2 × half-life)): a part has half its strength after its
half-life and none after twice of it, so that a pool whose evidence is over has exactly its long-run
hazard again. risk(h) = 1 − exp(−H(h)) grows with h. See docs/adr/0043-evidence-over-time.md.

An interruption says more than a multiple: a share of the other instances of the pool is lost within
minutes, whatever the long-run hazard. Its factor is the one for which H has grown by −ln(1 − share)
when the part is over.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams

SHOWN_HORIZONS_H: Final = (1.0, 6.0, 24.0, 720.0)
"""1 h, 6 h, 24 h and 30 d."""
MAX_SHARE: Final = 0.999
"""A share of 1 would be an infinite hazard."""


class ShortCause(StrEnum):
    """What raises a pool's hazard for a while."""

    REBALANCE = "rebalance recommendation"
    CAPACITY = "lack of capacity"
    """An interruption of an own instance there, or a launch that EC2 refused."""
    SIBLING = "lack of capacity in another zone"
    PLACEMENT = "fall of the placement score"
    JOINT_LOSS = "interruption in the same pool"
    FAMILY = "lack of capacity of other types of the family"
    PRICE = "price jump"
    SPREAD = "wider spread of the zones' prices"
    ADVISOR = "rise of the advisor's bucket"


OF_THE_MARKET: Final = frozenset({ShortCause.PRICE, ShortCause.SPREAD, ShortCause.ADVISOR})
"""Causes that prices and the advisor show."""


@dataclass(frozen=True, slots=True)
class ShortSignal:
    """Evidence that raises a pool's hazard for a while.

    Args:
        cause: what it is.
        at: when it was observed, aware UTC.
        weight: share of the policy's factor that it has, above 0 and up to 1.
        detail: what was observed, for a person, such as "EC2 refused a launch".
    """

    cause: ShortCause
    at: datetime
    weight: float = 1.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ShortPart:
    """A part of the hazard that decays, under some policy.

    Args:
        cause: what it comes from.
        factor: what the long-run hazard was multiplied by when it was new; 1 or more.
        half_life_h: time after which half of the excess is left; none is left after twice as long.
        age_h: since it was observed.
        detail: what was observed.
        share: P(lost because of it) when it was new, from which the factor follows; None: the
            policy gives the factor.
    """

    cause: ShortCause
    factor: float
    half_life_h: float
    age_h: float
    detail: str = ""
    share: float | None = None

    @property
    def now(self) -> float:
        """What the long-run hazard is multiplied by now."""
        return 1.0 + (self.factor - 1.0) * self._left

    @property
    def ends_in_h(self) -> float:
        """Hours until it is over."""
        return 2.0 * self.half_life_h - self.age_h

    @property
    def effect(self) -> str:
        """What it does to the hazard now, as the end of a sentence.

        >>> ShortPart(ShortCause.REBALANCE, 4.0, 3.0, 3.0).effect
        'the hazard counts 2.5 times, which falls to 1 within 3 h'
        >>> ShortPart(ShortCause.JOINT_LOSS, 2e5, 0.1, 0.1, share=0.92).effect
        'P(lost together with it) is 47 % and falls to 0 within 6 min'
        """
        if self.share is None:
            return (
                f"the hazard counts {self.now:.2g} times, which falls to 1 within "
                f"{self.ends_in_h:.2g} h"
            )
        still = 1.0 - (1.0 - self.share) ** (self._left**2)
        return (
            f"P(lost together with it) is {100 * still:.0f} % and falls to 0 within "
            f"{60 * self.ends_in_h:.2g} min"
        )

    @property
    def _left(self) -> float:
        """The share of its strength that is left, 0..1."""
        return max(0.0, 1.0 - self.age_h / (2.0 * self.half_life_h))

    def excess_h(self, horizon_h: float) -> float:
        """Hours of the long-run hazard that it adds within a horizon.

        >>> ShortPart(ShortCause.REBALANCE, 4.0, 3.0, 0.0).excess_h(24.0)
        9.0
        """
        end = 2.0 * self.half_life_h
        first, last = min(self.age_h, end), min(self.age_h + horizon_h, end)
        return (self.factor - 1.0) * ((last - first) - (last * last - first * first) / (2.0 * end))


@dataclass(frozen=True, slots=True)
class CapacityForecast:
    """A forecast of when a pool that has capacity now will lack it.

    Args:
        at: newest launch or probe that it rests on, aware UTC.
        model: "name@version", or what else made it.
        readings: number of launches and probes that it rests on.
        probabilities: P(capacity lost within the horizon) by horizon in hours, both growing.
    """

    at: datetime
    model: str
    readings: int
    probabilities: tuple[tuple[float, float], ...]

    def cumulative_hazard(self, horizon_h: float) -> float:
        """-ln(1 - P), linear between the horizons; beyond the last it does not grow.

        >>> forecast = CapacityForecast(datetime(2026, 1, 1), "m@1", 20, ((1.0, 0.5), (3.0, 0.75)))
        >>> round(forecast.cumulative_hazard(2.0), 4)
        1.0397
        """
        before_h, before = 0.0, 0.0
        for after_h, probability in self.probabilities:
            after = max(before, -math.log1p(-min(probability, 1.0 - 1e-12)))
            if horizon_h <= after_h:
                return before + (after - before) * (horizon_h - before_h) / (after_h - before_h)
            before_h, before = after_h, after
        return before

    def excess(self, hazard_per_hour: float, horizon_h: float) -> float:
        """What it adds to the cumulative hazard of a long-run hazard; never falls with h."""
        last_h = self.probabilities[-1][0]
        within_h = min(horizon_h, last_h)
        knots = [each for each, _ in self.probabilities if each < within_h]
        return max(
            0.0,
            *(self.cumulative_hazard(h) - hazard_per_hour * h for h in (*knots, within_h)),
        )


def multiple(parts: Sequence[ShortPart], horizon_h: float) -> float:
    """The mean hazard within a horizon as a multiple of the long-run hazard; 1 without parts."""
    if not parts:
        return 1.0
    return 1.0 + sum(each.excess_h(horizon_h) for each in parts) / horizon_h


def parts_of(
    signals: Sequence[ShortSignal], as_of: datetime, policy: PolicyParams, hazard_per_hour: float
) -> tuple[ShortPart, ...]:
    """The parts that signals of a pool have under a policy, those that are over left out.

    Args:
        signals: of the pool, at most one for each cause.
        as_of: of the market, aware UTC; a later signal counts as of now.
        policy: factors and half-lives.
        hazard_per_hour: the long-run hazard; where it is 0, nothing multiplies it.
    """
    found = []
    for signal in signals:
        strength, half_life_h = _strength(signal.cause, policy)
        age_h = max(0.0, (as_of - signal.at) / timedelta(hours=1))
        if age_h >= 2.0 * half_life_h:
            continue
        factor, share = strength, None
        if signal.cause is ShortCause.JOINT_LOSS:
            share = min(strength, MAX_SHARE)
            # A part adds (factor − 1) × half-life hours in all: see `ShortPart.excess_h`.
            excess_h = -math.log1p(-share) / hazard_per_hour if hazard_per_hour > 0.0 else 0.0
            factor = 1.0 + excess_h / half_life_h
        if factor > 1.0:
            weighted = 1.0 + (factor - 1.0) * signal.weight
            found.append(
                ShortPart(signal.cause, weighted, half_life_h, age_h, signal.detail, share)
            )
    return tuple(found)


def newest(signals: Collection[ShortSignal]) -> tuple[ShortSignal, ...]:
    """The newest signal of each cause: several count as one, so that their effect is bounded."""
    found: dict[ShortCause, ShortSignal] = {}
    for signal in signals:
        known = found.get(signal.cause)
        if known is None or signal.at > known.at:
            found[signal.cause] = signal
    return tuple(found[cause] for cause in ShortCause if cause in found)


def merged(
    first: Mapping[Pool, tuple[ShortSignal, ...]], second: Mapping[Pool, tuple[ShortSignal, ...]]
) -> dict[Pool, tuple[ShortSignal, ...]]:
    """The signals of both by pool, the newest of each cause."""
    pools = sorted({*first, *second}, key=lambda pool: pool.key)
    return {pool: newest([*first.get(pool, ()), *second.get(pool, ())]) for pool in pools}


def strengths(policy: PolicyParams) -> tuple[float, ...]:
    """Everything about a policy that short parts depend on."""
    values = [value for cause in ShortCause for value in _strength(cause, policy)]
    return (*values, policy.capacity_forecast_share)


def _strength(cause: ShortCause, policy: PolicyParams) -> tuple[float, float]:
    """Factor, or share of joint losses, and half-life in hours of a cause."""
    return {
        ShortCause.REBALANCE: (policy.rebalance_factor, policy.rebalance_half_life_h),
        ShortCause.CAPACITY: (policy.capacity_factor, policy.capacity_half_life_h),
        ShortCause.SIBLING: (policy.sibling_factor, policy.sibling_half_life_h),
        ShortCause.PLACEMENT: (policy.placement_factor, policy.placement_half_life_h),
        ShortCause.JOINT_LOSS: (policy.joint_loss_share, policy.joint_loss_half_life_min / 60.0),
        ShortCause.FAMILY: (policy.family_factor, policy.family_half_life_h),
        ShortCause.PRICE: (policy.price_factor, policy.price_half_life_h),
        ShortCause.SPREAD: (policy.spread_factor, policy.spread_half_life_h),
        ShortCause.ADVISOR: (policy.advisor_factor, policy.advisor_half_life_h),
    }[cause]


def counts(cause: ShortCause, policy: PolicyParams) -> bool:
    """Whether a cause that has a factor moves hazards under a policy."""
    return _strength(cause, policy)[0] > 1.0
