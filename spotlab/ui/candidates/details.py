"""Details of the selected candidate, in a box below the table."""

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
    """The reasons for its rank, its placement score, and the sources of its numbers.

    Args:
        candidate: the selected candidate.
        score: of its pool.
        instance: that the candidate would replace, if any.
        now: for ages.
    """
    with st.container(border=True):
        st.header(formatting.plain(candidate.pool.label), anchor=False)
        st.write(formatting.plain(" ".join(candidate.reasons)))
        st.write(formatting.plain(placement_scores.describe(score, now)))
        score_source = [score.origin] if score.origin is not None else []
        widgets.sources([*candidate.sources, *score_source], now)
        parameters = {"instance": instance.instance_id} if instance else {}
        links.to(
            "explanations",
            "Why this risk",
            ":material/waterfall_chart:",
            pool=candidate.pool.key,
            **parameters,
        )
