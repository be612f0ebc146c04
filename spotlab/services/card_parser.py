"""Parser of model cards.

The head of a card is fixed, its figures are not: cards of different tasks and of older versions
have them in different places. Only this module knows those places. An uploaded card may contain
anything, so a value of an unexpected form counts as absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from spotlab.services.card_facts import (
    MAIN_HORIZON,
    METRICS,
    NAN,
    CardFacts,
    Document,
    Figure,
    Measured,
    readable,
)
from spotlab.training.scores import ReliabilityBin

_OWN_KEYS: Final = frozenset({"model", "metrics", "interval_95"})


def read(card: Document) -> CardFacts:
    """The contents of a card; what is absent or of an unexpected form is empty."""
    label = card.get("label", {})
    label = label if isinstance(label, Mapping) else {"what": str(label)}
    return CardFacts(
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
    """The traces that a capacity model was trained on, as sources."""
    for trace in _documents(card.get("training_traces")):
        day = str(trace.get("started_at") or "")[:10]
        label = f"{trace.get('name', '')}, from {day}" if day else str(trace.get("name", ""))
        yield {
            "data": f"availability trace {label}",
            "published_by": trace.get("source", ""),
            "licence": trace.get("licence", ""),
        }


def _measured(card: Document) -> Iterator[Measured]:
    metrics = _document(card.get("metrics"))
    split = str(_document(card.get("training")).get("split", ""))
    split = str(_document(card.get("split")).get("what", split))
    main = _test(metrics, str(metrics.get("on", "")) or split)
    if main.figures:
        yield main
    by_horizon = {
        name: part
        for name, part in metrics.items()
        if isinstance(part, Mapping) and isinstance(part.get("metrics"), Mapping)
    }
    for name in sorted(by_horizon, key=lambda name: name != MAIN_HORIZON):
        label = f"within {readable(name)}: {split}" if split else readable(name)
        yield _test(by_horizon[name], label)
    unseen = _document(card.get("tests_on_data_never_trained_on"))
    for name, part in unseen.items():
        if isinstance(part, Mapping) and isinstance(part.get("shipped"), Mapping):
            yield _unseen(part, f"{unseen.get('status', 'data not used for training')}: {name}")


def _test(part: Document, on: str) -> Measured:
    """A test, in either of the forms that cards use."""
    own = _document(part.get("model", part.get("metrics", part)))
    others = {n: v for n, v in part.items() if n not in _OWN_KEYS and _has_figures(v)}
    baselines = {**_document(part.get("baselines")), **others}
    parts = part.get("subgroups")
    subgroups = _document(parts) or {str(row.get("name")): row for row in _documents(parts)}
    return Measured(
        on=on,
        rows=_int(part.get("rows", own.get("rows"))),
        base_rate=_float(part.get("base_rate", own.get("base_rate"))),
        figures=_figures(own, _document(part.get("interval_95"))),
        baselines={readable(n): _figures(v, {}) for n, v in baselines.items() if _has_figures(v)},
        reliability=tuple(_bins(_documents(part.get("reliability")))),
        subgroups={name: each for name, each in subgroups.items() if isinstance(each, Mapping)},
    )


def _unseen(part: Document, on: str) -> Measured:
    """A test on data not used for training, in the form of the advisor's cards."""
    own = _document(part["shipped"])
    others = {name: each for name, each in part.items() if name != "shipped" and _has_figures(each)}
    return Measured(
        on=on,
        rows=_int(own.get("rows")),
        base_rate=_float(own.get("base_rate")),
        figures=_figures(own, {}),
        baselines={readable(name): _figures(each, {}) for name, each in others.items()},
    )


def _has_figures(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("auc"), int | float | Mapping)


def _figures(values: Document, intervals: Document) -> dict[str, Figure]:
    figures = {}
    for metric in METRICS:
        value = values.get(metric)
        if isinstance(value, Mapping):
            figures[metric] = Figure(*(_float(value.get(key)) for key in ("value", "low", "high")))
        elif isinstance(value, int | float):
            figures[metric] = Figure(float(value), *_bounds(intervals.get(metric)))
    return figures


def _bins(rows: Sequence[Document]) -> Iterator[ReliabilityBin]:
    for row in rows:
        low, high = _bounds(row.get("forecast", (row.get("low"), row.get("high"))))
        predicted, observed = _float(row.get("mean_forecast")), _float(row.get("observed_share"))
        count = _int(row.get("rows"))
        if math.isfinite(predicted) and 0.0 <= observed <= 1.0 and count:
            yield ReliabilityBin(low, high, count, predicted, observed)


def _bounds(value: object) -> tuple[float, float]:
    low, high = value if isinstance(value, list | tuple) and len(value) == 2 else (NAN, NAN)
    return _float(low), _float(high)


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else NAN


def _int(value: object) -> int:
    return int(value) if isinstance(value, int) else 0


def _document(value: object) -> Document:
    return value if isinstance(value, Mapping) else {}


def _documents(value: object) -> tuple[Document, ...]:
    rows = value if isinstance(value, list | tuple) else ()
    return tuple(row for row in rows if isinstance(row, Mapping))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(line) for line in value) if isinstance(value, list | tuple) else ()
