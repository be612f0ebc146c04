"""The rows where two models differ most, with their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from spotlab.inference.explanation_text import bucket_label
from spotlab.services import card_facts
from spotlab.services.model_comparison import ComparisonResult
from spotlab.ui.common import export, formatting, tables
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

_OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "capacity": ("● not lost", "■ lost"),
    "advisor": ("● up to 15 %", "■ over 15 %"),
}


def show(result: ComparisonResult, task: str, palette: Palette) -> None:
    """Shows the rows with the largest difference between the two predictions."""
    indexes = result.comparison.disagreements
    st.header("Largest differences", anchor=False)
    if not len(indexes):
        st.caption("Both models make the same prediction for every row.")
        return
    frame = rows_of(result, task)
    counts = frame["nearer"].value_counts()
    closer = ", ".join(f"{name} closer to the outcome in {count}" for name, count in counts.items())
    st.caption(
        f"The {len(indexes):,} of {result.comparison.rows:,} rows where the predictions differ "
        f"most: {formatting.plain(closer)}."
    )
    tables.show(
        frame,
        columns(result, task, palette),
        name="Disagreements",
        key="versus-apart",
        max_rows=12,
    )
    export.offer(lambda: exported(frame, result), "disagreements", "versus-apart-file")


def rows_of(result: ComparisonResult, task: str) -> pd.DataFrame:
    """One row per disagreement, the largest first."""
    indexes = result.comparison.disagreements
    rows = result.rows
    frame = rows.table.iloc[indexes].reset_index(drop=True)
    frame["first"], frame["second"] = rows.first[indexes], rows.second[indexes]
    frame["gap"] = frame["first"] - frame["second"]
    outcomes = rows.outcome[indexes]
    no, yes = _OUTCOMES.get(task, ("● no", "■ yes"))
    frame["outcome"] = np.where(outcomes > 0, yes, no)
    first_closer = np.abs(frame["first"] - outcomes) < np.abs(frame["second"] - outcomes)
    frame["nearer"] = np.where(first_closer, *result.comparison.names)
    return frame


def columns(result: ComparisonResult, task: str, palette: Palette) -> dict[str, Column]:
    """The columns of the table, by task."""
    first, second = result.comparison.names
    row = {
        "trace": Column("trace"),
        "at": Column(
            "at (UTC)",
            lambda v: f"{pd.Timestamp(v):%Y-%m-%d %H:%M}",
            "“—”: the files have no times.",
        ),
        "elapsed_h": Column("hour", "{:,.1f}".format, "Since the first tick.", number=True),
    }
    if task != "capacity":
        row = {
            "type": Column("type"),
            "region": Column("region"),
            "bucket_before": Column(
                "interrupted before", bucket_label, "“—”: not listed.", number=True
            ),
            "bucket_after": Column("interrupted after", bucket_label, number=True),
        }
    return row | {
        "first": Column(first, formatting.percent, "Prediction.", number=True),
        "second": Column(second, formatting.percent, "Prediction.", number=True),
        "gap": Column(
            "difference (points)",
            lambda v: f"{100 * v:+.0f}".replace("-", "−"),
            "First minus second, in percentage points.",
            number=True,
        ),
        "outcome": Column(
            "outcome",
            colour=lambda text: palette.bad if str(text)[:1] == "■" else palette.good,
        ),
        "nearer": Column("closer model"),
    }


def exported(frame: pd.DataFrame, result: ComparisonResult) -> export.Table:
    """The disagreements as a file."""
    first, second = result.comparison.names
    plain = frame.assign(at=frame["at"].astype("string")) if "at" in frame else frame
    names = {"first": first, "second": second, "gap": "Difference"}
    return export.Table(
        frame=plain,
        caption=f"Where {first} and {second} differ most",
        headers={
            name: names.get(name, card_facts.readable(name).capitalize()) for name in plain.columns
        },
        digits={"first": 3, "second": 3, "gap": 3},
        notes=(f"Outcome: {result.rows.label}.", *result.rows.warnings),
    )
