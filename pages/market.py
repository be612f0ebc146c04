"""What do pools cost, how often are they interrupted, and how old is what we know?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui import charts
from spotlab.ui.common import guard, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.market import view

guard.require(Right.READ)

now, colours = session.now(), palette()
answer = st.container()
view.show_outcome()
data, trouble = session.market_if_any()
if data is None:
    with answer:
        widgets.headline("No market has been collected yet")
    widgets.empty(
        "Without prices and interruption buckets nothing can be scored.", "press “Collect now”."
    )
    view.show_collect()
    st.stop()

with answer:
    widgets.headline(view.headline(data), view.ages(data, now))
    widgets.degraded(trouble, "What is shown is the last good data.")

every = view.by_region(data)
filters = st.columns([4, 1.6, 1.8], vertical_alignment="bottom")
with filters[0]:
    regions = widgets.pick_many("Region", every["region"], "region")
shown = every[every["region"].isin(regions)] if regions else every
with filters[1]:
    widgets.rows_left(len(shown), len(every), "region")
with filters[2]:
    view.show_collect()
tables.show(shown, view.region_columns(now), name="Regions", key="regions", max_rows=8)

st.header("Interrupted last month, by region and family", anchor=False)
advisor = view.advisor_by_family(data)
st.plotly_chart(
    charts.heat_map(advisor[advisor["region"].isin(shown["region"])], colours),
    config=charts.CONFIG,
    key="heat-map",
    alt="Mean advisor bucket by region and instance family",
)
st.header("One pool's price", anchor=False)
view.show_pool(data, colours)
st.header("Where this comes from", anchor=False)
view.show_sources(session.snapshots(), now)
table = data.prices
widgets.export(lambda: table, "prices", "prices-file")
