"""Headline, form and table of the list of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports.backtests import SweepRecord
from spotlab.sweeps.plan import Sweep
from spotlab.ui.backtests import actions, figures, form, labels, results, time_estimate, uploads
from spotlab.ui.common import errors, formatting, permissions, session, tables, widgets
from spotlab.ui.common.tables import Column, at

SMALL_PRINT = (
    "A policy sees no tick from the future; the oracle is the best schedule with hindsight. Every "
    "finished cell is stored, so a cancelled or interrupted backtest can be resumed."
)


def list_sweeps() -> list[SweepRecord]:
    """Sweeps started on this page or with `spotlab backtest`, newest first."""
    return [
        record
        for record in session.services().backtests.list(limit=200)
        if "workloads" in record.config and "sources" in record.config
    ]


def headline(records: Sequence[SweepRecord]) -> str:
    """The result of the newest finished sweep, or that there is none."""
    for record in records:
        if record.state == "done":
            return results.headline(record, figures.figures(record))
    if records:
        newest = records[0]
        return (
            f"No backtest has finished yet: the newest has completed {newest.done:,} of "
            + formatting.count(newest.total, "cell")
        )
    return "0 backtests yet: start one to see what each policy would have cost"


def show_form() -> None:
    """Shows the form of a new sweep, its estimated time, and the button that starts it."""
    st.header("Set up a backtest", anchor=False)
    if not permissions.caption(Right.BACKTEST):
        return
    if not uploads.folders(session.settings().home.absolute()):
        widgets.empty(
            "There are no recorded traces on this machine, so there is nothing to replay yet.",
            "upload the traces of one campaign below, one file per zone: JSON "
            "`{metadata: {gap_seconds}, data: [nodes available, …]}` or CSV `tick,time,fail`; or "
            "start the app with SPOTLAB_SHARED_DATA set to a folder that contains traces.",
        )
    with st.container(border=True):
        sweep = form.ask()
        _show_start(sweep)


def _show_start(sweep: Sweep | None) -> None:
    record = actions.find(sweep.plan.sweep_id) if sweep is not None else None
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Start" if record is None else "Open" if record.state == "done" else "Resume"
        pressed = st.button(
            label,
            type="primary",
            icon=":material/play_arrow:",
            disabled=sweep is None,
            key="backtest-start",
        )
        if sweep is not None and record is not None:
            st.markdown(
                f"This backtest already exists ({labels.STATE_MARKS[actions.state(record)]}, "
                f"{record.done:,} of {formatting.count(record.total, 'cell')})."
            )
        elif sweep is not None:
            st.markdown(time_estimate.describe_cells(sweep))
    if pressed and sweep is not None:
        with errors.boundary():
            actions.begin(sweep)


def show(records: Sequence[SweepRecord], now: datetime) -> None:
    """Shows past and running sweeps, and opens the selected one."""
    if not records:
        return
    st.header("All backtests", anchor=False)
    frame = rows(records)
    columns = {
        "state": Column("state", width="small"),
        "what": Column("workload", width="medium"),
        "traces": Column("traces", width="medium"),
        "policies": Column("policies", str, "Including the oracle.", number=True),
        "windows": Column("windows", str, number=True),
        "done": Column(
            "cells done", str, "Of all cells; a cell is one policy in one window.", number=True
        ),
        "at": Column("requested", at(now, formatting.ago)),
        "id": Column("id", help="Equal ids mean equal inputs and equal code."),
    }
    selected = tables.show(
        frame, columns, name="Backtests", key="backtests", select=("single-row", "single-cell")
    )
    st.caption("Select a row to open it.")
    if selected:
        actions.show(str(frame["id"].iloc[selected[0]]))


def rows(records: Sequence[SweepRecord]) -> pd.DataFrame:
    """One row per sweep."""
    return pd.DataFrame(
        {
            "state": labels.STATE_MARKS[actions.state(record)],
            "what": labels.workload(record.config),
            "traces": f"{Path(record.config['trace_dir']).name} · {labels.zones(record.config)}",
            "policies": len(record.config["policies"]),
            "windows": record.config["windows"],
            "done": f"{record.done:,} of {record.total:,}",
            "at": record.created_at,
            "id": record.sweep_id,
        }
        for record in records
    )
