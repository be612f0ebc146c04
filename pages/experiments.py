"""What was decided, when, and on what evidence?"""

import math

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, links, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.experiments import experiment_detail, table

guard.require(Right.READ)


def show_decision(experiment_id: int) -> None:
    """One decision, whole."""
    if st.button("All decisions", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    experiment_detail.show(session.experiment(experiment_id), session.now(), palette())


def show_history() -> None:
    """Every decision, newest first."""
    desk, now, news = session.desk(), session.now(), live_updates.seen(Topic.EXPERIMENTS)
    answer, fleet = st.container(), session.fleet()
    models = [record.reference for record in desk.models.records()]
    where = table.ask(fleet, models, now)
    found = desk.decisions.count(where)
    pages = max(1, math.ceil(found / table.PAGE_ROWS))
    place = st.container()
    number = 1
    if pages > 1:
        number = st.pagination(pages, key="page", bind="query-params")
    rows = desk.decisions.list(
        where, limit=table.PAGE_ROWS, offset=(min(number, pages) - 1) * table.PAGE_ROWS
    )
    with answer:
        widgets.headline(table.headline(found, rows, now), "Select a row to open it whole.")
    with place:
        with st.container(horizontal=True, vertical_alignment="center", height=40, border=False):
            widgets.rows_left(len(rows), found, "decision")
            live_updates.follow(
                news, lambda: table.news(session.desk().decisions.count(where) - found)
            )
        if not found:
            widgets.empty(
                "No decisions are recorded, or the filters exclude all of them.",
                "drop a filter, or evaluate the fleet on the Instances page.",
            )
            return
        frame = table.rows(rows, fleet)
        picked = tables.show(
            frame,
            table.columns(now, palette()),
            name="Decisions",
            key="history",
            select=("single-row", "single-cell"),
        )
    if picked:
        st.switch_page(
            links.page("experiments"), query_params={"id": str(frame["id"].iloc[picked[0]])}
        )


asked = widgets.number_asked("id")
if asked is not None:
    show_decision(asked)
else:
    show_history()
