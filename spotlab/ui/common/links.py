"""The page table, and links between pages."""

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
"""A link in the same tab, to a page that is not Streamlit's."""
MENU: Final = ""
"""Section of pages that are in the user's menu, not in the navigation."""


class PageEntry(NamedTuple):
    """A page of the app.

    Args:
        name: of its script, and its path in the address.
        title: in the navigation.
        icon: next to the title.
        section: of the navigation.
        right: required to open the page; its guard requires the same.
    """

    name: str
    title: str
    icon: str
    section: str
    right: Right


PAGE_TABLE: Final = (
    PageEntry("instances", "Instances", ":material/dns:", DECIDE, Right.READ),
    PageEntry("candidates", "Candidates", ":material/leaderboard:", DECIDE, Right.READ),
    PageEntry("workloads", "Workloads", ":material/work:", DECIDE, Right.READ),
    PageEntry("explanations", "Explanations", ":material/waterfall_chart:", DECIDE, Right.READ),
    PageEntry("what_if", "What-if", ":material/tune:", DECIDE, Right.READ),
    PageEntry("experiments", "Experiments", ":material/history:", DECIDE, Right.READ),
    PageEntry("switches", "Switches", ":material/swap_horiz:", DECIDE, Right.READ),
    PageEntry("market", "Market", ":material/show_chart:", UNDERSTAND, Right.READ),
    PageEntry("models", "Models", ":material/verified:", UNDERSTAND, Right.READ),
    PageEntry("policies", "Policies", ":material/tune:", UNDERSTAND, Right.READ),
    PageEntry("backtests", "Backtests", ":material/replay:", UNDERSTAND, Right.READ),
    PageEntry("jobs", "Jobs", ":material/schedule:", RUN, Right.READ),
    PageEntry("health", "Health", ":material/monitor_heart:", RUN, Right.READ),
    PageEntry("alerts", "Alerts", ":material/notifications:", RUN, Right.READ),
    PageEntry("logs", "Logs", ":material/list_alt:", RUN, Right.READ_LOGS),
    PageEntry("accounts", "Accounts", ":material/cloud:", ADMINISTER, Right.READ),
    PageEntry("users", "Users", ":material/group:", ADMINISTER, Right.CHANGE_USERS),
    PageEntry("audit", "Audit", ":material/policy:", ADMINISTER, Right.READ_AUDIT),
    PageEntry("instance", "One instance", ":material/dns:", MENU, Right.READ),
    PageEntry("me", "My account", ":material/manage_accounts:", MENU, Right.READ),
)
"""All pages, in the order of the navigation."""


WHY: Final = "Why, and what would change it"


def page(name: str) -> Path:
    """The script of a page."""
    return PAGES / f"{name}.py"


def to_sign_in() -> None:
    """A link to the sign-in page, which leads back here; in this tab, unlike a link button."""
    here = urlsplit(st.context.url or "/")
    back = quote(f"{here.path or '/'}{'?' * bool(here.query)}{here.query}", safe="")
    st.html(OUTSIDE.format(href=f"{SIGN_IN}?next={back}", text="Sign in"))


def to(name: str, label: str, icon: str, **parameters: str | int) -> None:
    """A link to a page with query parameters."""
    st.page_link(
        page(name),
        label=label,
        icon=icon,
        query_params={key: str(value) for key, value in parameters.items()},
    )


def of_instance(instance_id: str, experiment_id: int | None, *, own_page: bool = True) -> None:
    """Links from an instance to its own page, unless it is this one, and to its decision."""
    with st.container(horizontal=True):
        if own_page:
            to("instance", "Instance", ":material/dns:", instance=instance_id)
        if experiment_id is not None:
            to("experiments", "Open the decision", ":material/history:", id=experiment_id)
        to("candidates", "Candidates", ":material/leaderboard:", instance=instance_id)
        to("explanations", WHY, ":material/waterfall_chart:", instance=instance_id)
        to("what_if", "What if", ":material/tune:", instance=instance_id)


def of_experiment(experiment_id: int, instance_id: str) -> None:
    """Links from a decision to its explanation, the present candidates and the instance."""
    with st.container(horizontal=True):
        to("explanations", WHY, ":material/waterfall_chart:", decision=experiment_id)
        to("candidates", "Candidates now", ":material/leaderboard:", instance=instance_id)
        to("instance", "Instance", ":material/dns:", instance=instance_id)


def of_logs(correlation_id: str, label: str = "Log lines") -> None:
    """A link to the log lines with this id, if the user may read them."""
    if correlation_id and identity.current().may(Right.READ_LOGS):
        to("logs", label, ":material/list_alt:", id=correlation_id)
