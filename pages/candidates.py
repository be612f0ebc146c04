"""Which pools could an instance run on, and which is best?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Requirements
from spotlab.ui import charts
from spotlab.ui.candidates import details, filters, placement_scores, table
from spotlab.ui.common import formatting, guard, session, tables, widgets
from spotlab.ui.common.theme import palette

guard.require(Right.READ)

now, colours, market = session.now(), palette(), session.desk().market
answer = st.container()
question = filters.ask(session.fleet())
instance = question.instance
model, instead = market.in_force(instance)
scored = market.scored(model)
base = market.requirements_of(instance) if instance else Requirements()
need = filters.requirements(question, base, scored.table)
worth = scored.on_demand_usd_per_hour(instance.pool) if instance else None
ranking = session.ranking(need, model, worth)
current = table.current_of(ranking, instance) if instance else None
kept = ranking.candidates

with answer:
    widgets.headline(
        table.headline(ranking, instance, current),
        f"Asked for: {table.asked(need)}. Ranked by expected cost with {scored.model}.",
    )
    widgets.degraded(scored.data.degraded, "Candidates are ranked from the last good data.")
    widgets.degraded([instead] if instead else [], "Risks and ranks are those of the champion.")

widgets.rows_left(len(kept), len(ranking.table), "pool")
if not len(kept):
    widgets.empty(
        "No pools match.", "drop a filter; the reasons below say which one drops the most."
    )
else:
    shown = kept.head(table.TOP)
    placements = placement_scores.of_rows(shown, market.placements())
    picked = tables.show(
        table.rows(shown, placements),
        table.columns(ranking.policy.horizon_h, colours),
        name="Candidates",
        key="candidates",
        select=("single-row", "single-cell"),
        max_rows=10,
    )
    first = f"The first {len(shown)} are shown; a file has all {len(kept):,}. "
    st.caption((first if len(kept) > len(shown) else "") + placement_scores.counted(placements))
    if picked:
        details.show(ranking.candidate(picked[0]), placements[picked[0]], instance, now)

best = ranking.candidate(0) if len(kept) else None
left, right = st.columns([3, 2], gap="large")
with left:
    st.header("Risk against price", anchor=False)
    st.plotly_chart(
        charts.frontier(
            kept.head(table.CHART_TOP),
            table.marks(current, best, colours),
            colours,
            horizon_h=ranking.policy.horizon_h,
        ),
        config=charts.CONFIG,
        key="frontier",
        alt="Risk against spot price of the candidates",
    )
    if len(kept) > table.CHART_TOP:
        st.caption(f"The {table.CHART_TOP:,} with the lowest expected cost of {len(kept):,}.")
with right:
    dropped = sum(ranking.dropped.values())
    st.header(f"{formatting.count(dropped, 'pool')} dropped, by reason", anchor=False)
    st.plotly_chart(
        charts.drops(ranking.dropped, colours),
        config=charts.CONFIG,
        key="drops",
        alt="Pools dropped by reason",
    )
widgets.export(lambda: table.exported(ranking), "candidates", "candidates-file")
widgets.sources(scored.data.origins.values(), now)
