"""An advisor model on snapshots from files.

The features are what was known before; the label is the bucket of a later snapshot, whose trailing
month began after that. Nothing is fitted here.
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
from spotlab.recorded.content import digest_of_file
from spotlab.training.advisor.datasets import Dataset, with_labels, market_of_snapshots, pools_of
from spotlab.training.advisor.labels import TRAILING, high
from spotlab.training.evaluation_report import SEED, assess

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

TASK: Final = "advisor"
HORIZON_H: Final = TRAILING.total_seconds() / 3600.0
BUCKET: Final = "advisor_bucket"
_TRAINING_KEYS: Final = ("sources", "training")
"""The parts of a card that name what the model learned from."""
_LOW: Final = 3.0


class AdvisorForecaster(Protocol):
    """A model that forecasts the next advisor bucket."""

    @property
    def name(self) -> str:
        """As in the card."""
        ...

    @property
    def version(self) -> str:
        """As in the card."""
        ...

    @property
    def card(self) -> Mapping[str, Any]:
        """Everything card.json says."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrix it wants."""
        ...

    def high_bucket_probability(self, matrix: Matrix) -> FloatArray:
        """P(next bucket >= 3) of each row; NaN for a refused row."""
        ...


def evaluate_advisor(
    model: AdvisorForecaster,
    before: Sequence[Path],
    after: Path,
    clock: Clock,
    spot_prices: Sequence[Path] = (),
    *,
    seed: int = SEED,
) -> Document:
    """Every figure of an advisor model on a pair of snapshots, beside simple baselines.

    A row is a region and type, Linux, that both snapshots list. Persistence forecasts the share of
    high buckets after each bucket *on these very rows*, which favours it.

    Args:
        model: as it is.
        before: advisor files; the newest gives the buckets, older ones the past.
        after: the advisor file that gives the label.
        clock: for files whose name carries no date.
        spot_prices: spot.json files dated before the label's trailing month.
        seed: of the bootstrap, which draws families.
    Raises:
        InvalidInput: a file is refused, the trailing month overlaps, or no pair is in both.
    """
    known_snapshots = [snapshot for path in before for snapshot in _advisor(path, clock)]
    prices = [read_snapshots(path, FeedKind.SPOT_PRICES, clock)[0] for path in spot_prices]
    later = _advisor(after, clock)[0]
    data = paired_dataset(known_snapshots, prices, later)
    outcome, bucket = high(data.bucket), data.frame.column(BUCKET)
    if not len(outcome):
        raise InvalidInput(
            f"{after.name} lists no region and type that the earlier snapshot lists.",
            remedy="Give two snapshots of Linux rows.",
        )
    groups = [
        ("bucket < 3 before", bucket < _LOW),
        ("bucket >= 3 before", bucket >= _LOW),
        *((f"bucket {level:g} before", bucket == level) for level in range(5)),
    ]
    document = assess(
        outcome,
        model.high_bucket_probability(data.frame.select(model.feature_names)),
        np.array(data.families),
        {
            "base_rate": np.full(len(outcome), float(outcome.mean())),
            "persistence": persistence(outcome, bucket),
        },
        groups,
        seed=seed,
    )
    files = [*before, *spot_prices, after]
    dates = [snapshot.origin.event_time for snapshot in (*known_snapshots, *prices, later)]
    training_reasons = _learned_from(model.card, files, {f"{at:%Y-%m-%d}" for at in dates})
    warnings = [f"{name}: the model learned from {why}." for name, why in training_reasons.items()]
    if not prices:
        warnings.append("Spot prices are unknown: none were given.")
    if document["rows_refused"]:
        warnings.append(f"The model refused {document['rows_refused']:,} more rows.")
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


def paired_dataset(known: Sequence[Snapshot], prices: Sequence[Snapshot], later: Snapshot) -> Dataset:
    """Rows of pools listed before, with their bucket later.

    Args:
        known: advisor snapshots and the specifications that came with them.
        prices: SPOT_PRICES snapshots.
        later: the label's snapshot.
    Raises:
        InvalidInput: the label's trailing month reaches back into the features.
    """
    advisor = [snapshot for snapshot in known if snapshot.kind is FeedKind.ADVISOR]
    specs = [snapshot for snapshot in known if snapshot.kind is FeedKind.SPECS]
    newest_advisor = max(advisor, key=lambda snapshot: snapshot.origin.event_time)
    specs_table = max(specs, key=lambda snapshot: snapshot.origin.event_time).rows
    frame = compute(market_of_snapshots([*advisor, *prices], specs_table), pools_of(newest_advisor))
    return with_labels(frame, later)


def persistence(outcome: FloatArray, bucket: FloatArray) -> FloatArray:
    """(n,) share of high outcomes after each bucket; of all where the bucket is unknown."""
    level = np.where(np.isnan(bucket), 5, bucket).astype(np.intp)
    rows = np.bincount(level, minlength=6)
    share = np.bincount(level, weights=outcome, minlength=6) / rows.clip(1)
    return np.asarray(share[level], dtype=np.float64)


def _advisor(path: Path, clock: Clock) -> list[Snapshot]:
    """The advisor's snapshot, and the specifications that its file carries."""
    return read_snapshots(path, FeedKind.ADVISOR, clock)


def read_snapshots(path: Path, kind: FeedKind, clock: Clock) -> list[Snapshot]:
    """A file is as old as it says: fetched then, so that nothing is newer than its date."""
    found = FileFeed(path, kind, clock).fetch({})
    return [
        replace(snapshot, origin=replace(snapshot.origin, fetched_at=snapshot.origin.event_time))
        for snapshot in found
    ]


def _learned_from(
    card: Mapping[str, Any], files: Sequence[Path], dates: set[str]
) -> dict[str, str]:
    """Why the model is taken to have learned from a file, by the file's name or the date."""
    card_text = json.dumps(card)
    same_files = {
        path.name: "the same file"
        for path in files
        if digest_of_file(path) in card_text or hashlib.sha256(path.read_bytes()).hexdigest() in card_text
    }
    if same_files:
        return same_files
    training_text = json.dumps([card.get(part, "") for part in _TRAINING_KEYS])
    return {date: "a feed of that day, its card says" for date in sorted(dates) if date in training_text}
