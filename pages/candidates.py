"""Which pools could an instance run on, and which is best?"""

import streamlit as st

from spotlab.domain.decision import Requirements
from spotlab.pipeline.run import on_demand_price
from spotlab.ui import (
    asking,
    charts,
    guard,
    picked_pool,
    placement,
    pools,
    session,
    tables,
    widgets,
    words,
)
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)

now, colours, market = session.now(), palette(), session.desk().market
answer = st.container()
question = asking.ask(session.fleet())
instance = question.instance
model, instead = market.in_force(instance)
scored = market.scored(model)
base = market.requirements_of(instance) if instance else Requirements()
need = asking.requirements(question, base, scored.table)
worth = on_demand_price(instance.pool, scored) if instance else None
ranking = session.ranking(need, model, worth)
current = pools.current_of(ranking, instance) if instance else None
kept = ranking.candidates

with answer:
    widgets.headline(
        pools.headline(ranking, instance, current),
        f"Asked for: {pools.asked(need)}. Ranked by expected cost with {scored.model}.",
    )
    widgets.degraded(scored.data.degraded, "Candidates are ranked from the last good data.")
    widgets.degraded([instead] if instead else [], "Risks and ranks are those of the champion.")

widgets.rows_left(len(kept), len(ranking.table), "pool")
if not len(kept):
    widgets.empty(
        "No pool is left.", "drop a filter; the reasons below say which one drops the most."
    )
else:
    shown = kept.head(pools.TOP)
    placements = placement.of_rows(shown, market.placements())
    picked = tables.show(
        pools.rows(shown, placements),
        pools.columns(ranking.policy.horizon_h, colours),
        name="Candidates",
        key="candidates",
        select=("single-row", "single-cell"),
        max_rows=10,
    )
    first = f"The first {len(shown)} are shown; a file has all {len(kept):,}. "
    st.caption((first if len(kept) > len(shown) else "") + placement.counted(placements))
    if picked:
        picked_pool.show(ranking.candidate(picked[0]), placements[picked[0]], instance, now)

best = ranking.candidate(0) if len(kept) else None
left, right = st.columns([3, 2], gap="large")
with left:
    st.header("Risk against price", anchor=False)
    st.plotly_chart(
        charts.frontier(
            kept.head(pools.CHART_TOP),
            pools.marks(current, best, colours),
            colours,
            horizon_h=ranking.policy.horizon_h,
        ),
        config=charts.CONFIG,
        key="frontier",
        alt="Risk against spot price of the candidates",
    )
    if len(kept) > pools.CHART_TOP:
        st.caption(f"The {pools.CHART_TOP:,} with the lowest expected cost of {len(kept):,}.")
with right:
    dropped = sum(ranking.dropped.values())
    st.header(f"{words.count(dropped, 'pool')} dropped, by reason", anchor=False)
    st.plotly_chart(
        charts.drops(ranking.dropped, colours),
        config=charts.CONFIG,
        key="drops",
        alt="Pools dropped by reason",
    )
widgets.export(lambda: pools.exported(ranking), "candidates", "candidates-file")
widgets.sources(scored.data.origins.values(), now)
