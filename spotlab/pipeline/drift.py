"""Whether the market, the predictions or their reasons have moved.

The reference is the first days of own scored markets. How far two of its own days are apart says
what is usual: an alarm needs more than that (docs/adr/0013-outcomes-and-drift.md).
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
DRAWN: Final = 400
"""Values that stand for one day's sketch."""
MATTERS: Final = 0.1
"""PSI or KS below this is no alarm, however steady the reference was."""
PREDICTION: Final = "predicted hazard"
_NEVER: Final = 1e-3
"""A distance that stands for none, where the reference never varied."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one feature, or the prediction, is from the reference.

    Args:
        name: the feature's, or PREDICTION.
        psi, ks: population stability index and Kolmogorov-Smirnov distance.
        psi_usual, ks_usual: 95 % of the reference's own days are nearer than this.
        alarm: farther than the reference's days ever are, with the whole table in mind.
        importance, importance_before: mean |contribution|, log-odds; NaN: unknown.
        words: the state, for a person.
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
    """Drift of a model's market, predictions and reasons.

    Args:
        market, model: whose.
        at: of the newest sketch; None: there is none.
        reference_days: how many days the reference has.
        reference_from, reference_until: its first and last sketch; None: there is none.
        moved: the prediction first, then features, farthest first; empty while unknown.
        importance_agreement: rank correlation of importance now and in the reference.
        importance_usual: no day of the reference agrees less with its others.
        importance_alarm: less than usual.
        words: one sentence: the state.
    """

    market: MarketName
    model: str
    at: datetime | None
    reference_days: int
    reference_from: datetime | None
    reference_until: datetime | None
    moved: tuple[Moved, ...]
    importance_agreement: float
    importance_usual: float
    importance_alarm: bool
    words: str

    @property
    def alarm(self) -> bool:
        """Whether anything drifted."""
        return self.importance_alarm or any(each.alarm for each in self.moved)

    def frame(self) -> pd.DataFrame:
        """One row a feature: the fields of Moved."""
        names = list(Moved.__slots__)
        rows = [[getattr(each, name) for name in names] for each in self.moved]
        return pd.DataFrame(rows, columns=names)


def drift(market: MarketName, model: str, sketches: Sequence[MarketSketch]) -> DriftReport:
    """Compare the newest day with the first REFERENCE_DAYS days.

    Args:
        market, model: whose sketches these are.
        sketches: oldest first, of one model.
    """
    days = list({each.at.date(): each for each in sketches}.values())
    reference = days[: min(REFERENCE_DAYS, len(days) - 1)] if len(days) > 1 else []
    if len(reference) < MIN_REFERENCE_DAYS:
        words = (
            f"Unknown: drift needs {MIN_REFERENCE_DAYS} earlier days of scored markets, there "
            f"{'is' if len(reference) == 1 else 'are'} {len(reference)}."
        )
        return _report(market, model, days, reference, (), float("nan"), float("nan"), words)
    now = days[-1]
    names = [PREDICTION, *now.features]
    tallies = {name: _Tally.of(name, reference, now) for name in names}
    usual = _usual(list(tallies.values()))
    moved = [
        _moved(tally, now, reference, band)
        for tally, band in zip(tallies.values(), usual, strict=True)
    ]
    ordered = [moved[0], *sorted(moved[1:], key=lambda each: _sortable(each.psi), reverse=True)]
    agreement, agreement_usual = _importance_agreement(reference, now)
    alarms = [each.name for each in ordered if each.alarm]
    words = (
        f"{len(alarms)} of {len(names)} moved beyond what is usual: {', '.join(alarms)}."
        if alarms
        else f"Steady: all {len(names)} are as near the reference as its own days are."
    )
    return _report(market, model, days, reference, ordered, agreement, agreement_usual, words)


def _report(
    market: MarketName,
    model: str,
    days: Sequence[MarketSketch],
    reference: Sequence[MarketSketch],
    moved: Sequence[Moved],
    agreement: float,
    agreement_usual: float,
    words: str,
) -> DriftReport:
    importance_alarm = bool(agreement < agreement_usual and agreement < 1 - MATTERS)
    if importance_alarm:
        words += f" Its reasons changed: importance agrees {agreement:.2f} with the reference."
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


def _drawn(each: MarketSketch, name: str) -> FloatArray:
    empty = Sketch(0, 1.0, ())
    found = each.prediction if name == PREDICTION else each.features.get(name, empty)
    return found.draw(DRAWN)


@dataclass(frozen=True, slots=True)
class _Tally:
    """One feature counted by classes of the reference.

    Args:
        name: the feature's.
        days: a row a day of the reference, for PSI and for KS.
        now: the same of the newest day.
    """

    name: str
    days: tuple[FloatArray, FloatArray]
    now: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, name: str, reference: Sequence[MarketSketch], now: MarketSketch) -> _Tally:
        drawn, today = [_drawn(each, name) for each in reference], _drawn(now, name)
        both = [class_edges(np.concatenate(drawn), n) for n in (PSI_CLASSES, KS_CLASSES)]
        days = [np.array([class_counts(day, edges) for day in drawn]) for edges in both]
        counted = [class_counts(today, edges) for edges in both]
        return cls(name, (days[0], days[1]), (counted[0], counted[1]))


@dataclass(frozen=True, slots=True)
class _Usual:
    """How far the reference's own days are apart, and from where on it is an alarm."""

    psi: float
    ks: float
    psi_alarm: float
    ks_alarm: float


def _usual(tallies: Sequence[_Tally]) -> list[_Usual]:
    """What is usual of each (PSI, KS), and what makes an alarm, as a factor of its median.

    Each resample holds one reference day against a bootstrap of the others. The factor is the
    largest over the whole table and all resamples: a new day that is like the reference's days
    has it in one of n + 1 cases, however long the table is.
    """
    rng = np.random.default_rng(0)
    count = len(tallies[0].days[0])
    out = rng.integers(count, size=RESAMPLES)
    others = rng.integers(count - 1, size=(RESAMPLES, count - 1))
    others += others >= out[:, None]
    found = np.array(
        [
            [
                distance(days[others].sum(axis=1), days[out])
                for distance, days in zip((psi, ks), tally.days, strict=True)
            ]
            for tally in tallies
        ]
    )
    found = np.nan_to_num(found)
    bands = np.quantile(found, 0.95, axis=-1)
    medians = np.maximum(np.median(found, axis=-1), _NEVER)
    factor = float((found / medians[..., None]).max())
    return [_Usual(*band, *alarm) for band, alarm in zip(bands, factor * medians, strict=True)]


def _moved(
    tally: _Tally,
    now: MarketSketch,
    reference: Sequence[MarketSketch],
    usual: _Usual,
) -> Moved:
    name = tally.name
    index = float(psi(tally.days[0].sum(axis=0), tally.now[0]))
    distance = float(ks(tally.days[1].sum(axis=0), tally.now[1]))
    beyond = (index > usual.psi_alarm and index >= MATTERS) or (
        distance > usual.ks_alarm and distance >= MATTERS
    )
    known = [each.importance[name] for each in reference if name in each.importance]
    words = "as usual"
    if beyond:
        words = f"moved: {index:.2f}, usually under {usual.psi:.2f}"
    elif np.isnan(distance):
        words = "unknown"
    return Moved(
        name=name,
        psi=index,
        psi_usual=usual.psi,
        ks=distance,
        ks_usual=usual.ks,
        alarm=bool(beyond),
        importance=now.importance.get(name, float("nan")),
        importance_before=float(np.mean(known)) if known else float("nan"),
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
    left_out = [
        rank_correlation(np.mean([d for j, d in enumerate(days) if j != i], axis=0), day)
        for i, day in enumerate(days)
    ]
    agreement = rank_correlation(np.mean(days, axis=0), today)
    return agreement, float(np.nanmin(left_out))


def _sortable(value: float) -> float:
    return -1.0 if np.isnan(value) else value
