"""The quiet line above every page: what is real here, and how old. Screens floor."""

from __future__ import annotations

import streamlit as st

from spotlab.runtime.lab import Lab
from spotlab.ui import session
from spotlab.ui.words import ago, moment

AWS_WORDS = {"emulated": "Emulated AWS", "account": "AWS account"}
SIMULATED_NOTE = (
    "Prices, interruption buckets and instances come from a simulation. They behave like the real "
    "market but are not it: do not act on them."
)


def show(lab: Lab) -> None:
    """Mode badges on the left, the market's age on the right; always there."""
    mode = lab.mode
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="mode"):
        st.badge(
            AWS_WORDS.get(mode.aws, mode.aws),
            icon=":material/cloud:",
            color="gray",
            help="Where instances live: emulated EC2 on this machine, or your AWS accounts.",
        )
        st.badge(
            mode.label,
            icon=":material/science:" if mode.simulated else ":material/rss_feed:",
            color="orange" if mode.simulated else "gray",
            help=SIMULATED_NOTE if mode.simulated else "Where prices and buckets come from.",
        )
        st.badge(
            f"Execution {mode.execution}",
            icon=":material/block:",
            color="gray",
            help="Decisions are recorded and never carried out in AWS.",
        )
        _show_age(lab)


def _show_age(lab: Lab) -> None:
    infos = session.snapshots()
    if not infos:
        st.caption("no market collected yet")
        return
    read_at = max(info.fetched_at for info in infos)
    age_s = (lab.clock.now() - read_at).total_seconds()
    stale = age_s > 3 * lab.settings.collect_max_age_s
    text = f"market read {ago(read_at, lab.clock.now())}"
    st.caption(f":orange[▲ {text}: stale]" if stale else text, help=moment(read_at))
