"""Rows of files on which two models are compared, with both forecasts.

Nothing is fitted here. Each model's card is searched for the files, so that a comparison on
training data is marked as such.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.domain.market import FeedKind
from spotlab.domain.ports import Clock
from spotlab.errors import Cancelled
from spotlab.recorded.file_reading import digest_of_file
from spotlab.recorded.formats import EVALUATION_ONLY
from spotlab.recorded.traces import trace_files
from spotlab.training.advisor.evaluation import (
    HORIZON_H,
    AdvisorForecaster,
    paired_dataset,
    read_snapshots,
)
from spotlab.training.advisor.labels import high
from spotlab.training.advisor.online import BUCKET
from spotlab.training.capacity.evaluation import Forecast, TraceOptions, campaigns
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.evaluation_report import ModelWithCard
from spotlab.training.provenance import learned_from

FloatArray = NDArray[np.float64]
Progress = Callable[[str, float], None]
Cancellation = Callable[[], bool]

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_NAMED_FILES: Final = 3


@dataclass(frozen=True, slots=True)
class PairedRows:
    """Rows with their outcome and both forecasts.

    Args:
        outcome: (n,) 0 or 1.
        first, second: (n,) probabilities; NaN for rows that the model rejected.
        blocks: (n,) block of each row; intervals draw whole blocks.
        block: kind of block: "day" or "family".
        label: description of the outcome.
        horizon_h: hours that the label looks ahead.
        table: n rows that identify what each row is about.
        sources: of the data, with the licence if there is one.
        warnings: sentences: which files were training data of which model.
        notes: sentences: other limits of the comparison.
    """

    outcome: FloatArray
    first: FloatArray
    second: FloatArray
    blocks: NDArray[np.generic]
    block: str
    label: str
    horizon_h: float
    table: pd.DataFrame
    sources: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def pair_on_traces(
    models: tuple[ModelWithCard, ModelWithCard],
    forecasts: tuple[Forecast, Forecast],
    paths: Sequence[Path],
    horizon_h: float,
    options: TraceOptions,
    progress: Progress,
    cancelled: Cancellation,
) -> PairedRows:
    """Rows of availability traces, for two capacity models.

    Args:
        models: name and card of each.
        forecasts: P(capacity lost within the rows' horizon) of each model.
        paths: files and folders of files; sibling zones form one panel.
        horizon_h: hours that the label looks ahead.
        options: properties that the files do not state.
        progress: called with the name of the current step and the completed share, 0..1.
        cancelled: called between steps.
    Raises:
        InvalidInput: a file is rejected or too short, or there is no row.
        Cancelled: `cancelled` returned True.
    """
    progress("reading the traces", 0.05)
    files = trace_files(paths)
    traces = options.read(files)
    panels = campaigns(traces, files)
    parts = [(panel, capacity_rows(panel, horizon_h)) for panel in panels]
    all_forecasts: list[FloatArray] = []
    for number, (model, forecast) in enumerate(zip(models, forecasts, strict=True)):
        _raise_if_cancelled(cancelled)
        progress(f"scoring with {model.name}@{model.version}", 0.15 + 0.3 * number)
        all_forecasts.append(np.concatenate([forecast(panel, rows) for panel, rows in parts]))
    training_files = {f"{m.name}@{m.version}": learned_from(m.card, traces, files) for m in models}
    return PairedRows(
        outcome=np.concatenate([rows.label for _, rows in parts]),
        first=all_forecasts[0],
        second=all_forecasts[1],
        blocks=np.concatenate([rows.campaign_block(i) for i, (_, rows) in enumerate(parts)]),
        block="day",
        label=f"capacity was unavailable at a probe within the next {horizon_h:g} h, given that "
        "it was available at the time",
        horizon_h=horizon_h,
        table=pd.concat([_row_table(panel, rows) for panel, rows in parts], ignore_index=True),
        sources=tuple(dict.fromkeys(trace.source for trace in traces)),
        warnings=_training_data_warnings(training_files, len(files)),
        notes=_licence_notes(files),
    )


def pair_on_snapshots(
    models: tuple[AdvisorForecaster, AdvisorForecaster],
    before: Sequence[Path],
    after: Path,
    spot_prices: Sequence[Path],
    clock: Clock,
    progress: Progress,
    cancelled: Cancellation,
) -> PairedRows:
    """Rows of a pair of advisor snapshots, for two advisor models.

    Args:
        models: the two models.
        before: advisor files; the newest has the buckets, older ones are its past.
        after: advisor file with the label.
        spot_prices: spot.json files dated before the label's trailing month.
        clock: for files whose names have no date.
        progress, cancelled: as in `pair_on_traces`.
    Raises:
        InvalidInput: a file is rejected, the trailing month overlaps the features, or no region
            and type is in both.
        Cancelled: `cancelled` returned True.
    """
    progress("reading the snapshots", 0.05)
    known = [found for path in before for found in read_snapshots(path, FeedKind.ADVISOR, clock)]
    prices = [read_snapshots(path, FeedKind.SPOT_PRICES, clock)[0] for path in spot_prices]
    later = read_snapshots(after, FeedKind.ADVISOR, clock)[0]
    _raise_if_cancelled(cancelled)
    progress("computing the features", 0.2)
    data = paired_dataset(known, prices, later)

    all_forecasts: list[FloatArray] = []
    for number, model in enumerate(models):
        _raise_if_cancelled(cancelled)
        progress(f"scoring with {model.name}@{model.version}", 0.4 + 0.1 * number)
        all_forecasts.append(model.high_bucket_probability(data.frame.select(model.feature_names)))
    files = [*before, *spot_prices, after]
    training_files = {
        f"{model.name}@{model.version}": {
            path.name: why for path in files if (why := _training_data_reason(path, model.card))
        }
        for model in models
    }
    price_notes = () if prices else ("Spot prices are unknown to both models: none were chosen.",)
    pools = data.frame.pools
    return PairedRows(
        outcome=high(data.bucket),
        first=all_forecasts[0],
        second=all_forecasts[1],
        blocks=np.array(data.families),
        block="family",
        label="advisor bucket of 3 or 4, over 15 % of instances interrupted, on "
        f"{data.label_at:%Y-%m-%d}, {(data.label_at - data.frame.as_of).days} days later",
        horizon_h=HORIZON_H,
        table=pd.DataFrame(
            {
                "type": [pool.instance_type for pool in pools],
                "region": [pool.region for pool in pools],
                "bucket_before": data.frame.column(BUCKET),
                "bucket_after": data.bucket,
            }
        ),
        sources=tuple(f"AWS Spot Advisor of {path.name.partition('.')[0]}" for path in files),
        warnings=_training_data_warnings(training_files, len(files)),
        notes=price_notes + _licence_notes(files),
    )


def comparison_digest(
    references: Sequence[str], files: Sequence[Path], options: Sequence[object]
) -> str:
    """SHA-256 of a comparison: the models' digests, the files' content and the options.

    Args:
        references: digest of each model.
        files: in the order in which they are read.
        options: values with a stable `repr`.
    """
    parts = [*references, *(digest_of_file(path) for path in files), *map(repr, options)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _row_table(panel: TracePanel, rows: CapacityRows) -> pd.DataFrame:
    """Trace and time of each row; the time is NaT if the files have none."""
    at: Any = pd.Series(pd.NaT, index=range(len(rows)), dtype="datetime64[us, UTC]")
    if panel.started_at is not None:
        started = panel.started_at
        at = pd.to_datetime([started + timedelta(hours=float(h)) for h in rows.elapsed_h])
    return pd.DataFrame(
        {"trace": np.array(panel.names)[rows.pool], "elapsed_h": rows.elapsed_h, "at": at}
    )


def _training_data_reason(path: Path, card: Mapping[str, Any]) -> str:
    """Why a feed file counts as training data of a model; "" if nothing indicates it.

    Cards name the dates of their sources; newer ones also have the files' digests.
    """
    card_text = json.dumps(card)
    if (
        hashlib.sha256(path.read_bytes()).hexdigest() in card_text
        or digest_of_file(path) in card_text
    ):
        return "the same file"
    day = path.name.partition(".")[0]
    kind = "advisor" if "advisor" in path.parts else "price"
    for source in card.get("sources", ()):
        source_text = json.dumps(source).lower()
        if _DAY.fullmatch(day) and day in source_text and kind in source_text:
            return f"its card names the feed of {day}"
    return ""


def _training_data_warnings(
    training_files: Mapping[str, Mapping[str, str]], file_count: int
) -> tuple[str, ...]:
    """A sentence for each model that was trained on some of the files."""
    return tuple(
        f"{model} was trained on {len(reasons)} of {file_count} files, which flatters it: "
        + "; ".join(f"{name} ({why})" for name, why in [*reasons.items()][:_MAX_NAMED_FILES])
        + (
            f" and {len(reasons) - _MAX_NAMED_FILES} more."
            if len(reasons) > _MAX_NAMED_FILES
            else "."
        )
        for model, reasons in training_files.items()
        if reasons
    )


def _licence_notes(files: Sequence[Path]) -> tuple[str, ...]:
    unlicensed = [path.name for path in files if EVALUATION_ONLY in path.resolve().parts]
    if not unlicensed:
        return ()
    return (
        f"{len(unlicensed)} of {len(files)} files have no licence: they are used for evaluation "
        "only, never for training.",
    )


def _raise_if_cancelled(cancelled: Cancellation) -> None:
    if cancelled():
        raise Cancelled("The comparison was cancelled.")
