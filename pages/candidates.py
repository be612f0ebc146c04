"""The Candidates page: which pools could an instance run on, and which is best?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.requirements import Requirements
from spotlab.ui.candidates import details, evidence, filters, safety, summary, table
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.common.theme import palette

guard.require(Right.READ)

now, colours, market = session.now(), palette(), session.services().market
top = st.container()
fleet = session.fleet()
row = st.container(horizontal=True, vertical_alignment="bottom")
instance = filters.show_instance(row, fleet)
applied = session.applied_workload(instance)
pools = market.scored(market.deciding_model(instance)[0]).table
base = market.requirements_of(instance, applied) if instance else Requirements()
asked = filters.show_requirements(row, base, pools, instance)

if instance is None and not asked.changed:
    with top:
        widgets.headline(summary.of_nothing(pools), summary.NOTHING_ASKED)
    filters.show_shortcuts(summary.moves(fleet, session.decisions()))
    st.stop()

if instance is None:
    ranking, current = session.ranking(asked.requirements, applied.workload), None
    with top:
        widgets.headline(summary.of_size(ranking), summary.basis(ranking, applied))
else:
    what_if = asked.requirements if asked.changed else None
    decided, ranking = session.decided(instance, applied, what_if)
    current = table.current_of(ranking, instance)
    with top:
        summary.show_decided(decided, ranking, what_if=bool(asked.changed), now=now)
    filters.show_origin(asked, base, instance, applied)
with top:
    widgets.degraded(ranking.scored.data.degraded, "Candidates are ranked from the last good data.")

with row:
    widgets.row_count(len(ranking.candidates), len(ranking.table), "pool")
if not len(ranking.candidates):
    widgets.empty(
        "No pool meets the requirements.",
        "remove a filter; the chart below shows which requirement filters the most pools.",
    )
    picks = {}
else:
    picks = safety.show(ranking, instance, current)
    details.show_table(ranking, market.placements(), instance, colours, now)
evidence.show(ranking, instance, current, picks, colours)
widgets.export(lambda: table.exported(ranking), "candidates", "candidates-file")
widgets.sources(ranking.scored.data.origins.values(), now)
