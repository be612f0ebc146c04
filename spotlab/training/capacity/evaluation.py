"""Evaluation of a capacity model on trace files.

Nothing is fitted here: the baselines' parameters come from the model's card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import Trace, TracePanel, align
from spotlab.domain.features import Matrix
from spotlab.features.capacity_model.features import CapacityFrame, compute_capacity
from spotlab.recorded.traces import (
    Polarity,
    TraceFormat,
    read_traces,
    share_tick_times,
    trace_files,
)
from spotlab.recorded.zone_names import ZoneIds
from spotlab.training.capacity.baselines import forecast_baselines, rule_parameters
from spotlab.training.capacity.online import online_campaign
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.evaluation_report import MODEL, SEED, ModelWithCard, assess
from spotlab.training.online_report import OnlineRows, online_document
from spotlab.training.provenance import learned_from

FloatArray = NDArray[np.float64]
Document = dict[str, Any]
Forecast = Callable[[TracePanel, CapacityRows], FloatArray]

TASK: Final = "capacity"


class CapacityForecaster(ModelWithCard, Protocol):
    """A model that forecasts capacity loss within any horizon."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of its matrix."""
        ...

    def loss_probability(self, matrix: Matrix, horizon_h: float) -> FloatArray:
        """P(capacity lost within horizon_h) of each row; NaN for a rejected row."""
        ...


def forecaster(model: CapacityForecaster) -> Forecast:
    """A function that computes features of rows and the model's forecasts for them.

    It remembers the features of the newest panel, which do not depend on the horizon.
    """

    newest: list[tuple[TracePanel, CapacityFrame]] = []

    def forecast(panel: TracePanel, rows: CapacityRows) -> FloatArray:
        if not newest or newest[0][0] is not panel:
            newest[:] = [(panel, compute_capacity(panel))]
        matrix = newest[0][1].select(model.feature_names, rows.tick, rows.pool)
        return model.loss_probability(matrix, rows.horizon_h)

    return forecast


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Declared properties of trace files; see `recorded.traces.read_trace`."""

    format: TraceFormat | None = None
    polarity: Polarity | None = None
    gap_s: float | None = None
    nodes: int = 1
    columns: Sequence[str] = ()
    zone_ids: ZoneIds = field(default_factory=dict)

    def read(self, files: Sequence[Path]) -> list[Trace]:
        """The traces in the files. Raises InvalidInput for a rejected file."""
        return read_traces(
            files,
            polarity=self.polarity,
            gap_s=self.gap_s,
            format=self.format,
            nodes=self.nodes,
            columns=self.columns,
            zone_ids=self.zone_ids,
        )


def evaluate_traces(
    model: ModelWithCard,
    forecast: Forecast,
    paths: Sequence[Path],
    horizon_h: float,
    options: TraceOptions | None = None,
    *,
    online: bool = False,
    seed: int = SEED,
) -> Document:
    """Evaluate a capacity model on trace files, compared with the baselines in its card.

    Sibling zones form one panel: see `campaigns`.

    Args:
        model: name and card.
        forecast: P(capacity lost within the rows' horizon) of each row.
        paths: files and folders of files.
        horizon_h: hours that the label looks ahead.
        options: properties that the files do not state.
        online: also forecast the rows online, each campaign on its own; see `online_campaign`.
        seed: of the bootstrap.
    Raises:
        InvalidInput: a file is rejected or too short, or there is no row.
    """
    files = trace_files(paths)
    traces = _uniquely_named(files, (options or TraceOptions()).read(files))
    evaluated = [
        _evaluated(panel, horizon_h, forecast, model) for panel in campaigns(traces, files)
    ]
    groups, warnings = _trace_groups(traces, evaluated)
    document = assess(
        np.concatenate([part.rows.label for part in evaluated]),
        np.concatenate([part.forecast for part in evaluated]),
        np.concatenate([part.rows.campaign_block(i) for i, part in enumerate(evaluated)]),
        _concatenated([part.baselines for part in evaluated]),
        groups,
        seed=seed,
    )
    training_reasons = learned_from(model.card, traces, files)
    warnings += [f"{name}: the model learned from {why}." for name, why in training_reasons.items()]
    if not document["base_rate"]:
        warnings.append("Capacity is never lost in these rows.")
    elif document["base_rate"] == 1:
        warnings.append("Capacity is lost within the horizon in every row.")
    if not rule_parameters(model.card):
        warnings.append(
            "The model's card has no baselines: only the base rate of the rows is shown."
        )
    if document["rows_refused"]:
        warnings.append(f"The model rejected {document['rows_refused']:,} more rows.")
    if online:
        document["online"] = _online(evaluated, groups, forecast, rule_parameters(model.card), seed)
    return {
        "model": f"{model.name}@{model.version}",
        "task": TASK,
        "horizon_h": float(horizon_h),
        "label": f"capacity could not be had at some probe of the next {horizon_h:g} h, given that "
        "it can be had now; a launch probe is not an interruption",
        "files": [str(path) for path in files],
        **document,
        "sources": [trace.source for trace in traces],
        "sampled_every_s": [part.rows.every * part.panel.gap_s for part in evaluated],
        "learned_from": training_reasons,
        "warnings": warnings,
    }


def _uniquely_named(files: Sequence[Path], traces: Sequence[Trace]) -> list[Trace]:
    """The traces; those that share a name get their folder's name as a prefix."""
    count = Counter(trace.name for trace in traces)
    return [
        replace(trace, name=f"{path.parent.name}/{trace.name}") if count[trace.name] > 1 else trace
        for path, trace in zip(files, traces, strict=True)
    ]


def campaigns(traces: Sequence[Trace], files: Sequence[Path] = ()) -> list[TracePanel]:
    """Panels of traces that were probed together.

    Traces with a start time form a panel if their times overlap. If any start time is unknown,
    traces form a panel if they have the same gap and, if files are given, the same folder.

    Args:
        traces: of one or several campaigns.
        files: of each trace; () if there are none.
    Raises:
        InvalidInput: as `align`.
    """
    folders = [file.resolve().parent for file in files] or [Path()] * len(traces)
    clocked = share_tick_times(traces)
    if clocked and all(trace.started_at is not None for trace in clocked):
        return [align(together) for together in _overlapping(clocked)]
    groups: dict[tuple[float, Path], list[Trace]] = {}
    for trace, folder in sorted(zip(clocked, folders, strict=True), key=lambda pair: pair[0].gap_s):
        groups.setdefault((trace.gap_s, folder), []).append(trace)
    return [align(group) for group in groups.values()]


def _overlapping(traces: Sequence[Trace]) -> list[list[Trace]]:
    """Traces with a start time, grouped by overlapping times."""
    groups: list[list[Trace]] = []
    latest_end: datetime | None = None
    for start, trace in sorted(((_start(trace), trace) for trace in traces), key=lambda p: p[0]):
        if latest_end is None or start > latest_end:
            groups.append([])
        groups[-1].append(trace)
        end = start + timedelta(hours=float(trace.elapsed_h[-1]))
        latest_end = end if latest_end is None else max(latest_end, end)
    return groups


def _start(trace: Trace) -> datetime:
    assert trace.started_at is not None
    return trace.started_at


@dataclass(frozen=True, slots=True)
class _EvaluatedPanel:
    panel: TracePanel
    rows: CapacityRows
    forecast: FloatArray
    baselines: Mapping[str, FloatArray]


def _evaluated(
    panel: TracePanel, horizon_h: float, forecast: Forecast, model: ModelWithCard
) -> _EvaluatedPanel:
    rows = capacity_rows(panel, horizon_h)
    fitted = rule_parameters(model.card)
    if fitted:
        baselines = forecast_baselines(fitted, panel, rows)
    else:
        baselines = {"base_rate": np.full(len(rows), float(rows.label.mean()))}
    return _EvaluatedPanel(panel, rows, forecast(panel, rows), baselines)


def _online(
    parts: Sequence[_EvaluatedPanel],
    groups: Sequence[tuple[str, NDArray[np.bool_]]],
    forecast: Forecast,
    rules: list[Document],
    seed: int,
) -> Document:
    made = [online_campaign(part.panel, part.rows, forecast, rules) for part in parts]
    experts = [{MODEL: part.forecast, **(part.baselines if rules else {})} for part in parts]
    blocks = [part.rows.campaign_block(i) for i, part in enumerate(parts)]
    rows = OnlineRows(
        probability=np.concatenate([each.probability for each in made]),
        experts=_concatenated(experts),
        outcome=np.concatenate([part.rows.label for part in parts]),
        blocks=np.concatenate(blocks),
        time_order=np.concatenate(blocks).astype(np.float64),
        share=np.concatenate([each.share for each in made]),
        groups=groups,
    )
    names = [f"campaign {number + 1}" for number in range(len(parts))]
    return online_document(
        rows, {name: each.forecaster for name, each in zip(names, made, strict=True)}, seed=seed
    )


def _concatenated(parts: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _trace_groups(
    traces: Sequence[Trace], parts: Sequence[_EvaluatedPanel]
) -> tuple[list[tuple[str, NDArray[np.bool_]]], list[str]]:
    """A mask over all rows for each trace, and a warning for each trace without rows."""
    names = np.concatenate([np.array(part.panel.names)[part.rows.pool] for part in parts])
    groups = [(trace.name, names == trace.name) for trace in traces]
    warnings = [
        f"{name} has no rows: it is never available, or too short."
        for name, mask in groups
        if not mask.any()
    ]
    return groups, warnings
