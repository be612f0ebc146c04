"""The Candidates page: which pools could an instance run on, and which is best?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Requirements
from spotlab.domain.workload import describe_cost
from spotlab.ui import charts
from spotlab.ui.candidates import details, filters, placement_scores, table
from spotlab.ui.common import formatting, guard, session, tables, widgets
from spotlab.ui.common.theme import palette

guard.require(Right.READ)

now, colours, market = session.now(), palette(), session.services().market
top = st.container()
row = filters.show_instance(session.fleet())
instance = row.instance
model, problem = market.deciding_model(instance)
scored = market.scored(model)
base = market.requirements_of(instance) if instance else Requirements()
requirements = filters.show_requirements(row, base, scored.table)
applied = session.applied_workload(instance)
ranking = session.ranking(requirements, model, instance, applied.workload)
current = table.current_of(ranking, instance) if instance else None
candidates = ranking.candidates

with top:
    widgets.headline(
        table.headline(ranking, instance, current),
        f"Requirements: {table.describe(requirements)}. Ranked by expected cost, with the risks "
        f"of {scored.model}. {applied.reason} {describe_cost(applied.workload)}",
    )
    widgets.degraded(scored.data.degraded, "Candidates are ranked from the last good data.")
    widgets.degraded([problem] if problem else [], "The champion's risks are used instead.")

widgets.row_count(len(candidates), len(ranking.table), "pool")
if not len(candidates):
    widgets.empty(
        "No pool meets the requirements.",
        "remove a filter; the chart below shows which requirement filters the most pools.",
    )
else:
    shown = candidates.head(table.TOP)
    placements = placement_scores.of_rows(shown, market.placements())
    selected = tables.show(
        table.rows(shown, placements),
        table.columns(ranking.workload.horizon_h, colours),
        name="Candidates",
        key="candidates",
        select=("single-row", "single-cell"),
        max_rows=10,
    )
    rest = f"The best {len(shown)} are shown; the export has all {len(candidates):,}. "
    st.caption((rest if len(candidates) > len(shown) else "") + placement_scores.counts(placements))
    if selected:
        details.show(ranking.candidate(selected[0]), placements[selected[0]], instance, now)

best = ranking.candidate(0) if len(candidates) else None
left, right = st.columns([3, 2], gap="large")
with left:
    st.header("Risk against price", anchor=False)
    st.plotly_chart(
        charts.frontier(
            candidates.head(table.CHART_TOP),
            table.marks(current, best, colours),
            colours,
            horizon_h=ranking.workload.horizon_h,
        ),
        config=charts.CONFIG,
        key="frontier",
        alt="Risk against spot price of the candidates",
    )
    if len(candidates) > table.CHART_TOP:
        st.caption(f"The {table.CHART_TOP:,} of {len(candidates):,} with the lowest expected cost.")
with right:
    filtered = sum(ranking.dropped.values())
    st.header(f"{formatting.count(filtered, 'pool')} filtered, by reason", anchor=False)
    st.plotly_chart(
        charts.drops(ranking.dropped, colours),
        config=charts.CONFIG,
        key="drops",
        alt="Filtered pools by reason",
    )
widgets.export(lambda: table.exported(ranking), "candidates", "candidates-file")
widgets.sources(scored.data.origins.values(), now)
