"""Which two models, on which rows: the inputs of a head to head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import streamlit as st

from spotlab.recorded.traces import Polarity
from spotlab.runtime.model_catalogue import ModelEntry
from spotlab.training.advisor.labels import TRAILING
from spotlab.ui.common import formatting, trace_form, widgets
from spotlab.ui.models import card_facts, comparison_files, leaderboard
from spotlab.ui.models.comparison_files import Sent

OWN: Final = "own"
MOST_MB: Final = 50


@dataclass(frozen=True, slots=True)
class Request:
    """A comparison that can be asked for; equal requests have equal answers.

    Args:
        task: of both models.
        first, second: "name@version".
        horizon_h: hours (capacity).
        traces: trace files or folders (capacity).
        before, after, prices: feed files (advisor).
        sent: files from the browser, instead; the last one is `after` (advisor).
        polarity, gap_s: what a CSV does not say itself.
    """

    task: str
    first: str
    second: str
    horizon_h: float = 1.0
    traces: tuple[Path, ...] = ()
    before: tuple[Path, ...] = ()
    after: Path | None = None
    prices: tuple[Path, ...] = ()
    sent: tuple[Sent, ...] = ()
    polarity: Polarity | None = None
    gap_s: float | None = None


def rivals(entries: Sequence[ModelEntry]) -> dict[str, list[ModelEntry]]:
    """Models that can be opened, by task; only tasks with two of them or more."""
    known: dict[str, list[ModelEntry]] = {}
    for entry in sorted(entries, key=lambda e: [*leaderboard.STATE_MARKS].index(e.record.state)):
        if not entry.refused:
            known.setdefault(entry.record.task, []).append(entry)
    return {task: found for task, found in sorted(known.items()) if len(found) > 1}


def models(known: dict[str, list[ModelEntry]]) -> tuple[str, str, str]:
    """A row of choices in the URL: task, first and second model."""
    row = st.columns(3)
    with row[0]:
        tasks = {task: card_facts.task_words(task).capitalize() for task in known}
        task = widgets.pick_one("Task", tasks, "task") or next(iter(known))
    names = {entry.record.reference: entry.record.reference for entry in known[task]}
    with row[1]:
        first = widgets.pick_one("First", names, "first") or next(iter(names))
    others = {name: text for name, text in names.items() if name != first}
    with row[2]:
        second = widgets.pick_one("Second", others, "second") or next(iter(others))
    return task, first, second


def rows_of(task: str, first: str, second: str) -> Request | None:
    """Which data, and what it does not say itself; None while something is missing."""
    if task == "capacity":
        return _traces(first, second)
    return _snapshots(task, first, second)


def _traces(first: str, second: str) -> Request | None:
    root = comparison_files.folder()
    found = comparison_files.trace_folders(root) if root else {}
    names = {
        name: f"{name} · {formatting.count(number, 'file')}" for name, number in found.items()
    } | {OWN: "files of your own"}
    row = st.columns([4, 1, 1, 1], vertical_alignment="bottom")
    with row[0]:
        chosen = widgets.pick_one("Traces", names, "data")
    horizon_h = row[1].number_input(
        "Horizon, h",
        min_value=0.25,
        max_value=168.0,
        value=1.0,
        step=0.5,
        format="%g",
        key="versus-horizon",
    )
    if chosen != OWN:
        if root is None or chosen is None:
            return None
        return Request("capacity", first, second, horizon_h=horizon_h, traces=(root / chosen,))
    polarity = trace_form.polarity(row[2], "versus-polarity")
    gap_s = trace_form.gap_s(row[3], "versus-gap")
    sent = st.file_uploader(
        "Availability traces, JSON or CSV; sibling zones together",
        type=["json", "csv", "gz"],
        accept_multiple_files=True,
        key="versus-traces",
        max_upload_size=MOST_MB,
    )
    if not sent:
        return None
    return Request(
        "capacity",
        first,
        second,
        horizon_h=horizon_h,
        sent=comparison_files.sent(sent),
        polarity=polarity,
        gap_s=gap_s,
    )


def _snapshots(task: str, first: str, second: str) -> Request | None:
    root = comparison_files.folder()
    known = comparison_files.dated(root, comparison_files.ADVISOR) if root else {}
    usable = {path: day for path, day in known.items() if later(known, day)}
    row = st.columns(3, vertical_alignment="bottom")
    with row[0]:
        names = {path: _told(path, day) for path, day in usable.items()}
        before = widgets.pick_one(
            "Advisor known before", names | {OWN: "files of your own"}, "before"
        )
    if before == OWN or before is None:
        return _sent_snapshots(task, first, second)
    assert root is not None
    after_names = {path: _told(path, day) for path, day in later(known, usable[before]).items()}
    with row[1]:
        after = widgets.pick_one("Advisor of a later month", after_names, "after")
    until = date.fromisoformat(known[after or before]) - TRAILING
    offered = {
        path: day
        for path, day in comparison_files.dated(root, comparison_files.PRICES).items()
        if date.fromisoformat(day) < until
    }
    with row[2]:
        prices = st.multiselect(
            "Spot prices of before",
            [*offered],
            format_func=lambda path: offered[path],
            key=f"versus-prices {after}",
            placeholder="unknown to both" if offered else "none fits",
        )
    if after is None:
        return None
    older = [path for path, day in known.items() if day < known[before]]
    return Request(
        task,
        first,
        second,
        before=tuple(root / path for path in [*older, before]),
        after=root / after,
        prices=tuple(root / path for path in prices),
    )


def _sent_snapshots(task: str, first: str, second: str) -> Request | None:
    row = st.columns(2)
    name = "Spot Advisor JSON; its file's name is its day, as in 2025-06-28.json"
    before = row[0].file_uploader(
        f"Known before. {name}", type=["json", "gz"], key="versus-before", max_upload_size=MOST_MB
    )
    after = row[1].file_uploader(
        "Of a later month, named in the same way",
        type=["json", "gz"],
        key="versus-after",
        max_upload_size=MOST_MB,
    )
    if before is None or after is None:
        return None
    return Request(task, first, second, sent=comparison_files.sent([before, after]))


def later(known: Mapping[str, str], day: str) -> dict[str, str]:
    """The files whose trailing month begins after a day."""
    first = date.fromisoformat(day) + TRAILING + timedelta(days=1)
    return {path: other for path, other in known.items() if date.fromisoformat(other) >= first}


def _told(path: str, day: str) -> str:
    licence = " · without a licence" if path.startswith("evaluation-only") else ""
    return f"{day}{licence}"
