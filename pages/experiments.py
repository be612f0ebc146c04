"""What was decided, when, and on what evidence?"""

import math

import streamlit as st

from spotlab.domain.ports import Topic
from spotlab.ui import guard, history, links, live, opened, session, tables, widgets
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)


def show_decision(experiment_id: int) -> None:
    """One decision, whole."""
    if st.button("All decisions", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    opened.show(session.experiment(experiment_id), session.now(), palette())


def show_history() -> None:
    """Every decision, newest first."""
    desk, now, news = session.desk(), session.now(), live.seen(Topic.EXPERIMENTS)
    answer, fleet = st.container(), session.fleet()
    models = [record.reference for record in desk.models.records()]
    where = history.ask(fleet, models, now)
    found = desk.decisions.count(where)
    pages = max(1, math.ceil(found / history.PAGE_ROWS))
    place = st.container()
    number = 1
    if pages > 1:
        number = st.pagination(pages, key="page", bind="query-params")
    rows = desk.decisions.list(
        where, limit=history.PAGE_ROWS, offset=(min(number, pages) - 1) * history.PAGE_ROWS
    )
    with answer:
        widgets.headline(history.headline(found, rows, now), "Select a row to open it whole.")
    with place:
        with st.container(horizontal=True, vertical_alignment="center", height=40, border=False):
            widgets.rows_left(len(rows), found, "decision")
            live.follow(news, lambda: history.news(session.desk().decisions.count(where) - found))
        if not found:
            widgets.empty(
                "Nothing was decided yet, or the filters leave nothing.",
                "drop a filter, or evaluate the fleet on the Instances page.",
            )
            return
        frame = history.rows(rows, fleet)
        picked = tables.show(
            frame,
            history.columns(now, palette()),
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
