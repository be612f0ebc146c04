"""The form of a head to head: two models, and data to compare them on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import streamlit as st

from spotlab.services import card_facts
from spotlab.services.model_comparison import ComparisonRequest
from spotlab.services.models import ModelEntry
from spotlab.training import comparison_files
from spotlab.training.advisor.labels import TRAILING
from spotlab.ui.common import formatting, trace_form, widgets
from spotlab.ui.models import leaderboard

OWN: Final = "own"
MOST_MB: Final = 50


def comparable_models(entries: Sequence[ModelEntry]) -> dict[str, list[ModelEntry]]:
    """Models with usable files by task, for tasks with at least two of them."""
    by_task: dict[str, list[ModelEntry]] = {}
    for entry in sorted(entries, key=lambda e: [*leaderboard.STATE_MARKS].index(e.record.state)):
        if not entry.refused:
            by_task.setdefault(entry.record.task, []).append(entry)
    return {task: models for task, models in sorted(by_task.items()) if len(models) > 1}


def pick_models(known: dict[str, list[ModelEntry]]) -> tuple[str, str, str]:
    """A row of inputs, stored in the URL: task, first and second model."""
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


def pick_data(task: str, first: str, second: str) -> ComparisonRequest | None:
    """Inputs for the data, stored in the URL; None while one is missing."""
    if task == "capacity":
        return _traces(first, second)
    return _snapshots(task, first, second)


def _traces(first: str, second: str) -> ComparisonRequest | None:
    root = comparison_files.recorded_folder()
    folders = comparison_files.trace_folders(root) if root else {}
    names = {
        name: f"{name} · {formatting.count(number, 'file')}" for name, number in folders.items()
    } | {OWN: "upload files"}
    row = st.columns([4, 1, 1, 1, 1], vertical_alignment="bottom")
    with row[0]:
        chosen = widgets.pick_one("Traces", names, "data")
    horizon_h = row[1].number_input(
        "Horizon (h)",
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
        return ComparisonRequest(
            "capacity", first, second, horizon_h=horizon_h, traces=(root / chosen,)
        )
    polarity = trace_form.polarity(row[2], "versus-polarity")
    gap_s = trace_form.gap_s(row[3], "versus-gap")
    columns = trace_form.columns(row[4], "versus-columns")
    uploads = st.file_uploader(
        "Availability traces, JSON or CSV; upload all zones of one campaign together",
        type=["json", "csv", "gz"],
        accept_multiple_files=True,
        key="versus-traces",
        max_upload_size=MOST_MB,
    )
    zone_ids = trace_form.zone_ids("versus-zones")
    if not uploads:
        return None
    return ComparisonRequest(
        "capacity",
        first,
        second,
        horizon_h=horizon_h,
        uploads=comparison_files.uploaded(uploads),
        polarity=polarity,
        gap_s=gap_s,
        columns=columns,
        zone_ids=zone_ids,
    )


def _snapshots(task: str, first: str, second: str) -> ComparisonRequest | None:
    root = comparison_files.recorded_folder()
    known = comparison_files.dated(root, comparison_files.ADVISOR) if root else {}
    usable = {path: day for path, day in known.items() if comparison_files.later(known, day)}
    row = st.columns(3, vertical_alignment="bottom")
    with row[0]:
        names = {path: _file_label(path, day) for path, day in usable.items()}
        before = widgets.pick_one(
            "Advisor snapshot used by both models", names | {OWN: "upload files"}, "before"
        )
    if before == OWN or before is None:
        return _uploaded_snapshots(task, first, second)
    assert root is not None
    after_names = {
        path: _file_label(path, day)
        for path, day in comparison_files.later(known, usable[before]).items()
    }
    with row[1]:
        after = widgets.pick_one("Advisor snapshot a month later", after_names, "after")
    until = date.fromisoformat(known[after or before]) - TRAILING
    price_files = {
        path: day
        for path, day in comparison_files.dated(root, comparison_files.PRICES).items()
        if date.fromisoformat(day) < until
    }
    with row[2]:
        prices = st.multiselect(
            "Earlier spot prices",
            [*price_files],
            format_func=lambda path: price_files[path],
            key=f"versus-prices {after}",
            placeholder="none: prices are unknown" if price_files else "no file is old enough",
        )
    if after is None:
        return None
    older = [path for path, day in known.items() if day < known[before]]
    return ComparisonRequest(
        task,
        first,
        second,
        before=tuple(root / path for path in [*older, before]),
        after=root / after,
        prices=tuple(root / path for path in prices),
    )


def _uploaded_snapshots(task: str, first: str, second: str) -> ComparisonRequest | None:
    row = st.columns(2)
    file_format = "Spot Advisor JSON, named by its day, such as 2025-06-28.json"
    before = row[0].file_uploader(
        f"The snapshot used by both models. {file_format}",
        type=["json", "gz"],
        key="versus-before",
        max_upload_size=MOST_MB,
    )
    after = row[1].file_uploader(
        "The snapshot a month later, named in the same way",
        type=["json", "gz"],
        key="versus-after",
        max_upload_size=MOST_MB,
    )
    if before is None or after is None:
        return None
    return ComparisonRequest(
        task, first, second, uploads=comparison_files.uploaded([before, after])
    )


def _file_label(path: str, day: str) -> str:
    licence = " · without a licence" if path.startswith("evaluation-only") else ""
    return f"{day}{licence}"
