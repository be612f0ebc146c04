"""The rows that two models are compared on, from files.

Nothing is fitted here. Both models see the same panel or the same snapshots; what each learned from
is looked up in its card, so that a comparison on training data says so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.aws.feeds import FileFeed
from spotlab.domain.market import FeedKind, Snapshot
from spotlab.domain.ports import Clock
from spotlab.domain.traces import TracePanel
from spotlab.errors import Cancelled, InvalidInput
from spotlab.recorded.content import digest_of_file
from spotlab.recorded.formats import EVALUATION_ONLY
from spotlab.recorded.traces import read_traces, trace_files
from spotlab.training.advisor.evaluation import BUCKET, HORIZON_H, AdvisorForecaster, paired_dataset
from spotlab.training.advisor.labels import high
from spotlab.training.capacity.evaluation import ModelWithCard, Forecast, TraceOptions, campaigns
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.provenance import learned_from

FloatArray = NDArray[np.float64]
Progress = Callable[[str, float], None]
Cancellation = Callable[[], bool]

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_NAMED_FILES: Final = 3
_DAYS_A_CAMPAIGN: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SameRows:
    """Rows with their outcome and both forecasts.

    Args:
        outcome: (n,) 0 or 1.
        first, second: (n,) probabilities; NaN where the model refused the row.
        blocks: (n,) what an interval draws as a whole.
        block: that in a word: day or family.
        label: what the outcome is.
        horizon_h: hours looked ahead.
        table: n rows: what each row is about.
        sources: where the data comes from, with its licence where it has one.
        warnings: sentences: which files were training data of which model.
        notes: sentences: what else limits the comparison.
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


def of_traces(
    models: tuple[ModelWithCard, ModelWithCard],
    forecasts: tuple[Forecast, Forecast],
    paths: Sequence[Path],
    horizon_h: float,
    options: TraceOptions,
    progress: Progress,
    cancelled: Cancellation,
) -> SameRows:
    """Rows of availability traces, for two capacity models.

    Args:
        models: name and card of each.
        forecasts: P(capacity lost within the rows' horizon) by each.
        paths: files, and folders of files; sibling zones are seen together.
        horizon_h: hours that the label looks ahead.
        options: what the files do not say themselves.
        tell: told what is being done, and the share done.
        stopped: asked between steps.
    Raises:
        InvalidInput: a file is refused, too short, or leaves no row.
        Cancelled: was asked to stop.
    """
    progress("reading the traces", 0.05)
    files = trace_files(paths)
    traces = read_traces(
        files,
        polarity=options.polarity,
        gap_s=options.gap_s,
        format=options.format,
        nodes=options.nodes,
    )
    panels = campaigns(traces, files)
    parts = [(panel, capacity_rows(panel, horizon_h)) for panel in panels]
    all_forecasts: list[FloatArray] = []
    for number, (model, forecast) in enumerate(zip(models, forecasts, strict=True)):
        _raise_if_cancelled(cancelled)
        progress(f"asking {model.name}@{model.version}", 0.15 + 0.3 * number)
        all_forecasts.append(np.concatenate([forecast(panel, rows) for panel, rows in parts]))
    training_files = {f"{m.name}@{m.version}": learned_from(m.card, traces, files) for m in models}
    return SameRows(
        outcome=np.concatenate([rows.label for _, rows in parts]),
        first=all_forecasts[0],
        second=all_forecasts[1],
        blocks=np.concatenate(
            [rows.block + i * _DAYS_A_CAMPAIGN for i, (_, rows) in enumerate(parts)]
        ),
        block="day",
        label=f"capacity could not be had at some probe of the next {horizon_h:g} h, given that "
        "it could be had at that moment",
        horizon_h=horizon_h,
        table=pd.concat([_row_table(panel, rows) for panel, rows in parts], ignore_index=True),
        sources=tuple(dict.fromkeys(trace.source for trace in traces)),
        warnings=_training_data_warnings(training_files, len(files)),
        notes=_licence_notes(files),
    )


def of_snapshots(
    models: tuple[AdvisorForecaster, AdvisorForecaster],
    before: Sequence[Path],
    after: Path,
    spot_prices: Sequence[Path],
    clock: Clock,
    progress: Progress,
    cancelled: Cancellation,
) -> SameRows:
    """Rows of a pair of advisor snapshots, for two advisor models.

    Args:
        models: as they are.
        before: advisor files; the newest gives the buckets, older ones the past.
        after: the advisor file that gives the label.
        spot_prices: spot.json files dated before the label's trailing month.
        clock: for files whose name carries no date.
        tell, stopped: as in `of_traces`.
    Raises:
        InvalidInput: a file is refused, the trailing month overlaps, or no pair is in both.
        Cancelled: was asked to stop.
    """
    progress("reading the snapshots", 0.05)
    known = [found for path in before for found in _fetched(path, FeedKind.ADVISOR, clock)]
    prices = [_fetched(path, FeedKind.SPOT_PRICES, clock)[0] for path in spot_prices]
    later = _fetched(after, FeedKind.ADVISOR, clock)[0]
    _raise_if_cancelled(cancelled)
    progress("computing the features", 0.2)
    data = paired_dataset(known, prices, later)
    if not len(data.bucket):
        raise InvalidInput(
            f"{after.name} lists no region and type that the earlier snapshot lists.",
            remedy="Give two snapshots of Linux rows.",
        )
    all_forecasts: list[FloatArray] = []
    for number, model in enumerate(models):
        _raise_if_cancelled(cancelled)
        progress(f"asking {model.name}@{model.version}", 0.4 + 0.1 * number)
        all_forecasts.append(model.high_bucket_probability(data.frame.select(model.feature_names)))
    files = [*before, *spot_prices, after]
    training_files = {
        f"{model.name}@{model.version}": {
            path.name: why for path in files if (why := _training_data_reason(path, model.card))
        }
        for model in models
    }
    price_notes = () if prices else ("Spot prices are unknown to both: none were chosen.",)
    pools = data.frame.pools
    return SameRows(
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


def digest(references: Sequence[str], files: Sequence[Path], options: Sequence[object]) -> str:
    """Of a comparison: the models' digests, the files' content and what was declared.

    Args:
        references: digest of each model.
        files: in the order they are read.
        said: options.
    """
    parts = [*references, *(digest_of_file(path) for path in files), *map(repr, options)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _row_table(panel: TracePanel, rows: CapacityRows) -> pd.DataFrame:
    """Which trace and when; the time is unknown (NaT) where the files carry none."""
    at: Any = pd.Series(pd.NaT, index=range(len(rows)), dtype="datetime64[us, UTC]")
    if panel.started_at is not None:
        started = panel.started_at
        at = pd.to_datetime([started + timedelta(hours=float(h)) for h in rows.elapsed_h])
    return pd.DataFrame(
        {"trace": np.array(panel.names)[rows.pool], "elapsed_h": rows.elapsed_h, "at": at}
    )


def _fetched(path: Path, kind: FeedKind, clock: Clock) -> list[Snapshot]:
    """A file is as old as it says: fetched then, so that nothing is newer than its date."""
    return [
        replace(snapshot, origin=replace(snapshot.origin, fetched_at=snapshot.origin.event_time))
        for snapshot in FileFeed(path, kind, clock).fetch({})
    ]


def _training_data_reason(path: Path, card: Mapping[str, Any]) -> str:
    """Why a model is taken to have learned from a feed's file; "" when nothing says so.

    Cards name their sources' dates; newer ones carry the files' digests too.
    """
    card_text = json.dumps(card)
    if hashlib.sha256(path.read_bytes()).hexdigest() in card_text or digest_of_file(path) in card_text:
        return "the same file"
    day = path.name.partition(".")[0]
    kind = "advisor" if "advisor" in path.parts else "price"
    for source in card.get("sources", ()):
        source_text = json.dumps(source).lower()
        if _DAY.fullmatch(day) and day in source_text and kind in source_text:
            return f"its card names the feed of {day}"
    return ""


def _training_data_warnings(training_files: Mapping[str, Mapping[str, str]], file_count: int) -> tuple[str, ...]:
    """A sentence a model that learned from some of the files."""
    return tuple(
        f"{model} learned from {len(reasons)} of {file_count} files, which flatters it: "
        + "; ".join(f"{name} ({why})" for name, why in [*reasons.items()][:_MAX_NAMED_FILES])
        + (f" and {len(reasons) - _MAX_NAMED_FILES} more." if len(reasons) > _MAX_NAMED_FILES else ".")
        for model, reasons in training_files.items()
        if reasons
    )


def _licence_notes(files: Sequence[Path]) -> tuple[str, ...]:
    unlicensed = [path.name for path in files if EVALUATION_ONLY in path.resolve().parts]
    if not unlicensed:
        return ()
    return (
        f"{len(unlicensed)} of {len(files)} files carry no licence: they measure, and train nothing.",
    )


def _raise_if_cancelled(cancelled: Cancellation) -> None:
    if cancelled():
        raise Cancelled("The comparison was stopped.")
