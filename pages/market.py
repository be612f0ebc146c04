"""The Market page: prices, interruption buckets, and the age of both."""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui import charts
from spotlab.ui.common import guard, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.market import view

guard.require(Right.READ)

now, colours = session.now(), palette()
top = st.container()
view.show_outcome()
data, problems = session.market_if_any()
if data is None:
    with top:
        widgets.headline("No market has been collected yet")
    widgets.empty(
        "Without prices and interruption buckets, no pool can be scored.", "press “Collect now”."
    )
    view.show_collect()
    st.stop()

with top:
    widgets.headline(view.headline(data), view.ages(data, now))
    widgets.degraded(problems, "This page shows the last good data.")

table = view.by_region(data)
filters = st.columns([4, 1.6, 1.8], vertical_alignment="bottom")
with filters[0]:
    regions = widgets.pick_many("Region", table["region"], "region")
shown = table[table["region"].isin(regions)] if regions else table
with filters[1]:
    widgets.row_count(len(shown), len(table), "region")
with filters[2]:
    view.show_collect()
tables.show(shown, view.region_columns(now), name="Regions", key="regions", max_rows=8)

st.header("Interruptions last month, by region and family", anchor=False)
advisor = view.advisor_by_family(data)
st.plotly_chart(
    charts.heat_map(advisor[advisor["region"].isin(shown["region"])], colours),
    config=charts.CONFIG,
    key="heat-map",
    alt="Mean advisor bucket by region and instance family",
)
st.header("Price of one pool", anchor=False)
view.show_pool(data, colours)
st.header("Sources", anchor=False)
view.show_sources(session.snapshots(), now)
prices = data.prices
widgets.export(lambda: prices, "prices", "prices-file")
