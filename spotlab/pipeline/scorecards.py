"""How predictions did, once it is known what happened."""

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
    """One week of predictions, by the Monday (UTC) it begins on.

    Args:
        begins: a Monday.
        rows: realised predictions.
        base_rate: share that came true.
        brier: mean squared error, interval by day; NaN ends where there are too few days.
    """

    begins: date
    rows: int
    base_rate: float
    brier: Estimate


@dataclass(frozen=True, slots=True)
class Scorecard:
    """How one model's probabilities of one target did.

    Args:
        target: interruption or bucket.
        model: "name@version".
        challenger: it predicted in shadow only.
        rows: realised predictions.
        censored: predictions of which it will never be known.
        base_rate: share that came true, interval by day.
        mean_predicted: mean probability.
        brier: mean squared error, interval by day.
        brier_of_base_rate: that of always saying the base rate, known only afterwards.
        skill: 1 - brier / brier_of_base_rate, interval by day; NaN where nothing or all came true.
        reliability: over quantiles of the predictions.
        weeks: oldest first.
        words: one sentence for a person.
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
    """How the price forecast (a price stays as it was) did over 24 h.

    Args:
        model: "last-price@1".
        rows: realised predictions.
        censored: predictions of which it will never be known.
        relative_error: mean |later / predicted - 1|, interval by day.
        relative_bias: mean of later / predicted - 1, interval by day.
        words: one sentence for a person.
    """

    model: str
    rows: int
    censored: int
    relative_error: Estimate
    relative_bias: Estimate
    words: str


def scorecards(outcomes: Sequence[Outcome]) -> list[Scorecard]:
    """One card a target and model, in that order; deciding and shadow predictions together.

    A model that decided about one instance and ran in shadow beside another made the same kind of
    prediction; it counts as a challenger only if it never decided.

    Args:
        outcomes: of one market: two markets are never mixed.
    """
    keys = sorted({(o.target, o.model) for o in outcomes if o.target in PROBABILITIES})
    return [
        _card(target, model, [o for o in outcomes if (o.target, o.model) == (target, model)])
        for target, model in keys
    ]


def price_card(outcomes: Sequence[Outcome]) -> PriceCard | None:
    """The card of the price forecast; None where there is no outcome yet."""
    prices = [o for o in outcomes if o.target is Target.PRICE]
    if not prices:
        return None
    known = [o for o in prices if o.realised is not None]
    moved = np.array([o.realised / o.predicted - 1 for o in known if o.realised is not None])
    moments = [o.predicted_at for o in known]
    error = by_day(lambda rows: mean(np.abs(moved[rows])), moments)
    bias = by_day(lambda rows: mean(moved[rows]), moments)
    words = (
        f"Prices a day later differ by {100 * error.value:.1f} % on average, over "
        f"{len(known):,} predictions."
        if known
        else "No price of a day later is known yet."
    )
    return PriceCard(prices[0].model, len(known), len(prices) - len(known), error, bias, words)


def _card(target: Target, model: str, outcomes: Sequence[Outcome]) -> Scorecard:
    known = [o for o in outcomes if o.realised is not None]
    said = np.array([o.predicted for o in known], dtype=np.float64)
    seen = np.array([o.realised for o in known], dtype=np.float64)
    moments = [o.predicted_at for o in known]
    base_rate = by_day(lambda rows: mean(seen[rows]), moments)
    brier = by_day(lambda rows: _brier(said[rows], seen[rows]), moments)
    of_base = mean(seen) * (1 - mean(seen))
    return Scorecard(
        target=target,
        model=model,
        challenger=all(o.challenger for o in outcomes),
        rows=len(known),
        censored=len(outcomes) - len(known),
        base_rate=base_rate,
        mean_predicted=mean(said),
        brier=brier,
        brier_of_base_rate=of_base,
        skill=by_day(lambda rows: _skill(said[rows], seen[rows]), moments),
        reliability=tuple(reliability(said, seen)),
        weeks=tuple(_weeks(known, said, seen)),
        words=_words(said, seen, len(outcomes) - len(known)),
    )


def _weeks(known: Sequence[Outcome], said: FloatArray, seen: FloatArray) -> list[Week]:
    mondays = np.array(
        [o.predicted_at.date() - timedelta(days=o.predicted_at.weekday()) for o in known]
    )
    found = []
    for monday in sorted(set(mondays)):
        rows = np.flatnonzero(mondays == monday)
        moments = [known[int(row)].predicted_at for row in rows]
        p, y = said[rows], seen[rows]
        brier = by_day(
            lambda part, p=p, y=y: _brier(p[part], y[part]),  # type: ignore[misc]
            moments,
        )
        found.append(Week(monday, len(rows), mean(y), brier))
    return found


def _brier(said: FloatArray, seen: FloatArray) -> float:
    return mean((said - seen) ** 2)


def _skill(said: FloatArray, seen: FloatArray) -> float:
    reference = mean(seen) * (1 - mean(seen))
    return 1 - _brier(said, seen) / reference if reference > 0 else float("nan")


def _words(said: FloatArray, seen: FloatArray, censored: int) -> str:
    unknown = f" Of {censored:,} it will never be known." if censored else ""
    if not len(seen):
        return f"Nothing is known yet.{unknown}"
    return (
        f"{int(seen.sum()):,} of {len(seen):,} came true, {said.sum():.1f} were expected.{unknown}"
    )
