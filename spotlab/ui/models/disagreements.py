"""The rows where two models differ most, with what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from spotlab.services.model_comparison import ComparisonResult
from spotlab.ui.common import export, formatting, tables
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import card_facts

_OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "capacity": ("● kept", "■ lost"),
    "advisor": ("● bucket 0-2", "■ bucket 3-4"),
}


def show(result: ComparisonResult, task: str, palette: Palette) -> None:
    places = result.comparison.disagreements
    st.header("Where they differ most", anchor=False)
    if not len(places):
        st.caption("Both models forecast the same for every row.")
        return
    frame = rows_of(result, task)
    nearer = frame["nearer"].value_counts()
    told = ", ".join(f"{name} nearer to what happened in {count}" for name, count in nearer.items())
    st.caption(
        f"The {len(places):,} of {result.comparison.rows:,} rows where the forecasts are farthest "
        f"apart: {formatting.plain(told)}."
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
    """One row a disagreement, the largest first."""
    places = result.comparison.disagreements
    rows = result.rows
    frame = rows.table.iloc[places].reset_index(drop=True)
    frame["first"], frame["second"] = rows.first[places], rows.second[places]
    frame["gap"] = frame["first"] - frame["second"]
    seen = rows.outcome[places]
    no, yes = _OUTCOMES.get(task, ("● no", "■ yes"))
    frame["outcome"] = np.where(seen > 0, yes, no)
    closer = np.abs(frame["first"] - seen) < np.abs(frame["second"] - seen)
    frame["nearer"] = np.where(closer, *result.comparison.names)
    return frame


def columns(result: ComparisonResult, task: str, palette: Palette) -> dict[str, Column]:
    """How the disagreements are shown."""
    first, second = result.comparison.names
    about = {
        "trace": Column("trace"),
        "at": Column(
            "at (UTC)",
            lambda v: f"{pd.Timestamp(v):%Y-%m-%d %H:%M}",
            "“—”: the files carry no time.",
        ),
        "elapsed_h": Column("hour", "{:,.1f}".format, "Since the first tick.", number=True),
    }
    if task != "capacity":
        bucket = "{:.0f}".format
        about = {
            "type": Column("type"),
            "region": Column("region"),
            "bucket_before": Column("bucket before", bucket, "“—”: not listed.", number=True),
            "bucket_after": Column("bucket after", bucket, number=True),
        }
    return about | {
        "first": Column(first, formatting.percent, "Its forecast.", number=True),
        "second": Column(second, formatting.percent, "Its forecast.", number=True),
        "gap": Column(
            "difference, points",
            lambda v: f"{100 * v:+.0f}".replace("-", "−"),
            "First minus second, percentage points.",
            number=True,
        ),
        "outcome": Column(
            "what happened",
            colour=lambda text: palette.bad if str(text)[:1] == "■" else palette.good,
        ),
        "nearer": Column("nearer"),
    }


def exported(frame: pd.DataFrame, result: ComparisonResult) -> export.Table:
    first, second = result.comparison.names
    plain = frame.assign(at=frame["at"].astype("string")) if "at" in frame else frame
    names = {"first": first, "second": second, "gap": "Difference"}
    return export.Table(
        frame=plain,
        caption=f"Where {first} and {second} differ most",
        headers={
            name: names.get(name, card_facts.spoken(name).capitalize()) for name in plain.columns
        },
        digits={"first": 3, "second": 3, "gap": 3},
        notes=(f"Outcome: {result.rows.label}.", *result.rows.warnings),
    )
