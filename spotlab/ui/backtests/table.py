"""Sweeps there are: the first line of the page, the form, and the list."""

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
    "A policy sees no tick from the future; the oracle is the best schedule in hindsight. Every "
    "finished cell is kept: what is stopped or killed goes on."
)


def known() -> list[SweepRecord]:
    """Every sweep that was made by this page or `spotlab backtest`, newest first."""
    return [
        record
        for record in session.desk().backtests.list(limit=200)
        if "workloads" in record.config and "sources" in record.config
    ]


def headline(records: Sequence[SweepRecord]) -> str:
    """What the newest finished sweep came to, or that there is none."""
    for record in records:
        if record.state == "done":
            return results.headline(record, figures.figures(record))
    if records:
        newest = records[0]
        return (
            f"No backtest is finished yet: the newest has {newest.done:,} of "
            + formatting.count(newest.total, "cell")
        )
    return "0 backtests yet: what would each policy have cost?"


def show_form() -> None:
    """Set up a sweep, see what it takes, and start it."""
    st.header("Set up a backtest", anchor=False)
    if not permissions.caption(Right.BACKTEST):
        return
    if not uploads.folders(session.settings().home.absolute()):
        widgets.empty(
            "No recorded trace is on this machine, so there is nothing to replay yet.",
            "drop the traces of one campaign below, a file a zone: JSON "
            "`{metadata: {gap_seconds}, data: [nodes available, …]}` or CSV `tick,time,fail`; or "
            "start the app with SPOTLAB_SHARED_DATA naming a folder that has them.",
        )
    with st.container(border=True):
        sweep = form.ask()
        _show_start(sweep)


def _show_start(sweep: Sweep | None) -> None:
    record = actions.kept(sweep.plan.sweep_id) if sweep is not None else None
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Start" if record is None else "Open" if record.state == "done" else "Go on"
        pressed = st.button(
            label,
            type="primary",
            icon=":material/play_arrow:",
            disabled=sweep is None,
            key="backtest-start",
        )
        if sweep is not None and record is not None:
            st.markdown(
                f"This one is kept already ({labels.STATE_MARKS[actions.state(record)]}, "
                f"{record.done:,} of {formatting.count(record.total, 'cell')})."
            )
        elif sweep is not None:
            st.markdown(time_estimate.describe_cells(sweep))
    if pressed and sweep is not None:
        with errors.boundary():
            actions.begin(sweep)


def show(records: Sequence[SweepRecord], now: datetime) -> None:
    """Past and running sweeps; a selected one is opened."""
    if not records:
        return
    st.header("All backtests", anchor=False)
    frame = rows(records)
    columns = {
        "state": Column("state", width="small"),
        "what": Column("what", width="medium"),
        "traces": Column("traces", width="medium"),
        "policies": Column("policies", str, "With the oracle.", number=True),
        "windows": Column("windows", str, number=True),
        "done": Column("cells done", str, "Of all cells: a policy in a window.", number=True),
        "at": Column("asked for", at(now, formatting.ago)),
        "id": Column("id", help="The same id is the same question, answered by the same code."),
    }
    picked = tables.show(
        frame, columns, name="Backtests", key="backtests", select=("single-row", "single-cell")
    )
    st.caption("Select a row to open it.")
    if picked:
        actions.show(str(frame["id"].iloc[picked[0]]))


def rows(records: Sequence[SweepRecord]) -> pd.DataFrame:
    """A row a sweep."""
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
