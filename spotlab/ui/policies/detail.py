"""One version: what its parameters mean, and who changed its state."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.policy import PolicyVersion
from spotlab.domain.policy_parameters import PARAMETERS
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.policies.table import STATE_MARKS


def show_parameters(version: PolicyVersion, active: PolicyVersion) -> None:
    """Shows every parameter in words, next to the value of the active policy."""
    frame = parameter_rows(version, active)
    if version.reference == active.reference:
        frame = frame.drop(columns="active")
    headers = {
        "value": version.reference,
        "active": f"{active.reference} (active)",
        "meaning": "meaning",
    }
    st.table(
        frame.set_index("label").rename_axis("parameter").rename(columns=headers),
        border="horizontal",
    )


def parameter_rows(version: PolicyVersion, active: PolicyVersion) -> pd.DataFrame:
    """One row per parameter."""
    mine, theirs = version.policy.params.as_dict(), active.policy.params.as_dict()
    return pd.DataFrame(
        [
            {
                "label": parameter.label,
                "value": _marked(parameter.text(mine[name]), mine[name], theirs[name]),
                "active": parameter.text(theirs[name]),
                "meaning": parameter.meaning,
            }
            for name, parameter in PARAMETERS.items()
        ]
    )


def _marked(text: str, mine: float, theirs: float) -> str:
    if mine == theirs:
        return text
    return f"**{text} {'▲' if mine > theirs else '▼'}**"


def show_history(version: PolicyVersion, now: datetime) -> None:
    """Shows who changed its state, when and why, newest first."""
    if not version.history:
        st.caption("Every installation has this policy; its state has never changed.")
        return
    frame = pd.DataFrame(
        [
            {
                "when": event.at,
                "at": event.at,
                "actor": event.actor,
                "change": f"{'saved' if event.before is None else STATE_MARKS[event.before]} → "
                f"{STATE_MARKS[event.after]}",
                "reason": event.reason or None,
            }
            for event in version.history
        ]
    )
    columns = {
        "when": Column("when", at(now, formatting.ago)),
        "at": Column("time (UTC)", lambda value: f"{pd.Timestamp(value):%Y-%m-%d %H:%M:%S}"),
        "actor": Column("by"),
        "change": Column("change", width="medium"),
        "reason": Column("why", width="large", help="“—”: no reason was entered."),
    }
    tables.show(frame, columns, name="History", key="policy-history", max_rows=12)
