"""Training of a capacity model, from traces to an artefact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import Trace, TracePanel
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.card import parse_card
from spotlab.recorded.traces import trace_files
from spotlab.training.advisor.hyperparameters import Budget, search
from spotlab.training.capacity import recipe
from spotlab.training.capacity.baselines import fit_baselines
from spotlab.training.capacity.card import card, draft_card
from spotlab.training.capacity.evaluation import Forecast, TraceOptions, campaigns, forecaster
from spotlab.training.capacity.fit import SETTINGS, CapacityFit, fit_capacity, validation_loss
from spotlab.training.capacity.metrics import CapacitySplit, measure
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.capacity.training_rows import training_rows
from spotlab.training.provenance import training_traces
from spotlab.training.saved_version import Step, TrainingReport, counted_steps, save_version

FloatArray = NDArray[np.float64]
Document = dict[str, Any]
Parts = Sequence[tuple[TracePanel, float]]

_STEPS_A_FIT: Final = recipe.TIME_PARTS - recipe.FIRST_TEST_PART + 2


class CapacityReport(TrainingReport):
    """Result of training a capacity model; rows and figures are by horizon."""

    __slots__ = ()

    def as_text(self) -> str:
        """The report as a few lines of text."""
        lines = [self.headline]
        for horizon, document in self.measured["metrics"].items():
            figures = ", ".join(
                f"{label} {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"
                if entry["low"] is not None
                else f"{label} {entry['value']:.3f}"
                for measure_, label in (("auc", "AUC"), ("pr_auc", "PR-AUC"), ("brier", "Brier"))
                if (entry := document["metrics"][measure_])["value"] is not None
            )
            lines.append(
                f"{horizon}, {self.split}: {document['rows']:,} rows, {document['base_rate']:.1%} "
                f"lost capacity; {figures} (95 % intervals over days)"
            )
        return "\n".join(lines)


def train_capacity(
    data: Sequence[Path],
    out_dir: Path,
    *,
    split: str = recipe.SPLIT,
    seed: int,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    budget: Budget | None = None,
    version: str | None = None,
    options: TraceOptions | None = None,
) -> CapacityReport:
    """Train a capacity model on traces and write its artefact.

    The recipe is first tested on a split; the artefact is then fitted on all rows. The same data,
    seed and library versions give the same bytes. An existing version with other content is never
    overwritten: the next free version is written.

    Args:
        data: trace files, folders of trace files, and folders of such folders.
        out_dir: folder of model artefacts.
        split: "time:0.6" (fit on the first 60 % of the time, test on the rest), "group:pool" (each
            fifth of the pools is forecast by a fit on the others) or "none".
        seed: of the trees, a search and the intervals.
        progress: called with the name of the current step and the completed share, 0..1.
        cancelled: called between steps.
        budget: of a search for better settings; None: use the recipe's settings.
        version: to write; None: the first free one.
        options: properties that the files do not state.
    Raises:
        InvalidInput: a file is rejected, the traces are not sufficient, the split is unknown, or
            the version exists with other content.
        Cancelled: nothing was written.
    """
    parsed_split = CapacitySplit.parse(split)

    fits = parsed_split.fits + 1
    trials = budget.trials if budget else 0
    step = counted_steps(progress, cancelled, fits * _STEPS_A_FIT + trials + 3)
    step("Reading traces and computing features")
    files = trace_files(trace_folders(data))
    traces = (options or TraceOptions()).read(files)
    panels = campaigns(traces, files)
    settings, searched = _settings(panels, budget, seed, step)
    measured = measure(
        panels,
        parsed_split,
        lambda parts, pools: _forecast(_fit(parts, seed, settings, step, pools)),
        seed,
    )
    parts = with_end(panels)
    fit = _fit(parts, seed, settings, step)
    step("Writing the artefact")

    def make_card(name: str) -> bytes:
        return card(
            fit,
            version=name,
            seed=seed,
            split=parsed_split,
            settings=settings,
            searched=searched,
            measured=measured,
            baselines=_baselines(parts, fit),
            traces=trace_documents(traces, files),
        )

    folder, new = save_version(
        out_dir, recipe.NAME, recipe.VERSION, fit.booster, make_card, version
    )
    return CapacityReport(
        recipe.NAME,
        folder.name,
        folder,
        new,
        dict(fit.rows),
        str(parsed_split),
        {"metrics": measured},
    )


def recipe_forecast(parts: Sequence[tuple[TracePanel, CapacityRows]], seed: int) -> Forecast:
    """Forecasts by `recipe_model`."""
    return forecaster(recipe_model(parts, seed))


def recipe_model(parts: Sequence[tuple[TracePanel, CapacityRows]], seed: int) -> CapacityModel:
    """The recipe fitted on panels up to the end of their rows' labels, without an artefact.

    All horizons are fitted, whatever the horizon of the rows.
    """
    until = [(panel, float(rows.elapsed_h.max()) + rows.horizon_h) for panel, rows in parts]
    return _model(_fit(until, seed, SETTINGS, lambda _text: None))


def with_end(panels: Sequence[TracePanel]) -> list[tuple[TracePanel, float]]:
    """Panels with the hour of their last tick."""
    return [(panel, float(panel.elapsed_h[-1])) for panel in panels]


def _fit(
    parts: Parts,
    seed: int,
    settings: Mapping[str, float],
    step: Step,
    pools: Sequence[Sequence[int]] | None = None,
) -> CapacityFit:
    return fit_capacity(training_rows(parts, pools), seed=seed, settings=settings, step=step)


def _forecast(fit: CapacityFit) -> Forecast:
    return forecaster(_model(fit))


def _model(fit: CapacityFit) -> CapacityModel:
    return CapacityModel(parse_card(draft_card(fit)), fit.booster, digest="")


def _settings(
    panels: Sequence[TracePanel], budget: Budget | None, seed: int, step: Step
) -> tuple[Mapping[str, float], Document | None]:
    if budget is None:
        return SETTINGS, None
    training = training_rows(with_end(panels))
    result = search(
        recipe.SPACE,
        SETTINGS,
        lambda settings: validation_loss(training, seed=seed, settings=settings),
        budget,
        seed=seed,
        step=step,
    )
    return result.best.settings, result.as_document()


def _baselines(parts: Parts, fit: CapacityFit) -> list[Document]:
    return [
        fit_baselines([(panel, capacity_rows(panel, knot.horizon_h)) for panel, _ in parts])
        for knot in fit.knots
    ]


def trace_documents(traces: Sequence[Trace], files: Sequence[Path]) -> list[Document]:
    return [
        entry
        | {"source": trace.source, "ticks": len(trace.elapsed_h), "gap_s": trace.gap_s}
        | {
            "started_at": trace.started_at.isoformat() if trace.started_at else None,
            "hours": round(float(trace.elapsed_h[-1]), 1),
            "licence": _licence(path),
        }
        for entry, trace, path in zip(training_traces(traces, files), traces, files, strict=True)
    ]


def trace_folders(data: Sequence[Path]) -> list[Path]:
    """The paths; a folder that contains only folders is replaced by them."""
    folders: list[Path] = []
    for path in data:
        children = sorted(path.iterdir()) if path.is_dir() else []
        only_folders = bool(children) and all(each.is_dir() for each in children)
        folders += children if only_folders else [path]
    return folders


def _licence(path: Path) -> str:
    known = [recipe.LICENCES[part] for part in path.resolve().parts if part in recipe.LICENCES]
    return known[0] if known else recipe.LICENCE_UNKNOWN
