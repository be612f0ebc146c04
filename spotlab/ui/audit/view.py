"""The audit log: whether its chain holds, filters, rows, one entry whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Principal, Right
from spotlab.domain.ports import AuditCheck, AuditEntry, AuditFilter
from spotlab.services import Desk
from spotlab.ui.common import access_labels, export, formatting, session, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.experiments.table import SINCE

PAGE_ROWS: Final = 50
MOST_EXPORTED: Final = 100_000
CHECKED_FOR: Final = timedelta(seconds=30)
KINDS: Final = {
    "account": "accounts",
    "alert": "alerts",
    "data": "old data and backups",
    "event": "interruptions",
    "instance": "instances",
    "job": "jobs",
    "market": "the market",
    "model": "models",
    "session": "sessions",
    "sweep": "backtests",
    "token": "API tokens",
    "user": "users",
}


def ask(now: datetime) -> AuditFilter:
    """One row of filters, in the URL."""
    row = st.columns([2, 2, 2, 2], vertical_alignment="bottom")
    actor = row[0].text_input("Who", key="who", bind="query-params", placeholder="everybody")
    action = row[1].selectbox(
        "About",
        list(KINDS),
        index=None,
        format_func=lambda kind: KINDS[kind],
        key="about",
        placeholder="everything",
    )
    target = row[2].text_input("Target", key="target", bind="query-params", placeholder="any")
    since = row[3].selectbox(
        "Time", list(SINCE), index=None, key="since", bind="query-params", placeholder="all"
    )
    return AuditFilter(
        (actor or "").strip() or None,
        action,
        (target or "").strip() or None,
        now - SINCE[since] if since else None,
    )


def check() -> AuditCheck:
    """Whether the chain holds, followed at most every 30 s."""
    desk = session.desk()
    desk.who.require(Right.READ_AUDIT)
    return _check(desk)


@st.cache_resource(show_spinner=False, ttl=CHECKED_FOR, max_entries=1)
def _check(_desk: Desk) -> AuditCheck:
    return _desk.audit.check()


def headline(found: AuditCheck) -> str:
    """Whether what is written can be believed."""
    told = formatting.count(found.entries, "change")
    if found.broken_at is not None:
        return f"The log is not as it was written, from entry {found.broken_at} on"
    return f"{told} recorded, and the chain holds"


def small_print(found: AuditCheck, who: Principal) -> str:
    """The end of the chain, to be noted elsewhere, and what of it is not shown."""
    if not found.head:
        return "Nothing was changed yet."
    kept = "" if who.accounts is None else " Those about other accounts than yours are not shown."
    return (
        f"Each entry holds the hash of the one before; the last one's is {found.head[:16]}…. Noted "
        f"elsewhere, it shows later whether the end was cut off.{kept}"
    )


def show_broken(found: AuditCheck) -> None:
    """What is wrong with it, where something is."""
    if found.broken_at is not None:
        st.error(
            f"{formatting.plain(found.reason)} The {found.entries:,} entries before it are as they "
            "were written.\n\n**What to do:** find out who can write to the database; "
            "compare with a backup.",
            title="The chain is broken",
            icon=":material/link_off:",
        )


def show(entries: Sequence[AuditEntry], now: datetime) -> None:
    """Entries, and one whole where it is selected."""
    picked = tables.show(
        rows(entries),
        columns(now),
        name="Audit log",
        key="audit",
        select=("single-row", "single-cell"),
        rows=[str(entry.number) for entry in entries],
    )
    if not picked:
        st.caption("Select a row to see all of it.")
        return
    entry = entries[picked[0]]
    with st.container(border=True):
        st.header(formatting.plain(f"#{entry.number} {entry.action}"), anchor=False)
        st.caption(
            formatting.plain(
                f"{entry.actor} ({entry.via or 'the app itself'}), {formatting.moment(entry.at)}, "
                "on "
                f"{entry.target or formatting.UNKNOWN}. {entry.reason}"
            )
        )
        before, after = st.columns(2, gap="large")
        with before:
            st.markdown("**Before**")
            st.json(entry.before if entry.before is not None else {}, expanded=2)
        with after:
            st.markdown("**After**")
            st.json(entry.after if entry.after is not None else {}, expanded=2)
        st.caption(f"SHA-256 `{entry.digest}`, after `{entry.previous or 'none'}`")


def rows(entries: Sequence[AuditEntry]) -> pd.DataFrame:
    """One row an entry, newest first."""
    return pd.DataFrame(
        [
            {
                "number": entry.number,
                "when": entry.at,
                "actor": entry.actor,
                "via": entry.via or "itself",
                "action": entry.action,
                "target": entry.target or None,
                "change": access_labels.change(entry.before, entry.after) or None,
                "reason": entry.reason or None,
            }
            for entry in entries
        ],
        columns=["number", "when", "actor", "via", "action", "target", "change", "reason"],
    )


def columns(now: datetime) -> dict[str, Column]:
    """How the log's columns are shown."""
    return {
        "number": Column("#", str, number=True),
        "when": Column("when", at(now, formatting.ago)),
        "actor": Column("who", help="“spotlab” is the app itself."),
        "via": Column("came by"),
        "action": Column("what"),
        "target": Column("target"),
        "change": Column("before → after", width="large"),
        "reason": Column("reason", width="medium", help="“—”: none was given."),
    }


def offer(asked: AuditFilter) -> None:
    """What is filtered as a file."""
    desk = session.later()

    def table() -> export.Table:
        return exported(desk().audit.list(asked, limit=MOST_EXPORTED))

    export.offer(table, "audit", "audit-file")


def exported(entries: Sequence[AuditEntry]) -> export.Table:
    """The entries with their hashes."""
    frame = rows(entries)
    frame["at"] = [f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for entry in entries]
    frame["digest"] = [entry.digest for entry in entries]
    frame["previous"] = [entry.previous for entry in entries]
    return export.Table(
        frame=frame,
        caption="Audit log",
        headers={
            "number": "Number",
            "at": "At (UTC)",
            "actor": "Who",
            "via": "Came by",
            "action": "What",
            "target": "Target",
            "change": "Before → after",
            "reason": "Reason",
            "digest": "SHA-256",
            "previous": "SHA-256 before",
        },
    )
