"""Evaluation figures of the advisor model, for its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import FeedKind, Snapshot
from spotlab.domain.risk import BUCKET_RATES
from spotlab.features.engine import compute
from spotlab.inference.adapters import CheckedModel
from spotlab.training.advisor import recipe
from spotlab.training.advisor.datasets import (
    Dataset,
    market_of_snapshots,
    pools_of,
    read_advisor,
    recorded_market,
    with_labels,
)
from spotlab.training.advisor.evaluation import persistence
from spotlab.training.advisor.labels import TRAILING, high, rate_position
from spotlab.training.scores import (
    auc,
    block_interval,
    brier,
    brier_skill,
    pr_auc,
    reliability,
    scores,
)

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

MIN_SUBGROUP_ROWS: Final = 200
_GAP_CLASSES_DAYS: Final = ((31, 60), (61, 120), (121, 170))


def rounded(document: Any, digits: int = 4) -> Any:
    """A document with all floats rounded, since more digits would exceed the data's precision.

    Non-finite floats become None.
    """
    if isinstance(document, dict):
        return {key: rounded(value, digits) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [rounded(value, digits) for value in document]
    if isinstance(document, float):
        return round(float(document), digits) if np.isfinite(document) else None
    return document


def metrics(data: Dataset, forecast: FloatArray, baseline: FloatArray, seed: int) -> Document:
    """Scores with intervals, compared with the baseline and by subgroup, and the reliability table.

    Args:
        data: n rows.
        forecast, baseline: (n,) P(bucket >= 3).
        seed: of the intervals.
    """
    outcome, families = high(data.bucket), data.families
    pairs = (outcome, forecast)
    measures = {"auc": auc, "pr_auc": pr_auc, "brier": brier, "brier_skill": brier_skill}
    return {
        "model": scores(*pairs).as_dict(),
        "interval_95": {
            name: block_interval(measure, pairs, families, seed=seed)
            for name, measure in measures.items()
        },
        "last_bucket_only": scores(outcome, baseline).as_dict(),
        "better_than_last_bucket_95": {
            name: block_interval(
                _score_difference(measure), (*pairs, baseline), families, seed=seed
            )
            for name, measure in (("auc", auc), ("brier", brier))
        },
        "reliability": [
            {
                "forecast": [row.low, row.high],
                "rows": row.rows,
                "mean_forecast": row.mean_forecast,
                "observed_share": row.observed_share,
            }
            for row in reliability(*pairs)
        ],
        "subgroups": {
            name: scores(outcome[rows], forecast[rows]).as_dict()
            for name, rows in _subgroups(data)
            if rows.sum() >= MIN_SUBGROUP_ROWS
        },
    }


def _score_difference(measure: Callable[..., float]) -> Callable[..., float]:
    def difference(outcome: FloatArray, forecast: FloatArray, baseline: FloatArray) -> float:
        return measure(outcome, forecast) - measure(outcome, baseline)

    return difference


def _subgroups(data: Dataset) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    area = np.array([pool.region.partition("-")[0] for pool in data.frame.pools])
    for name in np.unique(area):
        yield f"region {name}-*", area == name
    for feature in ("accelerated", "architecture_arm", "is_metal", "is_burstable"):
        yield f"{feature} = 1", data.frame.column(feature) == 1.0
    bucket = data.frame.column(recipe.BUCKET)
    yield "bucket unknown 14 months before", np.isnan(bucket)
    yield "bucket < 3 fourteen months before", bucket < 3.0
    yield "bucket >= 3 fourteen months before", bucket >= 3.0


def level_by_snapshot(model: CheckedModel, folder: Path) -> Document:
    """Mean forecast on each advisor snapshot, by its day, and the mean of its present buckets.

    Prices are known only for the newest snapshot.
    """
    newest = recorded_market(folder, recipe.LABEL_AT)
    frames = [compute(newest)]
    for path in sorted((folder / "advisor").glob("*.json.gz")):
        snapshot = read_advisor(path)
        if snapshot.origin.event_time < newest.origins[FeedKind.ADVISOR].event_time:
            frames.append(
                compute(market_of_snapshots([snapshot], newest.specs), pools_of(snapshot))
            )
    frames.sort(key=lambda frame: frame.as_of)
    return {f"{frame.as_of:%Y-%m-%d}": _level(model, frame) for frame in frames}


def _level(model: CheckedModel, frame: FeatureFrame) -> Document:
    bucket = frame.column(recipe.BUCKET)
    listed = ~np.isnan(bucket)
    matrix = frame.select(model.feature_names)[listed]
    span = BUCKET_RATES[-1] - BUCKET_RATES[0]
    return {
        "rows": int(listed.sum()),
        "share_at_bucket_3_or_4_now": float(high(bucket[listed]).mean()),
        "mean_forecast": float(np.nanmean(model.high_bucket_probability(matrix))),
        "mean_rate_of_buckets_now": BUCKET_RATES[0]
        + span * float(rate_position(bucket[listed]).mean()),
        "mean_monthly_rate": float(np.nanmean(model.monthly_rate(matrix))),
    }


def scores_on_unseen_snapshots(model: CheckedModel, folder: Path) -> Document:
    """Scores at short gaps, on the advisor snapshots of 2022, which are never used for training.

    Every snapshot is paired with every later one whose trailing month begins after it. Prices are
    unknown. Persistence forecasts the share of high buckets after each bucket *on the same rows*,
    which favours it.
    """
    files = sorted((folder / "evaluation-only" / "advisor").glob("*.json.gz"))
    if not files:
        return {"status": "not measured: evaluation-only/advisor is not in the data folder"}
    snapshots = [read_advisor(path) for path in files]
    specs = recorded_market(folder, recipe.AS_OF).specs
    pairs = [
        _pair_forecasts(model, earlier, later, specs)
        for earlier, later in _snapshot_pairs(snapshots)
    ]
    by_gap = {
        f"{low}-{high_} days apart": [pair for pair in pairs if low <= pair["gap_days"] <= high_]
        for low, high_ in _GAP_CLASSES_DAYS
    }
    return {
        "status": f"{len(pairs)} pairs of advisor snapshots of 2022, prices unknown",
        **{name: _pair_scores(some) for name, some in ({"all": pairs} | by_gap).items() if some},
    }


def _snapshot_pairs(snapshots: list[Snapshot]) -> Iterator[tuple[Snapshot, Snapshot]]:
    for earlier in snapshots:
        for later in snapshots:
            if later.origin.event_time - earlier.origin.event_time > TRAILING:
                yield earlier, later


def _pair_forecasts(
    model: CheckedModel, earlier: Snapshot, later: Snapshot, specs: Any
) -> Document:
    frame = compute(market_of_snapshots([earlier], specs), pools_of(earlier))
    data = with_labels(frame, later)
    fresh = data.frame.select(model.feature_names)
    aged = fresh.copy()
    aged[:, model.feature_names.index(recipe.AGE)] = np.nan
    return {
        "gap_days": (later.origin.event_time - earlier.origin.event_time).days,
        "outcome": high(data.bucket),
        "bucket": data.frame.column(recipe.BUCKET),
        "shipped": model.high_bucket_probability(fresh),
        "trees alone": model.high_bucket_probability(aged),
    }


def _pair_scores(pairs: list[Document]) -> Document:
    outcome, bucket, shipped, trees = (
        np.concatenate([pair[name] for pair in pairs])
        for name in ("outcome", "bucket", "shipped", "trees alone")
    )
    scored = ~np.isnan(shipped)
    forecasts = {
        "shipped": shipped,
        "trees alone": trees,
        "persistence": persistence(outcome, bucket),
    }
    return {
        name: scores(outcome[scored], forecast[scored]).as_dict()
        for name, forecast in forecasts.items()
    } | {"rows refused": int((~scored).sum())}
