"""The mode badge above every page: emulated or real AWS, market, execution, age of prices."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from spotlab.domain.market import FeedKind, MarketName
from spotlab.errors import SpotlabError
from spotlab.runtime.lab import Mode
from spotlab.ui.common import formatting, session
from spotlab.ui.common.formatting import age, ago, moment

PRICES = (FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY)
STALE_AFTER = 3.0
"""A live market is stale if it was read longer ago than this many collection intervals."""

AWS_WORDS = {"emulated": "Emulated AWS", "account": "AWS account"}
EXECUTION: dict[str, tuple[str, Literal["gray", "orange", "red"], str]] = {
    "off": ("block", "gray", "Decisions are recorded, but not executed in AWS."),
    "dry-run": ("list_alt", "gray", "The calls of switches are listed, not made."),
    "on": ("swap_horiz", "orange", "Switches change AWS, where account and instance are on too."),
    "stopped": ("block", "red", "All switches are stopped."),
}
"""Icon, colour and meaning by state."""
LIMITS = {
    "installation": "The installation allows no more: see SPOTLAB_SWITCHING.",
    "accounts": "No account allows more: change its guards on the Switches page.",
}
"""The level that limits execution, and where it is changed."""
SIMULATED_NOTE = (
    "Prices, interruption buckets and instances are simulated. They resemble the real market, but "
    "do not base real decisions on them."
)


def show() -> None:
    """Show the badges; if the mode cannot be read, they say so."""
    try:
        _show(session.services().market.mode())
    except SpotlabError as exc:
        st.badge("■ mode unknown", color="red", help=formatting.plain(str(exc)))


def _show(mode: Mode) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="mode"):
        st.badge(
            AWS_WORDS.get(mode.aws, mode.aws),
            icon=":material/cloud:",
            color="gray",
            help="Where instances run: emulated EC2 on this machine, or your AWS accounts.",
        )
        st.badge(
            mode.label,
            icon=":material/science:" if mode.simulated else ":material/rss_feed:",
            color="orange" if mode.simulated else "gray",
            help=SIMULATED_NOTE if mode.simulated else "Source of prices and buckets.",
        )
        icon, colour, meaning = EXECUTION.get(mode.execution, EXECUTION["off"])
        st.badge(
            execution_label(mode),
            icon=f":material/{icon}:",
            color="red" if mode.stopped else colour,
            help=formatting.plain(
                mode.stopped or f"{meaning} {LIMITS.get(mode.limited_by, '')}".strip()
            ),
        )
        _show_age(mode)


def execution_label(mode: Mode) -> str:
    """`Execution off`; `Execution off: accounts` if the installation is on."""
    only_accounts = mode.execution == "off" and mode.limited_by == "accounts"
    return f"Execution {mode.execution}{': accounts' * only_accounts}"


def _show_age(mode: Mode) -> None:
    infos = session.snapshots()
    if not infos:
        st.caption("no market collected yet")
        return
    now = session.now()
    read_at = max(info.fetched_at for info in infos)
    event_time = max((i.event_time for i in infos if i.kind in PRICES), default=read_at)
    text = f"prices {age((now - event_time).total_seconds())} old"
    help_text = f"Event time {moment(event_time)}, read at {moment(read_at)}."
    live = mode.market is not MarketName.RECORDED
    stale_s = STALE_AFTER * session.settings().collect_max_age_s
    if live and (now - read_at).total_seconds() > stale_s:
        text = f":orange[▲ {text}: stale, read {ago(read_at, now)}]"
    st.caption(text, help=help_text)
