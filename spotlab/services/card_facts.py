"""The contents of a model card: figures with intervals, and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spotlab.training.head_to_head import LOWER_IS_BETTER
from spotlab.training.scores import ReliabilityBin

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
    "capacity": "capacity loss within hours",
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
        """Three digits: `0.788 (0.757 to 0.817)`; `—` if unknown."""
        if not math.isfinite(self.value):
            return "—"
        interval = f" ({number(self.low)} to {number(self.high)})" if self.ranged else ""
        return number(self.value) + interval


UNKNOWN: Final = Figure(NAN)


@dataclass(frozen=True, slots=True)
class Measured:
    """One test of a model: its rows and its figures.

    Args:
        on: description of the rows.
        rows: number of rows; 0: unknown.
        base_rate: share of positive rows, 0..1; NaN: unknown.
        figures: the model's figures, by metric.
        baselines: figures by metric, by the readable name of the baseline.
        reliability: the reliability table; empty: the card has none.
        subgroups: figures of subgroups of the rows (rows, base_rate and METRICS), by name.
    """

    on: str
    rows: int
    base_rate: float
    figures: Mapping[str, Figure]
    baselines: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    reliability: tuple[ReliabilityBin, ...] = ()
    subgroups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def figure(self, metric: str) -> Figure:
        """The model's figure for a metric; UNKNOWN if the card has none."""
        return self.figures.get(metric, UNKNOWN)

    @property
    def base_rate_brier(self) -> float:
        """Brier score of always predicting the base rate."""
        return self.base_rate * (1.0 - self.base_rate)

    def best_baseline(self, metric: str) -> tuple[str, Figure] | None:
        """Name and figure of the best baseline for a metric; None: the card has none."""
        known = [
            (name, figures[metric])
            for name, figures in self.baselines.items()
            if metric in figures and math.isfinite(figures[metric].value)
        ]
        sign = 1 if metric in LOWER_IS_BETTER else -1
        return min(known, key=lambda pair: sign * pair[1].value, default=None)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """The contents of a model card; what the card lacks is empty.

    Args:
        summary: one sentence.
        label: definition of the label.
        not_label: what the label is often mistaken for.
        measured: the tests, the main one first.
        sources: data, published_by and licence of each source.
        features: name, unit, low, high, nullable and meaning of each feature.
        training: training data and settings, by the card's own names.
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
        """The main test; None: the card has no figures."""
        return self.measured[0] if self.measured else None


def number(value: float) -> str:
    """Three decimal places, with a real minus sign; `—` if unknown."""
    if not math.isfinite(value):
        return "—"
    text = f"{value:.3f}".replace("-", "−")
    return text if text.strip("−0.") else text.lstrip("−")


def signed(value: float) -> str:
    """The same with a sign, for differences: `+0.012`, `−0.004`."""
    if not math.isfinite(value):
        return "—"
    text = f"{value:+.3f}".replace("-", "−")
    return text if text.strip("+−0.") else text.lstrip("+−")


def task_words(task: str) -> str:
    """What a task predicts, for people; an unknown task's own name."""
    return TASK_WORDS.get(task, task)


def readable(name: str) -> str:
    """A card's name without underscores: `last_bucket_only` becomes `last bucket only`."""
    return name.replace("_", " ")


def trained_on(facts: CardFacts) -> str:
    """Short description of the training data: rows, traces and dates."""
    training = facts.training
    rows = training.get("rows")
    if isinstance(rows, Mapping):
        rows = rows.get(MAIN_HORIZON)
    parts = [f"{rows:,} rows"] if isinstance(rows, int) else []
    traces = [str(source["data"]) for source in facts.sources if "licence" in source]
    if traces and traces[0].startswith("availability trace"):
        parts.append(f"{len(traces):,} availability trace{'s' * (len(traces) != 1)}")
    if "features_as_of" in training:
        parts.append(f"features as of {training['features_as_of']}")
    if "label_of" in training:
        parts.append(f"label of {training['label_of']}")
    return ", ".join(parts)
