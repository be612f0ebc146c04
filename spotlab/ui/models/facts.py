"""What a model card says, as figures and sentences. Screens floor: pure.

A card's first part is fixed, what it measured is not: cards of different tasks, and of older
versions, say it in different places. All of them are read here and nowhere else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

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
LOWER_IS_BETTER: Final = frozenset({"brier", "log_loss", "ece"})
TASK_WORDS: Final[Mapping[str, str]] = {
    "advisor": "interruptions next month",
    "capacity": "capacity lost within hours",
}
_SIGNS: Final = re.compile(r"([\\`*_\[\]<>#$~|:!])")
_OWN: Final = frozenset({"model", "interval_95"})

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
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else "—"


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


def plain(text: str) -> str:
    """A card's text for Markdown, with its signs as signs: a stranger may have written it.

    >>> plain("[x](http://y) *z*")
    '\\\\[x\\\\](http\\\\://y) \\\\*z\\\\*'
    """
    return _SIGNS.sub(r"\\\1", text)


def facts(card: Document) -> Facts:
    """Read a card; what it does not say, or says in a form nobody writes, is empty."""
    label = card.get("label", {})
    label = label if isinstance(label, Mapping) else {"what": str(label)}
    return Facts(
        summary=str(card.get("summary", "")),
        label=str(label.get("what", "")),
        not_label=_texts(label.get("what_it_is_not")),
        measured=tuple(_measured(card)),
        sources=_documents(card.get("sources")),
        features=_documents(card.get("features")),
        training=_document(card.get("training")),
        limits=_texts(card.get("limits")),
        formula=_texts(card.get("formula")),
    )


def trained_on(told: Facts) -> str:
    """Dates and rows of the training data in a few words."""
    training = told.training
    rows = training.get("rows")
    parts = [f"{rows:,} rows"] if isinstance(rows, int) else []
    if "features_as_of" in training:
        parts.append(f"features of {training['features_as_of']}")
    if "label_of" in training:
        parts.append(f"label of {training['label_of']}")
    return ", ".join(parts)


def _measured(card: Document) -> Iterator[Measured]:
    metrics = _document(card.get("metrics"))
    split = str(_document(card.get("training")).get("split", ""))
    main = _one(metrics, str(metrics.get("on", "")) or split)
    if main.figures:
        yield main
    for name, part in metrics.items():
        if isinstance(part, Mapping) and isinstance(part.get("metrics"), Mapping):
            yield _one(part, spoken(name))
    unseen = _document(card.get("tests_on_data_never_trained_on"))
    for name, part in unseen.items():
        if isinstance(part, Mapping) and isinstance(part.get("shipped"), Mapping):
            yield _unseen(part, f"{unseen.get('status', 'data that trained nothing')}: {name}")


def _one(part: Document, on: str) -> Measured:
    """A test, in either of the forms that cards use."""
    own = _document(part.get("model", part.get("metrics", part)))
    beside = {n: v for n, v in part.items() if n not in _OWN and _has_figures(v)}
    baselines = {**_document(part.get("baselines")), **beside}
    subgroups = _document(part.get("subgroups"))
    return Measured(
        on=on,
        rows=_whole(part.get("rows", own.get("rows"))),
        base_rate=_real(part.get("base_rate", own.get("base_rate"))),
        figures=_figures(own, _document(part.get("interval_95"))),
        baselines={spoken(n): _figures(v, {}) for n, v in baselines.items() if _has_figures(v)},
        reliability=tuple(_bins(_documents(part.get("reliability")))),
        subgroups={name: said for name, said in subgroups.items() if isinstance(said, Mapping)},
    )


def _unseen(part: Document, on: str) -> Measured:
    """A test on data that trained nothing, as the advisor's cards write it."""
    own = _document(part["shipped"])
    others = {name: said for name, said in part.items() if name != "shipped" and _has_figures(said)}
    return Measured(
        on=on,
        rows=_whole(own.get("rows")),
        base_rate=_real(own.get("base_rate")),
        figures=_figures(own, {}),
        baselines={spoken(name): _figures(said, {}) for name, said in others.items()},
    )


def _has_figures(said: object) -> bool:
    return isinstance(said, Mapping) and isinstance(said.get("auc"), int | float | Mapping)


def _figures(said: Document, intervals: Document) -> dict[str, Figure]:
    found = {}
    for metric in METRICS:
        value = said.get(metric)
        if isinstance(value, Mapping):
            found[metric] = Figure(*(_real(value.get(key)) for key in ("value", "low", "high")))
        elif isinstance(value, int | float):
            ends = intervals.get(metric)
            low, high = ends if isinstance(ends, list | tuple) and len(ends) == 2 else (NAN, NAN)
            found[metric] = Figure(float(value), _real(low), _real(high))
    return found


def _bins(rows: Sequence[Document]) -> Iterator[ReliabilityBin]:
    for row in rows:
        edges = row.get("forecast", (row.get("low"), row.get("high")))
        said, seen = _real(row.get("mean_forecast")), _real(row.get("observed_share"))
        count = _whole(row.get("rows"))
        if math.isfinite(said) and 0.0 <= seen <= 1.0 and count:
            low, high = edges if isinstance(edges, list | tuple) and len(edges) == 2 else (NAN, NAN)
            yield ReliabilityBin(_real(low), _real(high), count, said, seen)


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) else NAN


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int) else 0


def _document(said: object) -> Document:
    return said if isinstance(said, Mapping) else {}


def _documents(said: object) -> tuple[Document, ...]:
    rows = said if isinstance(said, list | tuple) else ()
    return tuple(row for row in rows if isinstance(row, Mapping))


def _texts(said: object) -> tuple[str, ...]:
    if isinstance(said, str):
        return (said,)
    return tuple(str(line) for line in said) if isinstance(said, list | tuple) else ()
