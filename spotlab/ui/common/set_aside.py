"""The records of market sources that could not be used, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from spotlab.domain.ports import SnapshotInfo
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.tables import Column

_COLUMNS = {
    "source": Column("source"),
    "reason": Column("record and reason", width="large"),
}


def show(infos: Sequence[SnapshotInfo]) -> None:
    """Lists the records that the sources' newest snapshots set aside; nothing if there are none.

    Args:
        infos: newest snapshot of each source.
    """
    odd = [info for info in infos if info.set_aside]
    if not odd:
        return
    records = sum(info.set_aside for info in odd)
    rows = [(info.source, reason) for info in odd for reason in info.set_aside_reasons]
    shown = "" if len(rows) == records else f" The first {len(rows):,} are listed."
    st.subheader("Records set aside", anchor=False)
    st.caption(
        f"{formatting.count(records, 'record')} of {formatting.count(len(odd), 'source')} could "
        f"not be used; all others are in use.{shown}"
    )
    tables.show(
        pd.DataFrame(rows, columns=["source", "reason"]),
        _COLUMNS,
        name="Records set aside",
        key="set-aside",
        max_rows=8,
    )
