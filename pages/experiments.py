"""The Experiments page: what was decided, when, and on what evidence?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, links, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.experiments import experiment_detail, table

guard.require(Right.READ)


def show_decision(experiment_id: int) -> None:
    """One decision with all its inputs."""
    if st.button("All decisions", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    experiment_detail.show(session.experiment(experiment_id), session.now(), palette())


def show_history() -> None:
    """Every decision, newest first."""
    versions = live_updates.topic_versions(Topic.EXPERIMENTS)
    services, now = session.services(), session.now()
    top, fleet = st.container(), session.fleet()
    models = [record.reference for record in services.models.records()]
    filters = table.show_filters(fleet, models, now)
    total = services.experiments.count(filters)
    bottom = st.container()
    offset = widgets.page_offset(total, table.PAGE_ROWS)
    rows = services.experiments.list(filters, limit=table.PAGE_ROWS, offset=offset)
    with top:
        widgets.headline(table.headline(total, rows, now), "Select a row to open the decision.")
    with bottom:
        with st.container(horizontal=True, vertical_alignment="center", height=40, border=False):
            widgets.row_count(len(rows), total, "decision")
            live_updates.rerun_page_on_change(
                versions,
                lambda: table.new_decisions(session.services().experiments.count(filters) - total),
            )
        if not total:
            widgets.empty(
                "No decisions are recorded, or the filters exclude all of them.",
                "remove a filter, or evaluate the fleet on the Instances page.",
            )
            return
        frame = table.rows(rows, fleet)
        selected = tables.show(
            frame,
            table.columns(now, palette()),
            name="Decisions",
            key="history",
            select=("single-row", "single-cell"),
        )
    if selected:
        st.switch_page(
            links.page("experiments"), query_params={"id": str(frame["id"].iloc[selected[0]])}
        )


experiment_id = widgets.number_asked("id")
if experiment_id is not None:
    show_decision(experiment_id)
else:
    show_history()
