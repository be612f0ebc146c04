"""The table of candidates, and details of the selected one in a box below it."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from spotlab.domain.decision import Candidate, Instance
from spotlab.domain.placement import Placements, PlacementScore
from spotlab.pipeline.rank import Ranking
from spotlab.ui.candidates import placement_scores, table
from spotlab.ui.common import formatting, links, tables, widgets
from spotlab.ui.common.theme import Palette

PARAMETER = "pool"


def show_table(
    ranking: Ranking,
    placements: Placements,
    instance: Instance | None,
    palette: Palette,
    now: datetime,
) -> None:
    """The best candidates, and the pool that the URL names.

    Args:
        ranking: with at least one candidate.
        placements: AWS's placement scores.
        instance: that a candidate would replace, if any.
        palette: of the theme.
        now: for ages.
    """
    st.header("Candidates", anchor=False)
    candidates = ranking.candidates
    shown = candidates.head(table.TOP)
    scores = placement_scores.of_rows(shown, placements)
    chosen = tables.choose(
        table.rows(shown, scores),
        table.columns(ranking.workload.horizon_h, palette),
        name="Candidates",
        key="candidates",
        rows=table.keys(shown),
        parameter=PARAMETER,
        max_rows=10,
    )
    rest = f"The best {len(shown)} are shown; the export has all {len(candidates):,}. "
    st.caption(
        (rest if len(candidates) > len(shown) else "")
        + placement_scores.counts(scores)
        + ("" if chosen else " Select a row for its reasons and sources.")
    )
    if chosen:
        _show_pool(chosen, ranking, placements, instance, now)


def _show_pool(
    key: str,
    ranking: Ranking,
    placements: Placements,
    instance: Instance | None,
    now: datetime,
) -> None:
    position = next((i for i, each in enumerate(table.keys(ranking.table)) if each == key), None)
    if position is None:
        st.caption(formatting.plain(f"The market has no pool {key}."))
        return
    candidate = ranking.candidate(position)
    _show_box(candidate, placements.score_of(candidate.pool), instance, now)


def _show_box(
    candidate: Candidate, score: PlacementScore, instance: Instance | None, now: datetime
) -> None:
    """The reasons for its rank, its placement score, and the sources of its numbers."""
    with st.container(border=True):
        rank = f"{candidate.rank}. " if candidate.rank else ""
        st.header(formatting.plain(rank + candidate.pool.label), anchor=False)
        st.write(formatting.plain(" ".join(candidate.reasons)))
        st.write(formatting.plain(placement_scores.describe(score, now)))
        score_source = [score.origin] if score.origin is not None else []
        widgets.sources([*candidate.sources, *score_source], now)
        parameters = {"instance": instance.instance_id, "decision": "now"} if instance else {}
        links.to(
            "explanations",
            "Why this risk",
            ":material/waterfall_chart:",
            pool=candidate.pool.key,
            **parameters,
        )
