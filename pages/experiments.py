"""The Experiments page: what was decided, when, and on what evidence?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, layout, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.experiments import experiment_detail, preview, table

guard.require(Right.READ)


def show_decision(experiment_id: int) -> None:
    """One decision with all its inputs."""
    if st.button("All decisions", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.pop("id", None)
        st.query_params.pop(widgets.TAB, None)
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
        newest = next(iter(services.experiments.list(filters, limit=1) if offset else rows), None)
        latest = table.latest(session.decisions(), fleet, filters)
        widgets.headline(
            table.headline(total, newest, latest, now),
            "Select a row to read its reason and to open the decision.",
        )
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
        frame, opened = table.rows(rows, fleet), preview.opened(rows)
        places = layout.master_detail(opened is not None)
        with places.table:
            tables.show(
                frame,
                table.columns(now, palette()),
                name="Decisions",
                key=preview.TABLE,
                select=("single-row", "single-cell"),
                marked=opened,
            )
            table.show_export(filters)
    if opened is not None and places.details is not None:
        with places.details:
            preview.show(rows[opened], frame["instance"].iloc[opened], now)


experiment_id = widgets.number_asked("id")
if experiment_id is not None:
    show_decision(experiment_id)
else:
    show_history()
