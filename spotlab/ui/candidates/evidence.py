"""The charts: risk against price of the candidates, and filtered pools by reason."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from spotlab.domain.decision import Candidate, Instance
from spotlab.pipeline.rank import Ranking
from spotlab.ui import charts
from spotlab.ui.candidates import table
from spotlab.ui.common import formatting
from spotlab.ui.common.theme import Palette


def show(
    ranking: Ranking,
    instance: Instance | None,
    current: Candidate | None,
    picks: Mapping[str, Candidate],
    palette: Palette,
) -> None:
    """Both charts, side by side if there is space.

    Args:
        ranking: the candidates and the filtered pools.
        instance: that they are ranked for, if any.
        current: its own pool, if it was scored.
        picks: pools to mark, by a short word.
        palette: of the theme.
    """
    if not len(ranking.candidates):
        _show_drops(ranking, palette)
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        _show_frontier(ranking, instance, table.marks(instance, current, picks, palette), palette)
    with right:
        _show_drops(ranking, palette)


def _show_drops(ranking: Ranking, palette: Palette) -> None:
    filtered = sum(ranking.dropped.values())
    st.header(f"{formatting.count(filtered, 'pool')} filtered, by reason", anchor=False)
    st.plotly_chart(
        charts.drops(ranking.dropped, palette),
        config=charts.CONFIG,
        key="drops",
        alt="Filtered pools by reason",
    )


def _show_frontier(
    ranking: Ranking, instance: Instance | None, marks: list[charts.Mark], palette: Palette
) -> None:
    shown = ranking.candidates.head(table.CHART_TOP)
    on_demand = ranking.scored.on_demand_usd_per_hour(instance.pool) if instance else None
    extent = charts.extent(shown, marks, on_demand_usd_per_hour=on_demand)
    st.header("Risk against price", anchor=False)
    st.plotly_chart(
        charts.frontier(shown, marks, palette, horizon_h=ranking.workload.horizon_h, shown=extent),
        config=charts.CONFIG,
        key="frontier",
        alt="Risk against spot price of the candidates",
    )
    rest = len(ranking.candidates) - len(shown)
    limit = f" The {len(shown):,} with the lowest expected cost." if rest else ""
    st.caption(charts.caption(extent) + limit)
