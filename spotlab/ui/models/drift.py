"""Drift of features, predictions and contributions."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.pipeline.drift import DriftReport
from spotlab.services import card_facts
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette


def show(report: DriftReport | None, now: datetime, palette: Palette) -> None:
    """Shows the drift of each feature, of the predictions and of their contributions."""
    if report is None:
        widgets.empty(
            "No market has been collected, so drift is unknown.",
            "press “Collect now” on the Market page.",
        )
        return
    if not report.moved:
        st.info(
            f"{formatting.plain(report.words)} A market is recorded at every evaluation, at most "
            "once an hour; the first days are the reference.",
            icon=":material/hourglass_empty:",
        )
        return
    icon = ":material/warning:" if report.alarm else ":material/check_circle:"
    box = st.warning if report.alarm else st.success
    box(formatting.plain(report.words), icon=icon)
    first, last = report.reference_from, report.reference_until
    dates = f" ({first:%Y-%m-%d} to {last:%Y-%m-%d})" if first and last else ""
    st.caption(
        f"Compares the newest scored market ({formatting.ago(report.at, now)}) with the reference: "
        f"the first {formatting.count(report.reference_days, 'day')}{dates}. “Usual” is the 95th "
        "percentile over the days of the reference."
    )
    tables.show(rows(report), columns(palette), name="Drift", key="drift", max_rows=12)
    export.offer(lambda: exported(report, now), "drift", "drift-file")


def rows(report: DriftReport) -> pd.DataFrame:
    """One row per feature, the prediction first."""
    frame = report.frame()
    frame["state"] = ["▲ drifted" if alarm else "● as usual" for alarm in frame["alarm"]]
    frame.loc[frame["ks"].isna(), "state"] = "○ unknown"
    frame["name"] = [card_facts.readable(name) for name in frame["name"]]
    return frame


def columns(palette: Palette) -> dict[str, Column]:
    """The columns of the table."""
    colours = {"▲": palette.warn, "●": palette.good}
    psi = "Population stability index over deciles of the reference: 0.1 is small, 0.25 is large."
    return {
        "name": Column("feature", width="medium"),
        "state": Column("state", colour=lambda text: colours.get(str(text)[:1], palette.quiet)),
        "psi": Column("PSI", card_facts.number, psi, number=True),
        "psi_usual": Column("usual PSI", card_facts.number, number=True),
        "ks": Column(
            "KS",
            card_facts.number,
            "Kolmogorov-Smirnov statistic: largest distance between the two distributions.",
            number=True,
        ),
        "ks_usual": Column("usual KS", card_facts.number, number=True),
        "importance": Column(
            "importance",
            card_facts.number,
            "Mean |SHAP value| over a sample of pools, in log-odds.",
            number=True,
        ),
        "importance_before": Column("importance, reference", card_facts.number, number=True),
    }


def exported(report: DriftReport, now: datetime) -> export.Table:
    """The drift as a file."""
    headers = {
        "name": "What",
        "state": "State",
        "psi": "PSI",
        "psi_usual": "Usual PSI",
        "ks": "KS",
        "ks_usual": "Usual KS",
        "importance": "Importance",
        "importance_before": "In the reference",
    }
    return export.Table(
        frame=rows(report),
        caption=f"Drift of {report.model} until {now:%Y-%m-%d}",
        headers=headers,
        digits={name: 3 for name in headers if name not in ("name", "state")},
        notes=(report.words,),
    )
