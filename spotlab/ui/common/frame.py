"""The frame around every page: navigation, first run, mode badge, error boundary.

It is the main script. Pages are given by absolute path: if the `pages/` folder were next to the
main script, Streamlit would run a page without the frame.
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
    layout,
    links,
    mode_badge,
    session,
    theme,
    user_menu,
)

ICON = str(Path(__file__).with_name("icon.svg"))
STYLE = """
.stMainBlockContainer {{ padding-top: 4.2rem; padding-bottom: 3rem; }}
[data-testid="stBaseButton-primary"],
[data-testid="stMultiSelect"] span[title] {{ color: {on_primary}; }}
"""
"""What the theme cannot set: Streamlit leaves six rem above the headline, and uses white text on
primary buttons and selected options, which is unreadable (2.3:1) on the dark theme."""


def main() -> None:
    """One run of the app: the frame, then the page, with one correlation id and its duration."""
    st.set_page_config(page_title="SpotLab", page_icon=ICON, layout="wide")
    colours = theme.palette()
    narrow = layout.STYLE.format(
        narrow=layout.NARROW_PX, background=colours.background, line=colours.line
    )
    st.html(f"<style>{STYLE.format(on_primary=colours.background)}{narrow}</style>")
    user = guard.require(Right.READ)
    page = st.navigation(_sections(user), position="top")
    started, name = time.perf_counter(), page.url_path or "instances"
    try:
        with logs.correlated():
            _show(page, user)
    finally:
        st.session_state.pop(identity.AUTOMATIC_RERUN, None)
        metrics.SCRIPT_RUNS.labels(page=name).inc()
        metrics.SCRIPT_SECONDS.labels(page=name).observe(time.perf_counter() - started)


def _show(page: StreamlitPage, user: Principal) -> None:
    with errors.boundary():
        first_run = session.first_run()
        if not first_run.finished:
            _show_first_run(first_run)
            st.stop()
        with st.container(horizontal=True, vertical_alignment="center", key="top"):
            mode_badge.show()
            user_menu.show(user)
        if first_run.error is not None:
            _show_failed_first_run(first_run.error)
        page.run()


def _sections(user: Principal) -> dict[str, list[st.Page]]:
    """The pages by section. Pages that the user may not open are hidden, not absent: their
    address shows the guard's reason instead of another page."""
    sections: dict[str, list[st.Page]] = {}
    for name, title, icon, section, right in links.PAGE_TABLE:
        page = st.Page(
            links.page(name),
            title=title,
            icon=icon,
            default=name == links.PAGE_TABLE[0].name,
            visibility="visible" if section != links.MENU and user.may(right) else "hidden",
        )
        sections.setdefault(section, []).append(page)
    return sections


def _show_first_run(run: background_tasks.Run[None]) -> None:
    st.title("Preparing SpotLab")
    st.write(
        "SpotLab lists the fleet, collects the market and evaluates new instances. This "
        "usually takes a few seconds; the page then opens automatically."
    )
    background_tasks.look(run)
    st.skeleton(280)


def _show_failed_first_run(error: Exception) -> None:
    with st.container(border=True):
        st.markdown("**The first run failed.** Data that was recorded before is shown below.")
        errors.show(error)
        if st.button("Try again", icon=":material/refresh:"):
            session.first_run.clear()
            st.rerun()


main()
