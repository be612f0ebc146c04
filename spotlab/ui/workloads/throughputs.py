"""The section on performance: measured throughputs, their upload, and AWS's claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.performance_claims import CLAIMS
from spotlab.domain.throughput_file import EXAMPLE, MAX_FILE_BYTES
from spotlab.domain.throughputs import ALL_WORKLOADS, ThroughputSet
from spotlab.errors import SpotlabError
from spotlab.services.throughputs import Import
from spotlab.ui.common import errors, formatting, identity, permissions, session, tables, widgets
from spotlab.ui.common.tables import Column

DONE: Final = "throughputs-done"
EVERYONE: Final = "all workloads"
HELP: Final = (
    "A CSV file with the columns `name` and `throughput`, and optionally `unit`, `measured_at` and "
    "`note`. A name is an instance type or a family; the throughput of a family is per vCPU, or "
    "per GPU. The file replaces the throughputs of the workload that you select; recorded "
    "decisions keep theirs."
)


def show(workloads: Sequence[str]) -> None:
    """Shows the section.

    Args:
        workloads: names of all workloads.
    """
    with errors.boundary():
        if message := st.session_state.pop(DONE, ""):
            st.toast(formatting.plain(message), icon=":material/check:")
        sets = session.services().throughputs.newest()
        st.header("Price for work", anchor=False)
        st.write(formatting.plain(summary(sets)))
        if sets:
            _show_set(sets)
        _show_upload(workloads)
        _show_claims()


def summary(sets: Mapping[str, ThroughputSet]) -> str:
    """What performance rests on, in a sentence or two."""
    rest = (
        "Where nothing was measured, hardware counts as equally fast, or by AWS's claims if the "
        "workload counts them."
    )
    if not sets:
        return f"No throughputs have been measured. {rest}"
    figures = formatting.count(sum(len(each.throughputs) for each in sets.values()), "throughput")
    whose = formatting.listed([name or EVERYONE for name in sorted(sets)])
    return f"{figures} of {whose} measured. {rest}"


def rows(chosen: ThroughputSet) -> pd.DataFrame:
    """The throughputs of a set, with the columns of a file that can be uploaded again."""
    return pd.DataFrame(
        {
            "name": [each.name for each in chosen.throughputs],
            "throughput": [each.value for each in chosen.throughputs],
            "unit": [chosen.unit or None for _ in chosen.throughputs],
            "measured_at": [
                each.measured_at.isoformat() if each.measured_at else None
                for each in chosen.throughputs
            ],
            "note": [each.note or None for each in chosen.throughputs],
        }
    )


def claim_rows() -> pd.DataFrame:
    """AWS's statements, one per row."""
    return pd.DataFrame(
        {
            "faster": [", ".join(each.faster) for each in CLAIMS],
            "ratio": [each.ratio for each in CLAIMS],
            "slower": [", ".join(each.slower) for each in CLAIMS],
            "statement": [each.statement for each in CLAIMS],
            "title": [each.title for each in CLAIMS],
            "published": [each.published for each in CLAIMS],
            "url": [each.url for each in CLAIMS],
        }
    )


def _show_set(sets: Mapping[str, ThroughputSet]) -> None:
    names = {name or EVERYONE: name for name in sorted(sets)}
    label = widgets.pick_one("Throughputs of", {each: each for each in names}, "throughputs")
    if label is None:
        return
    chosen = sets[names[label]]
    frame = rows(chosen).assign(per=[_per(each.of_family) for each in chosen.throughputs])
    tables.show(frame, _columns(chosen.unit), name="Throughputs", key="throughputs-table")
    reason = f": {chosen.reason}" if chosen.reason else ""
    st.caption(
        formatting.plain(
            f"Version {chosen.version}, {chosen.created_by}, "
            f"{formatting.moment(chosen.created_at)}{reason}."
        )
    )
    with st.container(horizontal=True):
        widgets.export(lambda: rows(chosen), "throughputs", "throughputs-export")
        if _may_change():
            _show_remove(chosen, label)


def _show_remove(chosen: ThroughputSet, label: str) -> None:
    with st.popover("Remove", icon=":material/delete:"):
        st.write(
            f"The throughputs of {formatting.plain(label)} will no longer count. Recorded "
            "decisions keep them."
        )
        if st.button("Remove throughputs", key="throughputs-remove"):
            try:
                session.services().throughputs.remove(chosen.workload)
            except SpotlabError as exc:
                errors.show(exc)
                return
            st.session_state[DONE] = f"Removed the throughputs of {label}."
            st.rerun()


def _show_upload(workloads: Sequence[str]) -> None:
    with st.expander("Upload throughputs", icon=":material/upload_file:"):
        if not permissions.caption(Right.CHANGE_INSTANCES):
            return
        if not _may_change():
            st.caption(":material/lock: A user who sees every account may change throughputs.")
            return
        st.caption(HELP)
        st.code(EXAMPLE, language=None)
        left, right = st.columns(2)
        file = left.file_uploader(
            "Throughputs (CSV)",
            type="csv",
            key="throughputs-file",
            max_upload_size=MAX_FILE_BYTES // 1024**2,
        )
        workload = right.selectbox(
            "For",
            [ALL_WORKLOADS, *sorted(workloads)],
            format_func=lambda name: name or EVERYONE,
            key="throughputs-workload",
        )
        right.text_input(
            "Reason",
            key="throughputs-reason",
            max_chars=500,
            placeholder="how and where it was measured; recorded with the version",
        )
        if st.button("Upload", type="primary", key="throughputs-save", disabled=file is None):
            _save(file.getvalue() if file is not None else b"", workload)


def _save(content: bytes, workload: str) -> None:
    reason = str(st.session_state.get("throughputs-reason", "")).strip()
    try:
        made = session.services().throughputs.import_file(content, workload, reason=reason)
    except SpotlabError as exc:
        errors.show(exc)
        return
    st.session_state[DONE] = outcome(made)
    st.query_params["throughputs"] = workload or EVERYONE
    st.rerun()


def outcome(made: Import) -> str:
    """What an upload did, and which names have no effect yet."""
    figures = formatting.count(len(made.saved.throughputs), "throughput")
    text = f"Saved {figures} as version {made.saved.version}."
    if made.not_in_market:
        text += (
            f" No effect yet, as no such type has a price: {formatting.listed(made.not_in_market)}."
        )
    return text


def _show_claims() -> None:
    with st.expander("What AWS claims", icon=":material/campaign:"):
        st.caption(
            "Statements of AWS about performance, at the same size: claimed, not measured. "
            "“Up to” is the most that AWS saw in its own tests; they count only for workloads that "
            "say so. Statements about price performance contain on-demand prices and never count."
        )
        frame = claim_rows()
        tables.show(frame, _CLAIM_COLUMNS, name="AWS's claims", key="claims")
        widgets.export(claim_rows, "aws-performance-claims", "claims-export")


def _may_change() -> bool:
    who = identity.current()
    return who.may(Right.CHANGE_INSTANCES) and who.accounts is None


def _per(of_family: bool) -> str:
    return "vCPU or GPU" if of_family else "instance"


def _columns(unit: str) -> dict[str, Column]:
    return {
        "name": Column("type or family"),
        "throughput": Column(
            f"throughput ({formatting.plain(unit)})" if unit else "throughput",
            lambda value: f"{value:,.6g}",
            help="Units of work in a unit of time. “—” elsewhere in the row: not in the file.",
            number=True,
        ),
        "per": Column("per", help="A family's throughput is per vCPU, or per GPU or accelerator."),
        "measured_at": Column("measured"),
        "note": Column("note", width="large"),
    }


_CLAIM_COLUMNS: Final[dict[str, Any]] = {
    "faster": Column("families"),
    "ratio": Column("times", lambda value: f"{value:.4g}", number=True),
    "slower": Column("as fast as", help="Families that AWS compares with.", width="medium"),
    "statement": Column("AWS's words", width="large"),
    "title": Column("announcement", width="medium"),
    "published": Column("date"),
    "url": Column("source", width="medium", link=True),
}
