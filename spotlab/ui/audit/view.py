"""The audit log: state of its hash chain, filters, table, one entry, export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Principal, Right
from spotlab.domain.ports import AuditCheck, AuditEntry, AuditFilter
from spotlab.services import Services
from spotlab.ui.common import access_labels, export, formatting, session, tables, widgets
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


def show_filters(now: datetime) -> AuditFilter:
    """One row of filters; the choices are in the URL."""
    row = st.columns([2, 2, 2, 2], vertical_alignment="bottom")
    with row[0]:
        actor = widgets.search("User", "who", "all")
    with row[1]:
        action = widgets.pick_one("About", KINDS, "about", blank="all")
    with row[2]:
        target = widgets.search("Target", "target", "all")
    with row[3]:
        since = widgets.pick_option("Time", list(SINCE), "since")
    return AuditFilter(
        actor.strip() or None,
        action,
        target.strip() or None,
        now - SINCE[since] if since else None,
    )


def check() -> AuditCheck:
    """The state of the hash chain, checked at most every 30 s."""
    services = session.services()
    services.principal.require(Right.READ_AUDIT)
    return _check(services)


@st.cache_resource(show_spinner=False, ttl=CHECKED_FOR, max_entries=1)
def _check(_services: Services) -> AuditCheck:
    return _services.audit.check()


def headline(check: AuditCheck) -> str:
    """How many changes are recorded, and whether the log was altered."""
    if check.broken_at is not None:
        return f"The log was altered from entry {check.broken_at} onward"
    return f"{formatting.count(check.entries, 'change')} recorded, and the hash chain is intact"


def small_print(check: AuditCheck, user: Principal) -> str:
    """The head of the chain, and whether entries are hidden from this user."""
    if not check.head:
        return "No changes yet."
    hidden = "" if user.accounts is None else " Entries about other accounts are not shown to you."
    return (
        f"Each entry contains the hash of the previous one; the head is {check.head[:16]}…. Store "
        f"the head elsewhere: it reveals later whether entries were removed from the end.{hidden}"
    )


def show_broken(check: AuditCheck) -> None:
    """A message, if the chain is broken."""
    if check.broken_at is not None:
        st.error(
            f"{formatting.plain(check.reason)} The {check.entries:,} entries before it are "
            "unaltered.\n\n**What to do:** find out who can write to the database, and compare "
            "the log with a backup.",
            title="The hash chain is broken",
            icon=":material/link_off:",
        )


def show(entries: Sequence[AuditEntry], now: datetime) -> None:
    """The table of entries, and the details of the selected one."""
    selected = tables.show(
        rows(entries),
        columns(now),
        name="Audit log",
        key="audit",
        select=("single-row", "single-cell"),
        rows=[str(entry.number) for entry in entries],
    )
    if not selected:
        st.caption("Select a row to see the whole entry.")
        return
    entry = entries[selected[0]]
    with st.container(border=True):
        st.header(formatting.plain(f"#{entry.number} {entry.action}"), anchor=False)
        st.caption(
            formatting.plain(
                f"{entry.actor} ({entry.via or 'the app itself'}), "
                f"{formatting.moment(entry.at)}, target "
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
        st.caption(f"SHA-256 `{entry.digest}`, previous entry `{entry.previous or 'none'}`")


def rows(entries: Sequence[AuditEntry]) -> pd.DataFrame:
    """One row per entry, newest first."""
    return pd.DataFrame(
        [
            {
                "number": entry.number,
                "when": entry.at,
                "actor": entry.actor,
                "via": entry.via or "app",
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
    """The columns of the audit log."""
    return {
        "number": Column("#", str, number=True),
        "when": Column("time", at(now, formatting.ago)),
        "actor": Column("user", help="“spotlab” is the app itself."),
        "via": Column("via", help="Session, API token, command line, …; “app”: the app itself."),
        "action": Column("action"),
        "target": Column("target"),
        "change": Column("before → after", width="large"),
        "reason": Column("reason", width="medium", help="“—”: no reason was entered."),
    }


def offer_export(filters: AuditFilter) -> None:
    """Buttons that export the filtered entries."""
    services = session.deferred_services()

    def table() -> export.Table:
        return exported(services().audit.list(filters, limit=MOST_EXPORTED))

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
            "actor": "User",
            "via": "Via",
            "action": "Action",
            "target": "Target",
            "change": "Before → after",
            "reason": "Reason",
            "digest": "SHA-256",
            "previous": "SHA-256 of the previous entry",
        },
    )
