"""Drift of a model's features, predictions and contributions against a reference period.

The reference is the first days of scored markets. The distances between its own days show the usual
variation; drift is a larger distance (docs/adr/0013-outcomes-and-drift.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.drift import (
    KS_CLASSES,
    PSI_CLASSES,
    FloatArray,
    MarketSketch,
    Sketch,
    class_counts,
    class_edges,
    ks,
    psi,
    rank_correlation,
)
from spotlab.domain.market import MarketName

REFERENCE_DAYS: Final = 14
MIN_REFERENCE_DAYS: Final = 5
RESAMPLES: Final = 200
VALUES_PER_SKETCH: Final = 400
MIN_ALARM_DISTANCE: Final = 0.1
"""A PSI or KS below this is not an alarm, however little the reference varied."""
PREDICTION: Final = "predicted hazard"
_MIN_MEDIAN: Final = 1e-3
"""Replaces a median distance of 0, if the reference never varied."""


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Distance of one feature, or of the prediction, from the reference.

    Args:
        name: name of the feature, or PREDICTION.
        psi, ks: population stability index and Kolmogorov-Smirnov distance.
        psi_usual, ks_usual: 95th percentile of the distances between the reference's own days.
        alarm: farther than any reference day in any row of the table; see `_usual_distances`.
        importance, importance_before: mean |contribution|, log-odds; NaN: unknown.
        words: the state as text.
    """

    name: str
    psi: float
    psi_usual: float
    ks: float
    ks_usual: float
    alarm: bool
    importance: float
    importance_before: float
    words: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Drift of a model's features, predictions and contributions.

    Args:
        market, model: market and "name@version" that were compared.
        at: time of the newest sketch, or None.
        reference_days: number of days in the reference.
        reference_from, reference_until: time of its first and last sketch, or None.
        moved: the prediction first, then features, farthest first; empty while unknown.
        importance_agreement: rank correlation of importance now and in the reference.
        importance_usual: lowest agreement of a reference day with the other days.
        importance_alarm: the agreement is lower than usual.
        words: the state in one sentence.
    """

    market: MarketName
    model: str
    at: datetime | None
    reference_days: int
    reference_from: datetime | None
    reference_until: datetime | None
    moved: tuple[FeatureDrift, ...]
    importance_agreement: float
    importance_usual: float
    importance_alarm: bool
    words: str

    @property
    def alarm(self) -> bool:
        """Whether anything drifted."""
        return self.importance_alarm or any(each.alarm for each in self.moved)

    def frame(self) -> pd.DataFrame:
        """One row per feature, with the fields of FeatureDrift."""
        names = list(FeatureDrift.__slots__)
        rows = [[getattr(each, name) for name in names] for each in self.moved]
        return pd.DataFrame(rows, columns=names)


def drift(market: MarketName, model: str, sketches: Sequence[MarketSketch]) -> DriftReport:
    """Compare the newest day with the first REFERENCE_DAYS days.

    Args:
        market, model: market and "name@version" of the sketches.
        sketches: oldest first.
    """
    days = list({each.at.date(): each for each in sketches}.values())
    reference = days[: min(REFERENCE_DAYS, len(days) - 1)] if len(days) > 1 else []
    if len(reference) < MIN_REFERENCE_DAYS:
        words = (
            f"Unknown: drift needs {MIN_REFERENCE_DAYS} earlier days of scored markets; "
            f"available: {len(reference)}."
        )
        return _report(market, model, days, reference, (), float("nan"), float("nan"), words)
    now = days[-1]
    names = [PREDICTION, *now.features]
    counts = [_ClassCounts.of(name, reference, now) for name in names]
    moved = [
        _moved(feature, now, reference, usual)
        for feature, usual in zip(counts, _usual_distances(counts), strict=True)
    ]
    ordered = [moved[0], *sorted(moved[1:], key=lambda each: _sortable(each.psi), reverse=True)]
    agreement, agreement_usual = _importance_agreement(reference, now)
    alarms = [each.name for each in ordered if each.alarm]
    words = (
        f"{len(alarms)} of {len(names)} drifted beyond the usual variation: {', '.join(alarms)}."
        if alarms
        else f"No drift: all {len(names)} are within the usual variation of the reference."
    )
    return _report(market, model, days, reference, ordered, agreement, agreement_usual, words)


def _report(
    market: MarketName,
    model: str,
    days: Sequence[MarketSketch],
    reference: Sequence[MarketSketch],
    moved: Sequence[FeatureDrift],
    agreement: float,
    agreement_usual: float,
    words: str,
) -> DriftReport:
    importance_alarm = bool(agreement < agreement_usual and agreement < 1 - MIN_ALARM_DISTANCE)
    if importance_alarm:
        words += f" Importance changed: rank correlation {agreement:.2f} with the reference."
    return DriftReport(
        market=market,
        model=model,
        at=days[-1].at if days else None,
        reference_days=len(reference),
        reference_from=reference[0].at if reference else None,
        reference_until=reference[-1].at if reference else None,
        moved=tuple(moved),
        importance_agreement=agreement,
        importance_usual=agreement_usual,
        importance_alarm=importance_alarm,
        words=words,
    )


def _values(market: MarketSketch, name: str) -> FloatArray:
    empty = Sketch(0, 1.0, ())
    sketch = market.prediction if name == PREDICTION else market.features.get(name, empty)
    return sketch.draw(VALUES_PER_SKETCH)


@dataclass(frozen=True, slots=True)
class _ClassCounts:
    """Values of one feature, counted in classes of the reference.

    Args:
        name: name of the feature.
        days: one row per day of the reference, for PSI and for KS.
        now: the counts of the newest day, for PSI and for KS.
    """

    name: str
    days: tuple[FloatArray, FloatArray]
    now: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, name: str, reference: Sequence[MarketSketch], now: MarketSketch) -> _ClassCounts:
        by_day, today = [_values(day, name) for day in reference], _values(now, name)
        both_edges = [class_edges(np.concatenate(by_day), n) for n in (PSI_CLASSES, KS_CLASSES)]
        days = [np.array([class_counts(day, edges) for day in by_day]) for edges in both_edges]
        counts = [class_counts(today, edges) for edges in both_edges]
        return cls(name, (days[0], days[1]), (counts[0], counts[1]))


@dataclass(frozen=True, slots=True)
class _UsualDistances:
    """95th percentile of the distances between reference days, and thresholds of an alarm."""

    psi: float
    ks: float
    psi_alarm: float
    ks_alarm: float


def _usual_distances(counts: Sequence[_ClassCounts]) -> list[_UsualDistances]:
    """The usual PSI and KS of each feature, and the alarm thresholds as a multiple of the median.

    Each resample compares one reference day with a bootstrap of the others. The factor is the
    largest over all features and resamples: a new day that is like the n days of the reference
    exceeds it in one of n + 1 cases, however many features there are.
    """
    rng = np.random.default_rng(0)
    count = len(counts[0].days[0])
    out = rng.integers(count, size=RESAMPLES)
    others = rng.integers(count - 1, size=(RESAMPLES, count - 1))
    others += others >= out[:, None]
    distances = np.array(
        [
            [
                distance(days[others].sum(axis=1), days[out])
                for distance, days in zip((psi, ks), feature.days, strict=True)
            ]
            for feature in counts
        ]
    )
    distances = np.nan_to_num(distances)
    usual = np.quantile(distances, 0.95, axis=-1)
    medians = np.maximum(np.median(distances, axis=-1), _MIN_MEDIAN)
    factor = float((distances / medians[..., None]).max())
    return [
        _UsualDistances(*limits, *alarms)
        for limits, alarms in zip(usual, factor * medians, strict=True)
    ]


def _moved(
    counts: _ClassCounts,
    now: MarketSketch,
    reference: Sequence[MarketSketch],
    usual: _UsualDistances,
) -> FeatureDrift:
    name = counts.name
    psi_now = float(psi(counts.days[0].sum(axis=0), counts.now[0]))
    ks_now = float(ks(counts.days[1].sum(axis=0), counts.now[1]))
    alarm = (psi_now > usual.psi_alarm and psi_now >= MIN_ALARM_DISTANCE) or (
        ks_now > usual.ks_alarm and ks_now >= MIN_ALARM_DISTANCE
    )
    importances = [day.importance[name] for day in reference if name in day.importance]
    words = "as usual"
    if alarm:
        words = f"drifted: PSI {psi_now:.2f}, usually below {usual.psi:.2f}"
    elif np.isnan(ks_now):
        words = "unknown"
    return FeatureDrift(
        name=name,
        psi=psi_now,
        psi_usual=usual.psi,
        ks=ks_now,
        ks_usual=usual.ks,
        alarm=bool(alarm),
        importance=now.importance.get(name, float("nan")),
        importance_before=float(np.mean(importances)) if importances else float("nan"),
        words=words,
    )


def _importance_agreement(
    reference: Sequence[MarketSketch], now: MarketSketch
) -> tuple[float, float]:
    names = list(now.importance)
    days = [
        np.array([each.importance.get(name, 0.0) for name in names])
        for each in reference
        if each.importance
    ]
    if not names or len(days) < MIN_REFERENCE_DAYS:
        return float("nan"), float("nan")
    today = np.array([now.importance[name] for name in names])
    leave_one_out = [
        rank_correlation(np.mean([d for j, d in enumerate(days) if j != i], axis=0), day)
        for i, day in enumerate(days)
    ]
    agreement = rank_correlation(np.mean(days, axis=0), today)
    return agreement, float(np.nanmin(leave_one_out))


def _sortable(value: float) -> float:
    return -1.0 if np.isnan(value) else value
