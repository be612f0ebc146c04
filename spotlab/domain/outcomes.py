"""Outcomes of predictions, decisions of challengers, and statistics with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Decision
from spotlab.domain.market import MarketName

FloatArray = NDArray[np.float64]
RESAMPLES: Final = 1000
MIN_BLOCKS: Final = 5
"""With fewer days, a bootstrap over days is meaningless: the interval is unknown."""


class Target(StrEnum):
    """What was predicted."""

    INTERRUPTION = "interruption"
    BUCKET = "bucket"
    PRICE = "price"


class OutcomeState(StrEnum):
    """Whether the outcome could be observed."""

    REALISED = "realised"
    CENSORED = "censored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One prediction and what happened.

    Args:
        experiment_id: the decision for which the prediction was made.
        target: interruption (within horizon_h), bucket (next advisor bucket >= 3) or price.
        model: "name@version".
        subject: an instance id (interruption) or a pool's key.
        market: which market the numbers belong to.
        predicted_at: aware UTC.
        due_at: when the outcome can first be known, aware UTC.
        horizon_h: hours from predicted_at to due_at.
        predicted: 0..1, or USD per hour (price).
        realised: 0, 1 or USD per hour; None when censored.
        state: realised or censored.
        reason: one sentence: how the outcome is known, or why it never will be.
        challenger: predicted by a challenger, in a shadow run.
    """

    experiment_id: int
    target: Target
    model: str
    subject: str
    market: MarketName
    predicted_at: datetime
    due_at: datetime
    horizon_h: float
    predicted: float
    realised: float | None
    state: OutcomeState
    reason: str
    challenger: bool = False


@dataclass(frozen=True, slots=True)
class ShadowDecision:
    """What a challenger would have decided, and the decision that was made.

    A challenger is a model, or a policy in shadow, which decides with the model that decided.

    Args:
        experiment_id: the decision that was made.
        model: "name@version" of the model that the challenger decides with.
        champion: the model that decided.
        created_at: aware UTC.
        instance_id: the instance.
        decision: the challenger's; None if it failed.
        champion_decision: the one that was made; None if it failed.
        chosen_pool: key of the pool it would switch to; None: none.
        current_risk, chosen_risk: by the challenger, 0..1 within horizon_h; None: unknown.
        horizon_h: hours.
        saving_usd_per_hour: expected by the challenger.
        cost_difference_usd_per_hour: expected cost after its decision minus after the champion's,
            both with the champion's hazards; None if either is unknown.
        own_cost_difference_usd_per_hour: the same with the challenger's hazards.
        agrees: the same decision and the same pool.
        error: why there is no decision; "" if there is one.
        policy: "name@version" of the policy in shadow; "": the challenger is the model.
    """

    experiment_id: int
    model: str
    champion: str
    created_at: datetime
    instance_id: str
    decision: Decision | None
    champion_decision: Decision | None
    chosen_pool: str | None
    current_risk: float | None
    chosen_risk: float | None
    horizon_h: float
    saving_usd_per_hour: float | None
    cost_difference_usd_per_hour: float | None
    own_cost_difference_usd_per_hour: float | None
    agrees: bool
    error: str = ""
    policy: str = ""

    @property
    def challenger(self) -> str:
        """ "name@version" of the policy in shadow, or else of the model."""
        return self.policy or self.model


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; low and high are NaN if there are too few days."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Estimate:
        """The estimate in another unit."""
        return Estimate(factor * self.value, factor * self.low, factor * self.high)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Predictions between two of their own quantiles, and the observed share.

    Args:
        low, high: smallest and largest prediction in the bin.
        rows: number of predictions.
        mean_predicted: 0..1.
        observed: share that came true, with a 95 % Wilson interval.
    """

    low: float
    high: float
    rows: int
    mean_predicted: float
    observed: Estimate


def mean(values: FloatArray) -> float:
    """The mean; NaN for no values."""
    return float(np.mean(values)) if len(values) else float("nan")


def reliability(predicted: FloatArray, realised: FloatArray, bins: int = 8) -> list[ReliabilityBin]:
    """Predictions in bins of about equal size, because risks of an hour are all close to zero.

    Equal predictions are in the same bin.

    Args:
        predicted: (n,) probabilities.
        realised: (n,) 0 or 1.
        bins: how many at most.
    """
    if not len(predicted):
        return []
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    slot = np.searchsorted(edges, predicted, side="right")
    table = []
    for number in np.unique(slot):
        inside, outcomes = predicted[slot == number], realised[slot == number]
        low, high = float(inside.min()), float(inside.max())
        observed = wilson(mean(outcomes), len(outcomes))
        table.append(ReliabilityBin(low, high, len(inside), mean(inside), observed))
    return table


def by_day(
    statistic: Callable[[NDArray[np.intp]], float],
    moments: Sequence[date],
    *,
    seed: int = 0,
    draws: int = RESAMPLES,
) -> Estimate:
    """A statistic with its 95 % interval from a block bootstrap over days.

    Rows of one day are correlated, so an interval from resampled rows would be too narrow.

    Args:
        statistic: of row numbers.
        moments: (n,) times or days of the predictions; a block is a UTC day.
        seed: of the random draws.
        draws: number of resamples.
    """
    rows = np.arange(len(moments))
    value = statistic(rows)
    days = np.array([moment.toordinal() for moment in moments])
    blocks = [np.flatnonzero(days == day) for day in np.unique(days)]
    if len(blocks) < MIN_BLOCKS:
        return Estimate(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(np.concatenate([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))]))
        for _ in range(draws)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def mean_of_days(days: Mapping[date, tuple[float, int]]) -> Estimate:
    """A mean with its 95 % interval from a block bootstrap over days, from sums per day.

    The same as `by_day` of the mean of the single values, without storing them.

    Args:
        days: sum and number of the values by UTC day.
    Returns:
        NaN without days.
    """
    if not days:
        return Estimate(float("nan"), float("nan"), float("nan"))
    ordered = sorted(days)
    totals = np.array([days[day][0] for day in ordered])
    counts = np.array([days[day][1] for day in ordered])
    return by_day(lambda rows: float(totals[rows].sum() / counts[rows].sum()), ordered)


def wilson(share: float, n: int) -> Estimate:
    """A share of n rows with its 95 % Wilson score interval (Wilson 1927).

    >>> estimate = wilson(0.0, 20)
    >>> round(estimate.low, 3), round(estimate.high, 3)
    (0.0, 0.161)
    """
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(share, max(0.0, float(middle - half)), min(1.0, float(middle + half)))
