"""The Health page: does every component work?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import errors, export, guard, live_updates, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.health import component_detail, component_table

guard.require(Right.READ)


@st.fragment(run_every=30)
def show_components() -> None:
    """Every component, probed again every 30 s and when a state changes."""
    with errors.boundary():
        versions = live_updates.topic_versions(Topic.HEALTH)
        health = session.health()
        widgets.headline(component_table.headline(health), component_table.small_print(health))
        component_table.show(health, palette())
        export.offer(lambda: component_table.exported(health), "health", "health-file")
        if chosen := component_detail.pick():
            component_detail.show(chosen, health, palette())
        live_updates.rerun_fragment_on_change(
            versions,
            lambda: component_table.states(session.health()) != component_table.states(health),
        )


show_components()
