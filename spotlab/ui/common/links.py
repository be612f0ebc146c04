"""The page table, and links from a number to its why."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.common import identity

PAGES: Final = Path(__file__).resolve().parents[3] / "pages"
DECIDE: Final = "Decide"
UNDERSTAND: Final = "Understand"
RUN: Final = "Run"
ADMINISTER: Final = "Administer"
SIGN_IN: Final = "/sign-in"
OUTSIDE: Final = (
    '<a href="{href}" style="color:inherit;font-size:0.95rem;text-decoration:underline">{text}</a>'
)
"""A link of the same tab, to a page that is not Streamlit's."""
MENU: Final = ""
"""Of the menu under the reader's name, not of the navigation."""


class PageEntry(NamedTuple):
    """A page of the app.

    Args:
        name: of its script, and of its address.
        title: in the navigation.
        icon: beside the title.
        section: of the navigation.
        right: whoever has it may open the page; its guard asks for the same.
    """

    name: str
    title: str
    icon: str
    section: str
    right: Right


PAGE_TABLE: Final = (
    PageEntry("instances", "Instances", ":material/dns:", DECIDE, Right.READ),
    PageEntry("candidates", "Candidates", ":material/leaderboard:", DECIDE, Right.READ),
    PageEntry("explanations", "Explanations", ":material/waterfall_chart:", DECIDE, Right.READ),
    PageEntry("experiments", "Experiments", ":material/history:", DECIDE, Right.READ),
    PageEntry("market", "Market", ":material/show_chart:", UNDERSTAND, Right.READ),
    PageEntry("models", "Models", ":material/verified:", UNDERSTAND, Right.READ),
    PageEntry("backtests", "Backtests", ":material/replay:", UNDERSTAND, Right.READ),
    PageEntry("jobs", "Jobs", ":material/schedule:", RUN, Right.READ),
    PageEntry("health", "Health", ":material/monitor_heart:", RUN, Right.READ),
    PageEntry("alerts", "Alerts", ":material/notifications:", RUN, Right.READ),
    PageEntry("logs", "Logs", ":material/list_alt:", RUN, Right.READ_LOGS),
    PageEntry("accounts", "Accounts", ":material/cloud:", ADMINISTER, Right.READ),
    PageEntry("users", "Users", ":material/group:", ADMINISTER, Right.CHANGE_USERS),
    PageEntry("audit", "Audit", ":material/policy:", ADMINISTER, Right.READ_AUDIT),
    PageEntry("me", "My account", ":material/manage_accounts:", MENU, Right.READ),
)
"""Every page there is, in the order of the navigation."""


def page(name: str) -> Path:
    """The script of a page."""
    return PAGES / f"{name}.py"


def to_sign_in() -> None:
    """To the page on which one signs in, and back here; in this tab, unlike a link button."""
    here = urlsplit(st.context.url or "/")
    back = quote(f"{here.path or '/'}{'?' * bool(here.query)}{here.query}", safe="")
    st.html(OUTSIDE.format(href=f"{SIGN_IN}?next={back}", text="Sign in"))


def to(name: str, label: str, icon: str, **about: str | int) -> None:
    """A link to a page about something."""
    st.page_link(
        page(name),
        label=label,
        icon=icon,
        query_params={key: str(value) for key, value in about.items()},
    )


def of_instance(instance_id: str, experiment_id: int | None) -> None:
    """Where to go from an instance."""
    with st.container(horizontal=True):
        if experiment_id is not None:
            to("experiments", "Open the decision", ":material/history:", id=experiment_id)
        to("candidates", "Its candidates", ":material/leaderboard:", instance=instance_id)
        to("explanations", "Why this risk", ":material/waterfall_chart:", instance=instance_id)


def of_experiment(experiment_id: int, instance_id: str) -> None:
    """Where to go from a decision."""
    with st.container(horizontal=True):
        to("explanations", "Why these risks", ":material/waterfall_chart:", decision=experiment_id)
        to("candidates", "Its candidates now", ":material/leaderboard:", instance=instance_id)


def of_logs(correlation_id: str, label: str = "Its log lines") -> None:
    """Where to go from what was done to what it said; nothing for who may not read that."""
    if correlation_id and identity.current().may(Right.READ_LOGS):
        to("logs", label, ":material/list_alt:", id=correlation_id)
