"""The frame around every page: page table, first run, mode badge, error boundary.

It is the main script. Pages are named by absolute path: a `pages/` folder beside the main script
would let Streamlit run a page alone, without the frame.
"""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from spotlab.domain.access import Principal, Right
from spotlab.telemetry import logs, metrics
from spotlab.ui.common import (
    background_tasks,
    errors,
    guard,
    identity,
    links,
    mode_badge,
    session,
    theme,
    user_menu,
)

ICON = str(Path(__file__).with_name("icon.svg"))
STYLE = """<style>
.stMainBlockContainer {{ padding-top: 4.2rem; padding-bottom: 3rem; }}
[data-testid="stBaseButton-primary"],
[data-testid="stMultiSelect"] span[title] {{ color: {on_primary}; }}
</style>"""
"""What the theme cannot say: Streamlit leaves six rem above the first line, where the answer
belongs, and writes white on a primary button and on what is picked of many, which is unreadable
(2.3:1) on the dark theme's."""


def main() -> None:
    """One run of the app: the frame, then the page; its log lines have one id, and it is timed."""
    st.set_page_config(page_title="SpotLab", page_icon=ICON, layout="wide")
    st.html(STYLE.format(on_primary=theme.palette().background))
    who = guard.require(Right.READ)
    page = st.navigation(_sections(who), position="top")
    began, name = time.perf_counter(), page.url_path or "instances"
    try:
        with logs.correlated():
            _show(page, who)
    finally:
        st.session_state.pop(identity.BY_ITSELF, None)
        metrics.SCRIPT_RUNS.labels(page=name).inc()
        metrics.SCRIPT_SECONDS.labels(page=name).observe(time.perf_counter() - began)


def _show(page: StreamlitPage, who: Principal) -> None:
    with errors.boundary():
        first = session.first_run()
        if not first.finished:
            _show_first_run(first)
            st.stop()
        with st.container(horizontal=True, vertical_alignment="center", key="top"):
            mode_badge.show()
            user_menu.show(who)
        if first.error is not None:
            _show_failed_start(first.error)
        page.run()


def _sections(who: Principal) -> dict[str, list[st.Page]]:
    """The pages by section. One that this reader may not open is not listed, yet known: its
    address leads to the guard's reason, not to another page."""
    sections: dict[str, list[st.Page]] = {}
    for name, title, icon, section, right in links.PAGE_TABLE:
        page = st.Page(
            links.page(name),
            title=title,
            icon=icon,
            default=name == links.PAGE_TABLE[0].name,
            visibility="visible" if section != links.MENU and who.may(right) else "hidden",
        )
        sections.setdefault(section, []).append(page)
    return sections


def _show_first_run(run: background_tasks.Run[None]) -> None:
    st.title("Getting SpotLab ready")
    st.write(
        "First SpotLab lists the fleet, collects the market and decides once about each instance. "
        "This takes some seconds, once; the page opens automatically."
    )
    background_tasks.look(run)
    st.skeleton(280)


def _show_failed_start(error: Exception) -> None:
    with st.container(border=True):
        st.markdown("**Getting ready did not finish.** What was recorded before is shown below.")
        errors.show(error)
        if st.button("Try again", icon=":material/refresh:"):
            session.first_run.clear()
            st.rerun()


main()
