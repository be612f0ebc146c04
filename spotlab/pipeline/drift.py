"""Whether the market, the predictions or their reasons have moved. Pipeline floor: pure.

The reference is the first days of own scored markets. How far two of its own days are apart says
what is usual: an alarm needs more than that (docs/adr/0013-outcomes-and-drift.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.drift import FloatArray, MarketSketch, Sketch, ks, psi, rank_correlation
from spotlab.domain.market import MarketName
from spotlab.domain.ports import RiskModel
from spotlab.errors import InvalidInput
from spotlab.pipeline.assess import ScoredMarket

SKETCH_EVERY: Final = timedelta(hours=1)
"""A market is not sketched more often: 20 KB each."""
EXPLAINED_POOLS: Final = 500
REFERENCE_DAYS: Final = 14
MIN_REFERENCE_DAYS: Final = 5
RESAMPLES: Final = 200
DRAWN: Final = 400
"""Values that stand for one day's sketch."""
FAMILY_LEVEL: Final = 0.95
"""Of markets that only vary as the reference's own days do, this share raises no alarm at all."""
MATTERS: Final = 0.1
"""PSI or KS below this is no alarm, however steady the reference was."""
PREDICTION: Final = "predicted hazard"


def sketch(scored: ScoredMarket, model: RiskModel) -> MarketSketch:
    """A scored market in a few numbers; importance from at most EXPLAINED_POOLS pools.

    Args:
        scored: by `model`.
        model: explains its own score.
    """
    matrix = scored.frame.select(model.feature_names)
    hazard = scored.table["hazard_per_hour"].to_numpy(dtype=np.float64, copy=True)
    for row, evidence in scored.evidence.items():
        hazard[row] = evidence.prior_hazard_per_hour
    chosen = np.unique(np.linspace(0, len(matrix) - 1, EXPLAINED_POOLS).astype(np.intp))
    return MarketSketch(
        market=scored.data.market,
        model=scored.model,
        at=scored.data.as_of,
        pools=len(matrix),
        features={
            name: Sketch.of(matrix[:, column]) for column, name in enumerate(model.feature_names)
        },
        prediction=Sketch.of(hazard),
        importance=_importance(model, matrix[chosen]) if len(matrix) else {},
    )


def _importance(model: RiskModel, matrix: FloatArray) -> dict[str, float]:
    try:
        parts, _ = model.contributions(np.ascontiguousarray(matrix))
    except InvalidInput:  # the model has no explanation
        return {}
    explained = parts[np.isfinite(parts).all(axis=1)]
    if not len(explained):
        return {}
    sizes = np.abs(explained).mean(axis=0)
    return {name: float(size) for name, size in zip(model.feature_names, sizes, strict=True)}


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
        importance_usual: 95 % of the reference's own days agree better than this.
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
    drawn = {name: [_drawn(each, name) for each in reference] for name in names}
    usual, family = _usual(names, drawn)
    moved = [
        _moved(name, np.concatenate(drawn[name]), now, reference, usual[name], family)
        for name in names
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


def _usual(
    names: Sequence[str], drawn: dict[str, list[FloatArray]]
) -> tuple[dict[str, tuple[float, float]], float]:
    """What is usual, by name (PSI, KS), and the factor beyond it that makes an alarm.

    Each resample holds one reference day against a bootstrap of the others. The factor is the
    FAMILY_LEVEL quantile of the largest excess over the whole table, so that a long table raises
    no more false alarms than a short one.
    """
    rng = np.random.default_rng(0)
    count = len(drawn[names[0]])
    found = np.empty((RESAMPLES, len(names), 2))
    for draw in range(RESAMPLES):
        out = int(rng.integers(count))
        others = rng.choice([day for day in range(count) if day != out], size=count - 1)
        for column, name in enumerate(names):
            rest = np.concatenate([drawn[name][day] for day in others])
            day = drawn[name][out]
            found[draw, column] = psi(rest, day), ks(rest, day)
    found = np.nan_to_num(found)
    bands = np.maximum(np.quantile(found, 0.95, axis=0), 1e-3)
    family = max(1.0, float(np.quantile((found / bands).max(axis=(1, 2)), FAMILY_LEVEL)))
    usual = {
        name: (float(band[0]), float(band[1])) for name, band in zip(names, bands, strict=True)
    }
    return usual, family


def _moved(
    name: str,
    before: FloatArray,
    now: MarketSketch,
    reference: Sequence[MarketSketch],
    usual: tuple[float, float],
    family: float,
) -> Moved:
    today = _drawn(now, name)
    index, distance = psi(before, today), ks(before, today)
    beyond = (index > family * usual[0] and index >= MATTERS) or (
        distance > family * usual[1] and distance >= MATTERS
    )
    known = [each.importance[name] for each in reference if name in each.importance]
    words = (
        f"moved: {index:.2f}, usually under {usual[0]:.2f}"
        if beyond
        else "unknown"
        if np.isnan(distance)
        else "as usual"
    )
    return Moved(
        name=name,
        psi=index,
        psi_usual=usual[0],
        ks=distance,
        ks_usual=usual[1],
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
    return agreement, float(np.nanquantile(left_out, 0.05))


def _sortable(value: float) -> float:
    return -1.0 if np.isnan(value) else value
