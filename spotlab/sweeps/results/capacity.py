"""Sections about the capacity recipe on recorded campaigns, and tables of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.recorded.traces import read_panel as read_panel
from spotlab.sweeps.results.document import Figure, Section, Table, Target, interval, number
from spotlab.training.capacity.baselines import fit_baselines, forecast_baselines
from spotlab.training.capacity.evaluation import Forecast
from spotlab.training.capacity.rows import CapacityRows, capacity_rows, time_split
from spotlab.training.evaluation_report import assess
from spotlab.training.saved_version import Step

FloatArray = NDArray[np.float64]
Document = dict[str, Any]
Part = tuple[TracePanel, CapacityRows]
Trainer = Callable[[Sequence[Part], int], Forecast]
"""Fits the recipe on the time of training rows, with a seed; returns its forecasts."""

CAMPAIGNS: Final = Path("evaluation-only/traces/spot-traces-availability")
CAMPAIGN_2023: Final = CAMPAIGNS / "1-node/aws-02-15-2023"
CAMPAIGN_2022: Final = CAMPAIGNS / "1-node/aws-10-26-2022"
CAMPAIGN_16_NODES: Final = CAMPAIGNS / "16-node/aws-08-27-2023"
TRAIN_SHARE: Final = 0.6
SEED: Final = 7
MEASURES: Final = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "log_loss": "log loss",
    "ece": "ECE",
}


@dataclass(frozen=True, slots=True)
class Split:
    """A training and test split with targets.

    Args:
        what: task and split, as a heading.
        horizon_h: hours.
        train: campaign to fit on.
        test: campaign to test on; if it is the same one, it is split in time.
        targets: by measure.
    """

    what: str
    horizon_h: float
    train: Path
    test: Path
    targets: Mapping[str, Target]


SPLITS: Final = (
    Split(
        "capacity, 1 h, 2023-02-15, 60/40 in time",
        1.0,
        CAMPAIGN_2023,
        CAMPAIGN_2023,
        {
            "auc": Target(0.835),
            "pr_auc": Target(0.555),
            "brier": Target(0.1075, at_least=False),
            "ece": Target(0.02, at_least=False),
        },
    ),
    Split(
        "capacity, 3 h, 2023-02-15, 60/40 in time",
        3.0,
        CAMPAIGN_2023,
        CAMPAIGN_2023,
        {
            "auc": Target(0.83),
            "pr_auc": Target(0.71),
            "brier": Target(0.154, at_least=False),
        },
    ),
    Split(
        "capacity, 1 h, trained on 2022-10-26, tested on 2023-02-15",
        1.0,
        CAMPAIGN_2022,
        CAMPAIGN_2023,
        {
            "auc": Target(0.81),
            "pr_auc": Target(0.50),
            "brier": Target(0.119, at_least=False),
        },
    ),
)


def recipe_section(folder: Path, split: Split, train: Trainer, step: Step) -> Section:
    """The recipe fitted and tested on a split.

    The fitted model is discarded: it is not the shipped one.
    """
    missing = [path for path in (split.train, split.test) if not (folder / path).is_dir()]
    if missing:
        description = f"{missing[0]} is not in the data folder."
        return Section(split.what, "", skipped=description)
    step(f"{split.what}: fitting")
    training, test, held_out = _parts(folder, split)
    forecast = train(training, SEED)
    step(f"{split.what}: testing")
    panel, rows = test
    fitted = fit_baselines(training)
    baselines = forecast_baselines(fitted, panel, rows)
    document = assess(
        rows.label[held_out],
        forecast(panel, rows)[held_out],
        rows.block[held_out],
        {name: values[held_out] for name, values in baselines.items()},
        [(name, rows.pool[held_out] == i) for i, name in enumerate(panel.names)],
    )
    learned_rows = sum(len(part) for _, part in training)
    description = (
        f"{learned_rows:,} rows to learn from, tested on {document['rows']:,} rows of "
        f"{document['interval']['blocks']} days, base rate {document['base_rate']:.3f}; intervals "
        "draw days. The fit is thrown away: it is not the shipped model."
    )
    figures = [
        *metric_figures(split.what, document, split.targets),
        *_gain_figures(split.what, document, "streak_only"),
    ]
    return Section(
        split.what, description, figures, [baseline_table(document), group_table(document)]
    )


def metric_figures(what: str, document: Document, targets: Mapping[str, Target]) -> list[Figure]:
    """The document's metrics as figures, with their targets if there are any."""
    return [
        Figure(what, label, entry["value"], entry["low"], entry["high"], targets.get(measure))
        for measure, label in MEASURES.items()
        if (entry := document["metrics"][measure])
    ]


def baseline_table(document: Document) -> Table:
    """Table of the model and each baseline on the same rows, with paired differences."""
    first = ["model", *(number(document["metrics"][m]["value"], 4) for m in MEASURES), "", ""]
    rows = [first]
    for name, row in document["baselines"].items():
        gain = row["model_minus_baseline"]
        rows.append(
            [
                name,
                *(number(row[measure], 4) for measure in MEASURES),
                *(_gain_cell(gain[m]) for m in ("auc", "brier")),
            ]
        )
    header = ("", *MEASURES.values(), "AUC gain (95 %)", "Brier gain (95 %)")
    return Table(header, rows, "Gains are the model's figure minus the baseline's, paired.")


def _gain_cell(entry: Document) -> str:
    return f"{number(entry['value'], 4)} ({interval(entry['low'], entry['high'], 4)})"


def group_table(document: Document) -> Table:
    """Table of the figures of each group of rows."""
    measures = ("auc", "pr_auc", "brier", "brier_skill", "ece")
    rows = [
        [
            group["name"],
            f"{group['rows']:,}",
            number(group["base_rate"]),
            *(number(group[measure]) for measure in measures),
        ]
        for group in document["subgroups"]
    ]
    header = ("part", "rows", "base rate", *(MEASURES[measure] for measure in measures))
    return Table(header, rows)


def _parts(folder: Path, split: Split) -> tuple[list[Part], Part, NDArray[np.intp]]:
    panel = read_panel(folder / split.test)
    rows = capacity_rows(panel, split.horizon_h)
    if split.train == split.test:
        before, after = time_split(rows, TRAIN_SHARE, panel)
        return [(panel, rows.take(before))], (panel, rows), after
    other = read_panel(folder / split.train)
    training = [(other, capacity_rows(other, split.horizon_h))]
    return training, (panel, rows), np.arange(len(rows))


def _gain_figures(what: str, document: Document, baseline: str) -> list[Figure]:
    gain = document["baselines"][baseline]["model_minus_baseline"]
    return [
        Figure(
            what,
            f"{MEASURES[measure]} gain over {baseline}",
            entry["value"],
            entry["low"],
            entry["high"],
        )
        for measure, entry in gain.items()
    ]
