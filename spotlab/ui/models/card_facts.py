"""What a model card says, as figures and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spotlab.training.head_to_head import LOWER_IS_BETTER
from spotlab.training.scores import ReliabilityBin
from spotlab.ui.common.formatting import count

NAN: Final = float("nan")
METRICS: Final = ("auc", "pr_auc", "brier", "brier_skill", "log_loss", "ece")
METRIC_WORDS: Final[Mapping[str, str]] = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "log_loss": "log loss",
    "ece": "ECE",
}
TASK_WORDS: Final[Mapping[str, str]] = {
    "advisor": "interruptions next month",
    "capacity": "capacity lost within hours",
}
MAIN_HORIZON: Final = "1 h"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval; NaN is unknown."""

    value: float
    low: float = NAN
    high: float = NAN

    @property
    def ranged(self) -> bool:
        """Whether the interval is known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def __str__(self) -> str:
        """Three digits: `0.788 (0.757 to 0.817)`; `—` where unknown."""
        if not math.isfinite(self.value):
            return "—"
        between = f" ({number(self.low)} to {number(self.high)})" if self.ranged else ""
        return number(self.value) + between


UNKNOWN: Final = Figure(NAN)


@dataclass(frozen=True, slots=True)
class Measured:
    """One test of a model: on which rows, and what came out.

    Args:
        on: which rows, in words.
        rows: how many; 0 where the card does not say.
        base_rate: share of yes, 0..1; NaN where unknown.
        figures: of the model, by METRICS.
        baselines: each baseline's figures, by its name in words.
        reliability: the reliability table; empty where the card has none.
        subgroups: figures of parts of the rows (rows, base_rate and METRICS), by name.
    """

    on: str
    rows: int
    base_rate: float
    figures: Mapping[str, Figure]
    baselines: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    reliability: tuple[ReliabilityBin, ...] = ()
    subgroups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def figure(self, metric: str) -> Figure:
        """The model's figure; unknown where the card has none."""
        return self.figures.get(metric, UNKNOWN)

    @property
    def base_rate_brier(self) -> float:
        """Brier score of always saying the base rate."""
        return self.base_rate * (1.0 - self.base_rate)

    def best_baseline(self, metric: str) -> tuple[str, Figure] | None:
        """The baseline that does best at a metric; None where the card has none."""
        known = [
            (name, figures[metric])
            for name, figures in self.baselines.items()
            if metric in figures and math.isfinite(figures[metric].value)
        ]
        sign = 1 if metric in LOWER_IS_BETTER else -1
        return min(known, key=lambda pair: sign * pair[1].value, default=None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What people read of a card.

    Args:
        summary: one sentence.
        label: what the label is.
        not_label: what it is not.
        measured: its tests, the one it stands for first.
        sources: data, published_by and licence of each source.
        features: name, unit, low, high, nullable and meaning of each.
        training: what it was trained on and how, by the card's own names.
        limits: sentences.
        formula: from the score to the risk, line by line.
    """

    summary: str
    label: str
    not_label: tuple[str, ...]
    measured: tuple[Measured, ...]
    sources: tuple[Document, ...]
    features: tuple[Document, ...]
    training: Document
    limits: tuple[str, ...]
    formula: tuple[str, ...]

    @property
    def main(self) -> Measured | None:
        """The test the model stands for; None where the card has no figures."""
        return self.measured[0] if self.measured else None


def number(value: float) -> str:
    """Three digits behind the point, with a real minus sign; `—` where unknown."""
    if not math.isfinite(value):
        return "—"
    text = f"{value:.3f}".replace("-", "−")
    return text if text.strip("−0.") else text.lstrip("−")


def signed(value: float) -> str:
    """The same with its sign, for differences: `+0.012`, `−0.004`."""
    if not math.isfinite(value):
        return "—"
    text = f"{value:+.3f}".replace("-", "−")
    return text if text.strip("+−0.") else text.lstrip("+−")


def task_words(task: str) -> str:
    """What a task forecasts, in words."""
    return TASK_WORDS.get(task, task)


def spoken(name: str) -> str:
    """A card's name as words: `last_bucket_only` is `last bucket only`."""
    return name.replace("_", " ")


def trained_on(told: Facts) -> str:
    """Dates and rows of the training data in a few words."""
    training = told.training
    rows = training.get("rows")
    if isinstance(rows, Mapping):
        rows = rows.get(MAIN_HORIZON)
    parts = [f"{rows:,} rows"] if isinstance(rows, int) else []
    traces = [str(source["data"]) for source in told.sources if "licence" in source]
    if traces and traces[0].startswith("availability trace"):
        parts.append(count(len(traces), "availability trace"))
    if "features_as_of" in training:
        parts.append(f"features of {training['features_as_of']}")
    if "label_of" in training:
        parts.append(f"label of {training['label_of']}")
    return ", ".join(parts)
