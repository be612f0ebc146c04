"""Predictions beside what happened, and decisions beside other models'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Decision
from spotlab.domain.market import MarketName

FloatArray = NDArray[np.float64]
RESAMPLES: Final = 1000
MIN_BLOCKS: Final = 5
"""With fewer days than this, a bootstrap over days says nothing: the interval is unknown."""


class Target(StrEnum):
    """What was predicted."""

    INTERRUPTION = "interruption"
    BUCKET = "bucket"
    PRICE = "price"


class OutcomeState(StrEnum):
    """Whether it is known what happened."""

    REALISED = "realised"
    CENSORED = "censored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One prediction beside what happened.

    Args:
        experiment_id: the decision that the prediction was made for.
        target: interruption (within horizon_h), bucket (next advisor bucket >= 3) or price.
        model: "name@version".
        subject: an instance id (interruption) or a pool's key.
        market: which market the numbers belong to.
        predicted_at: when, aware UTC.
        due_at: when it could be known, aware UTC.
        horizon_h: hours from predicted_at to due_at.
        predicted: 0..1, or USD per hour (price).
        realised: 0, 1 or USD per hour; None when censored.
        state: realised or censored.
        reason: one sentence: from what it is known, or why it never will be.
        challenger: predicted in shadow, beside the champion.
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
    """What a challenger would have decided, beside the decision that was made.

    Args:
        experiment_id: the decision that was made.
        model: the challenger, "name@version".
        champion: the model that decided.
        created_at: aware UTC.
        instance_id: about which instance.
        decision: the challenger's; None where it failed.
        champion_decision: the one that was made; None where that failed.
        chosen_pool: key of the pool it would switch to; None: none.
        current_risk, chosen_risk: its own view, 0..1 within horizon_h; None: unknown.
        horizon_h: hours.
        saving_usd_per_hour: expected, its own view.
        cost_difference_usd_per_hour: expected cost after its decision minus after the champion's,
            both by the champion's hazards; None where either is unknown.
        own_cost_difference_usd_per_hour: the same by the challenger's hazards.
        agrees: the same decision and the same pool.
        error: why it decided nothing; "" when it did.
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval; an end is NaN where there are too few days to tell."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Predictions between two of their own quantiles, and how often it came true.

    Args:
        low, high: smallest and largest prediction in the bin.
        rows: how many.
        mean_predicted: 0..1.
        observed: share that came true, with a 95 % Wilson interval.
    """

    low: float
    high: float
    rows: int
    mean_predicted: float
    observed: Estimate


def mean(values: FloatArray) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


def reliability(predicted: FloatArray, realised: FloatArray, bins: int = 8) -> list[ReliabilityBin]:
    """Predictions in bins of about equally many rows: risks of an hour crowd near zero.

    Equal predictions share a bin.
    """
    if not len(predicted):
        return []
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    slot = np.searchsorted(edges, predicted, side="right")
    found = []
    for number in np.unique(slot):
        said, seen = predicted[slot == number], realised[slot == number]
        found.append(
            ReliabilityBin(
                float(said.min()), float(said.max()), len(said), mean(said), _wilson(seen)
            )
        )
    return found


def by_day(
    statistic: Callable[[NDArray[np.intp]], float],
    moments: Sequence[datetime],
    *,
    seed: int = 0,
    draws: int = RESAMPLES,
) -> Estimate:
    """A statistic of rows with its 95 % interval, drawing whole days with replacement.

    Rows of one day rise and fall together; an interval over rows would be too narrow.

    Args:
        statistic: of row numbers.
        moments: (n,) when each row was predicted; its UTC day is its block.
        seed: of the draws.
        draws: how many.
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


def _wilson(seen: FloatArray) -> Estimate:
    """Share of ones with its Wilson score interval (Wilson 1927)."""
    z, n, share = 1.959964, len(seen), mean(seen)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(share, max(0.0, float(middle - half)), min(1.0, float(middle + half)))
