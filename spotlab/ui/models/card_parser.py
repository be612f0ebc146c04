"""Reads a model card, whatever wrote it.

A card's first part is fixed, what it measured is not: cards of different tasks, and of older
versions, say it in different places. All of them are read here and nowhere else, and a stranger's
card may say anything: what is not as expected is taken for unsaid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from spotlab.training.scores import ReliabilityBin
from spotlab.ui.models.card_facts import (
    MAIN_HORIZON,
    METRICS,
    NAN,
    Document,
    Facts,
    Figure,
    Measured,
    spoken,
)

_OWN: Final = frozenset({"model", "metrics", "interval_95"})


def read(card: Document) -> Facts:
    """Read a card; what it does not say, or says in a form nobody writes, is empty."""
    label = card.get("label", {})
    label = label if isinstance(label, Mapping) else {"what": str(label)}
    return Facts(
        summary=str(card.get("summary", "")),
        label=str(label.get("what", "")),
        not_label=_texts(label.get("what_it_is_not")),
        measured=tuple(_measured(card)),
        sources=_documents(card.get("sources")) or tuple(_traces(card)),
        features=_documents(card.get("features")),
        training=_document(card.get("training")),
        limits=_texts(card.get("limits")),
        formula=_texts(card.get("formula")),
    )


def _traces(card: Document) -> Iterator[Document]:
    """The traces that a capacity model learned from, as sources."""
    for trace in _documents(card.get("training_traces")):
        day = str(trace.get("started_at") or "")[:10]
        told = f"{trace.get('name', '')}, from {day}" if day else str(trace.get("name", ""))
        yield {
            "data": f"availability trace {told}",
            "published_by": trace.get("source", ""),
            "licence": trace.get("licence", ""),
        }


def _measured(card: Document) -> Iterator[Measured]:
    metrics = _document(card.get("metrics"))
    how = str(_document(card.get("training")).get("split", ""))
    how = str(_document(card.get("split")).get("what", how))
    main = _one(metrics, str(metrics.get("on", "")) or how)
    if main.figures:
        yield main
    by_horizon = {
        name: part
        for name, part in metrics.items()
        if isinstance(part, Mapping) and isinstance(part.get("metrics"), Mapping)
    }
    for name in sorted(by_horizon, key=lambda name: name != MAIN_HORIZON):
        yield _one(by_horizon[name], f"within {spoken(name)}: {how}" if how else spoken(name))
    unseen = _document(card.get("tests_on_data_never_trained_on"))
    for name, part in unseen.items():
        if isinstance(part, Mapping) and isinstance(part.get("shipped"), Mapping):
            yield _unseen(part, f"{unseen.get('status', 'data that trained nothing')}: {name}")


def _one(part: Document, on: str) -> Measured:
    """A test, in either of the forms that cards use."""
    own = _document(part.get("model", part.get("metrics", part)))
    beside = {n: v for n, v in part.items() if n not in _OWN and _has_figures(v)}
    baselines = {**_document(part.get("baselines")), **beside}
    parts = part.get("subgroups")
    subgroups = _document(parts) or {str(row.get("name")): row for row in _documents(parts)}
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
