"""Scorecards: how predictions compare with their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.outcomes import (
    Estimate,
    FloatArray,
    Outcome,
    ReliabilityBin,
    Target,
    by_day,
    mean,
    reliability,
)

PROBABILITIES: Final = (Target.INTERRUPTION, Target.BUCKET)


@dataclass(frozen=True, slots=True)
class Week:
    """One week of predictions (UTC).

    Args:
        begins: a Monday.
        rows: number of predictions with an observed outcome.
        base_rate: share that came true.
        brier: mean squared error, interval by day; its ends are NaN if there are too few days.
    """

    begins: date
    rows: int
    base_rate: float
    brier: Estimate


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Predicted probabilities of one model and target, compared with the outcomes.

    Args:
        target: interruption or bucket.
        model: "name@version".
        challenger: the model predicted in shadow only.
        rows: number of predictions with an observed outcome.
        censored: number of predictions whose outcome could not be observed.
        base_rate: share that came true, interval by day.
        mean_predicted: mean probability.
        brier: mean squared error, interval by day.
        brier_of_base_rate: mean squared error of predicting the base rate, known only afterwards.
        skill: 1 - brier / brier_of_base_rate, interval by day; NaN if all or none came true.
        reliability: over quantiles of the predictions.
        weeks: oldest first.
        words: summary in one sentence.
    """

    target: Target
    model: str
    challenger: bool
    rows: int
    censored: int
    base_rate: Estimate
    mean_predicted: float
    brier: Estimate
    brier_of_base_rate: float
    skill: Estimate
    reliability: tuple[ReliabilityBin, ...]
    weeks: tuple[Week, ...]
    words: str

    def reliability_frame(self) -> pd.DataFrame:
        """low, high, rows, mean_predicted, observed, observed_low, observed_high."""
        columns = [
            "low",
            "high",
            "rows",
            "mean_predicted",
            "observed",
            "observed_low",
            "observed_high",
        ]
        rows = [
            (b.low, b.high, b.rows, b.mean_predicted, *asdict(b.observed).values())
            for b in self.reliability
        ]
        return pd.DataFrame(rows, columns=columns)

    def weeks_frame(self) -> pd.DataFrame:
        """week, rows, base_rate, brier, brier_low, brier_high."""
        columns = ["week", "rows", "base_rate", "brier", "brier_low", "brier_high"]
        rows = [
            (pd.Timestamp(w.begins, tz="UTC"), w.rows, w.base_rate, *asdict(w.brier).values())
            for w in self.weeks
        ]
        return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True, slots=True)
class PriceCard:
    """The price forecast (no change within 24 h), compared with the outcomes.

    Args:
        model: "last-price@1".
        rows: number of predictions with an observed outcome.
        censored: number of predictions whose outcome could not be observed.
        relative_error: mean |price after 24 h / predicted - 1|, interval by day.
        relative_bias: mean of price after 24 h / predicted - 1, interval by day.
        words: summary in one sentence.
    """

    model: str
    rows: int
    censored: int
    relative_error: Estimate
    relative_bias: Estimate
    words: str


def scorecards(outcomes: Sequence[Outcome]) -> list[Scorecard]:
    """One card per target and model, in that order, of deciding and shadow predictions together.

    A model may decide for one instance and run in shadow for another: its predictions are of the
    same kind. It counts as a challenger only if it never decided.

    Args:
        outcomes: outcomes in one market; two markets are never mixed.
    """
    keys = sorted({(o.target, o.model) for o in outcomes if o.target in PROBABILITIES})
    return [
        _card(target, model, [o for o in outcomes if (o.target, o.model) == (target, model)])
        for target, model in keys
    ]


def price_card(outcomes: Sequence[Outcome]) -> PriceCard | None:
    """The card of the price forecast; None if there is no outcome yet."""
    prices = [o for o in outcomes if o.target is Target.PRICE]
    if not prices:
        return None
    known = [o for o in prices if o.realised is not None]
    changes = np.array([o.realised / o.predicted - 1 for o in known if o.realised is not None])
    times = [o.predicted_at for o in known]
    error = by_day(lambda rows: mean(np.abs(changes[rows])), times)
    bias = by_day(lambda rows: mean(changes[rows]), times)
    words = (
        f"Prices differ by {100 * error.value:.1f} % on average after a day, over "
        f"{len(known):,} predictions."
        if known
        else "No outcome of a price prediction is known yet."
    )
    return PriceCard(prices[0].model, len(known), len(prices) - len(known), error, bias, words)


def _card(target: Target, model: str, outcomes: Sequence[Outcome]) -> Scorecard:
    known = [o for o in outcomes if o.realised is not None]
    predicted = np.array([o.predicted for o in known], dtype=np.float64)
    observed = np.array([o.realised for o in known], dtype=np.float64)
    times = [o.predicted_at for o in known]
    base_rate = by_day(lambda rows: mean(observed[rows]), times)
    brier = by_day(lambda rows: _brier(predicted[rows], observed[rows]), times)
    base_rate_brier = mean(observed) * (1 - mean(observed))
    return Scorecard(
        target=target,
        model=model,
        challenger=all(o.challenger for o in outcomes),
        rows=len(known),
        censored=len(outcomes) - len(known),
        base_rate=base_rate,
        mean_predicted=mean(predicted),
        brier=brier,
        brier_of_base_rate=base_rate_brier,
        skill=by_day(lambda rows: _skill(predicted[rows], observed[rows]), times),
        reliability=tuple(reliability(predicted, observed)),
        weeks=tuple(_weeks(known, predicted, observed)),
        words=_words(predicted, observed, len(outcomes) - len(known)),
    )


def _weeks(known: Sequence[Outcome], predicted: FloatArray, observed: FloatArray) -> list[Week]:
    mondays = np.array(
        [o.predicted_at.date() - timedelta(days=o.predicted_at.weekday()) for o in known]
    )
    weeks = []
    for monday in sorted(set(mondays)):
        rows = np.flatnonzero(mondays == monday)
        times = [known[int(row)].predicted_at for row in rows]
        p, y = predicted[rows], observed[rows]
        brier = by_day(
            lambda part, p=p, y=y: _brier(p[part], y[part]),  # type: ignore[misc]
            times,
        )
        weeks.append(Week(monday, len(rows), mean(y), brier))
    return weeks


def _brier(predicted: FloatArray, observed: FloatArray) -> float:
    return mean((predicted - observed) ** 2)


def _skill(predicted: FloatArray, observed: FloatArray) -> float:
    reference = mean(observed) * (1 - mean(observed))
    return 1 - _brier(predicted, observed) / reference if reference > 0 else float("nan")


def _words(predicted: FloatArray, observed: FloatArray, censored: int) -> str:
    unknown = f" The outcome of {censored:,} could not be observed." if censored else ""
    if not len(observed):
        return f"No outcomes are known yet.{unknown}"
    return (
        f"{int(observed.sum()):,} of {len(observed):,} came true; {predicted.sum():.1f} were "
        f"predicted.{unknown}"
    )
