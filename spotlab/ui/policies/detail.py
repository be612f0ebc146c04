"""One version: what its parameters mean, and who changed its state."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.policy import PARAMETERS, PolicyVersion
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette
from spotlab.ui.policies.table import STATE_MARKS


def show_parameters(version: PolicyVersion, active: PolicyVersion, palette: Palette) -> None:
    """Shows every parameter in words, beside the value of the active policy."""
    frame = parameter_rows(version, active)
    columns = {
        "label": Column("parameter"),
        "value": Column(version.reference, number=True),
        "active": Column(f"{active.reference} (active)", number=True),
        "change": Column("", colour=lambda _text: palette.move),
        "meaning": Column("meaning", width="large"),
    }
    if version.reference == active.reference:
        del columns["active"], columns["change"]
    tables.show(frame, columns, name="Parameters", key="policy-parameters", max_rows=20)


def parameter_rows(version: PolicyVersion, active: PolicyVersion) -> pd.DataFrame:
    """One row per parameter."""
    mine, theirs = version.policy.params.as_dict(), active.policy.params.as_dict()
    return pd.DataFrame(
        [
            {
                "label": parameter.label,
                "value": parameter.text(mine[name]),
                "active": parameter.text(theirs[name]),
                "change": _direction(mine[name], theirs[name]),
                "meaning": parameter.meaning,
            }
            for name, parameter in PARAMETERS.items()
        ]
    )


def _direction(mine: float, theirs: float) -> str:
    if mine == theirs:
        return ""
    return "▲ higher" if mine > theirs else "▼ lower"


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
