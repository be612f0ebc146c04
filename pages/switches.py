"""The Switches page: which switches run, wait or need attention, and what was really saved?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, layout, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.switches import actions, detail, drill, guards, table

guard.require(Right.READ)


def show_switches() -> None:
    """The list, and the open switch with its live timeline."""
    shown, opened = detail.opened(switches)
    bar = st.columns([6, 1.4, 1.4], vertical_alignment="center")
    drill.show_progress()
    places = layout.master_detail(opened is not None, (6, 6))
    with bar[0]:
        widgets.row_count(len(shown), len(switches), "switch", "switches")
    with bar[1]:
        guards.show_stop()
    with bar[2]:
        drill.show_button()
    if not switches:
        widgets.empty("No switch has been requested.", "open an instance and plan a switch.")
        return
    with places.table:
        tables.show(
            table.rows(shown),
            table.columns(now, palette()),
            name="Switches",
            key=detail.TABLE,
            select=("single-row", "single-cell"),
            marked=shown.index(opened) if opened in shown else None,
        )
        if opened is None:
            st.caption("Select a row to see its steps and its journal, and to act on it.")
    if opened is not None and places.details is not None:
        with places.details:
            detail.show(opened, services.journal(opened.switch_id), now)


versions = live_updates.topic_versions(Topic.SWITCHES)
services, now = session.services().switches, session.now()
switches = services.list(limit=table.MAX_ROWS)
widgets.headline(table.headline(switches), table.small_print(switches))
actions.show_outcome()
live_updates.rerun_page_on_change(versions)
tabs = widgets.tabs(["Switches", "Guards"])
with tabs[0]:
    show_switches()
with tabs[1]:
    guards.show()
