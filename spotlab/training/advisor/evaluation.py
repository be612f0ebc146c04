"""Evaluation of an advisor model on snapshots from files.

Features come from earlier snapshots; the label is the bucket of a later snapshot whose trailing
month began after them. Nothing is fitted here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from spotlab.aws.feeds import FileFeed
from spotlab.domain.features import Matrix
from spotlab.domain.market import FeedKind, Snapshot
from spotlab.domain.ports import Clock
from spotlab.errors import InvalidInput
from spotlab.features.engine import compute
from spotlab.inference.calibration import HIGH_BUCKET
from spotlab.recorded.file_reading import digest_of_file
from spotlab.training.advisor.datasets import Dataset, market_of_snapshots, pools_of, with_labels
from spotlab.training.advisor.labels import TRAILING, high
from spotlab.training.advisor.online import BUCKET, online_pair
from spotlab.training.evaluation_report import MODEL, SEED, ModelWithCard, assess
from spotlab.training.online_report import OnlineRows, online_document

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

TASK: Final = "advisor"
HORIZON_H: Final = TRAILING.total_seconds() / 3600.0
_TRAINING_KEYS: Final = ("sources", "training")
"""Keys of a card that name the training data."""


class AdvisorForecaster(ModelWithCard, Protocol):
    """A model that forecasts the next advisor bucket."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of its matrix."""
        ...

    def high_bucket_probability(self, matrix: Matrix) -> FloatArray:
        """P(next bucket >= 3) of each row; NaN for a rejected row."""
        ...


def evaluate_advisor(
    model: AdvisorForecaster,
    before: Sequence[Path],
    after: Path,
    clock: Clock,
    spot_prices: Sequence[Path] = (),
    *,
    online: bool = False,
    seed: int = SEED,
) -> Document:
    """Evaluate an advisor model on a pair of snapshots, compared with simple baselines.

    A row is a region and type (Linux) that both snapshots list. The baseline `persistence`
    forecasts the share of high buckets after each bucket *on the same rows*, which favours it.

    Args:
        model: the model.
        before: advisor files; the newest has the buckets, older ones are its past.
        after: advisor file with the label.
        clock: for files whose names have no date.
        spot_prices: spot.json files dated before the label's trailing month.
        online: also forecast online, with weights learnt from earlier pairs; see `online_pair`.
        seed: of the bootstrap, which draws families.
    Raises:
        InvalidInput: a file is rejected, the trailing month overlaps the features, or no region
            and type is in both.
    """
    known_snapshots = [
        found for path in before for found in read_snapshots(path, FeedKind.ADVISOR, clock)
    ]
    prices = [read_snapshots(path, FeedKind.SPOT_PRICES, clock)[0] for path in spot_prices]
    later = read_snapshots(after, FeedKind.ADVISOR, clock)[0]
    data = paired_dataset(known_snapshots, prices, later)
    outcome, bucket = high(data.bucket), data.frame.column(BUCKET)
    groups = [
        ("bucket < 3 before", bucket < HIGH_BUCKET),
        ("bucket >= 3 before", bucket >= HIGH_BUCKET),
        *((f"bucket {level:g} before", bucket == level) for level in range(5)),
    ]
    forecast = model.high_bucket_probability(data.frame.select(model.feature_names))
    rules = {
        "base_rate": np.full(len(outcome), float(outcome.mean())),
        "persistence": persistence(outcome, bucket),
    }
    document = assess(outcome, forecast, np.array(data.families), rules, groups, seed=seed)
    if online:
        made = online_pair(model, known_snapshots, prices, later, paired_dataset)
        rows = OnlineRows(
            probability=made.probability,
            experts={MODEL: forecast, **rules},
            outcome=outcome,
            blocks=np.array(data.families),
            time_order=None,
            share=np.ones(len(outcome)),
            groups=groups,
        )
        document["online"] = {
            "pairs_learnt_from": made.lessons,
            **online_document(rows, {"all pairs": made.forecaster}, seed=seed),
        }
    files = [*before, *spot_prices, after]
    dates = [snapshot.origin.event_time for snapshot in (*known_snapshots, *prices, later)]
    training_reasons = _learned_from(model.card, files, {f"{at:%Y-%m-%d}" for at in dates})
    warnings = [f"{name}: the model learned from {why}." for name, why in training_reasons.items()]
    if not prices:
        warnings.append("Spot prices are unknown: none were given.")
    if document["rows_refused"]:
        warnings.append(f"The model rejected {document['rows_refused']:,} more rows.")
    return {
        "model": f"{model.name}@{model.version}",
        "task": TASK,
        "horizon_h": HORIZON_H,
        "label": "advisor bucket of 3 or 4: over 15 % of instances interrupted in a trailing month",
        "files": [str(path) for path in files],
        **document,
        "known_at": data.frame.as_of.isoformat(),
        "label_at": data.label_at.isoformat(),
        "gap_days": (data.label_at - data.frame.as_of).days,
        "learned_from": training_reasons,
        "warnings": warnings,
    }


def paired_dataset(
    known: Sequence[Snapshot], prices: Sequence[Snapshot], later: Snapshot
) -> Dataset:
    """Rows of pools that an earlier snapshot lists, with their bucket in a later one.

    Args:
        known: earlier advisor snapshots and the specifications from the same files.
        prices: SPOT_PRICES snapshots.
        later: the label's snapshot.
    Raises:
        InvalidInput: the label's trailing month overlaps the features, or no region and type is
            in both.
    """
    advisor = [snapshot for snapshot in known if snapshot.kind is FeedKind.ADVISOR]
    specs = [snapshot for snapshot in known if snapshot.kind is FeedKind.SPECS]
    newest_advisor = max(advisor, key=lambda snapshot: snapshot.origin.event_time)
    specs_table = max(specs, key=lambda snapshot: snapshot.origin.event_time).rows
    frame = compute(market_of_snapshots([*advisor, *prices], specs_table), pools_of(newest_advisor))
    data = with_labels(frame, later)
    if not len(data.bucket):
        raise InvalidInput(
            f"The snapshots of {newest_advisor.origin.event_time:%Y-%m-%d} and "
            f"{data.label_at:%Y-%m-%d} have no region and type in common.",
            remedy="Use two snapshots with Linux rows.",
        )
    return data


def persistence(outcome: FloatArray, bucket: FloatArray) -> FloatArray:
    """(n,) share of high outcomes among rows with the same bucket; NaN is a bucket of its own."""
    level = np.where(np.isnan(bucket), 5, bucket).astype(np.intp)
    rows = np.bincount(level, minlength=6)
    share = np.bincount(level, weights=outcome, minlength=6) / rows.clip(1)
    return np.asarray(share[level], dtype=np.float64)


def read_snapshots(path: Path, kind: FeedKind, clock: Clock) -> list[Snapshot]:
    """A file's snapshots, with the event time as fetch time, so that nothing is newer than it.

    An advisor file also has a snapshot of specifications, after the advisor's.
    """
    return [
        replace(snapshot, origin=replace(snapshot.origin, fetched_at=snapshot.origin.event_time))
        for snapshot in FileFeed(path, kind, clock).fetch({})
    ]


def _learned_from(
    card: Mapping[str, Any], files: Sequence[Path], dates: set[str]
) -> dict[str, str]:
    """Why a file counts as training data of the model, by the file's name or date."""
    card_text = json.dumps(card)
    same_files = {
        path.name: "the same file"
        for path in files
        if digest_of_file(path) in card_text
        or hashlib.sha256(path.read_bytes()).hexdigest() in card_text
    }
    if same_files:
        return same_files
    training_text = json.dumps([card.get(part, "") for part in _TRAINING_KEYS])
    return {
        date: "a feed of that day, its card says" for date in sorted(dates) if date in training_text
    }
