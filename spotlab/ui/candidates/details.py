"""The candidate that a reader picked, in a box below the table."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from spotlab.domain.decision import Candidate, Instance
from spotlab.domain.placement import PlacementScore
from spotlab.ui.candidates import placement_scores
from spotlab.ui.common import formatting, links, widgets


def show(
    candidate: Candidate, score: PlacementScore, instance: Instance | None, now: datetime
) -> None:
    """Why it ranks where it does, AWS's placement score beside it, and where numbers come from.

    Args:
        candidate: with its reasons.
        score: of its pool.
        instance: whose replacement is looked for, if any.
        now: for ages.
    """
    with st.container(border=True):
        st.header(formatting.plain(candidate.pool.label), anchor=False)
        st.write(formatting.plain(" ".join(candidate.reasons)))
        st.write(formatting.plain(placement_scores.sentence(score, now)))
        asked = [score.origin] if score.origin is not None else []
        widgets.sources([*candidate.sources, *asked], now)
        about = {"instance": instance.instance_id} if instance else {}
        links.to(
            "explanations",
            "Why this risk",
            ":material/waterfall_chart:",
            pool=candidate.pool.key,
            **about,
        )
