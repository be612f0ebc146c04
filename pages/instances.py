"""Which instances should move, and what would that save?"""

import streamlit as st

from spotlab.domain.decision import PolicyParams
from spotlab.domain.ports import Topic
from spotlab.ui import fleet, fleet_actions, guard, live, runs, session, tables, widgets, words
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)

news = live.seen(Topic.EXPERIMENTS, Topic.FLEET, Topic.MARKET)
now = session.now()
instances = session.fleet()
decisions = session.decisions()
market, trouble = session.market_if_any()

widgets.headline(fleet.headline(instances, decisions), fleet.small_print(instances, decisions, now))
fleet_actions.show_outcome()
widgets.degraded(trouble, "Prices are the last good ones; decisions say what they were made from.")
if not instances:
    widgets.empty(
        "No instances are known yet: the accounts hold none, or could not be read.",
        "look at the instance manager on the Health page, then evaluate again.",
    )

every = fleet.rows(instances, decisions, market)
filters = st.columns([2, 2, 2, 2, 1.9], vertical_alignment="bottom")
with filters[0]:
    accounts = widgets.pick_many("Account", every["account"].unique(), "account")
with filters[1]:
    regions = widgets.pick_many("Region", every["region"].unique(), "region")
with filters[2]:
    chosen = widgets.pick_many("Decision", [*words.DECISION_MARKS.values()], "verdict")
with filters[3]:
    text = st.text_input("Search", key="q", bind="query-params", placeholder="name, type, zone, id")
shown = fleet.matching(every, accounts, regions, chosen, text)
action, progress = filters[4].container(), st.container()
with st.container(horizontal=True, vertical_alignment="center", height=40, border=False):
    widgets.rows_left(len(shown), len(every), "instance")
    live.follow(news, lambda: fleet.NEWS if live.selected("fleet") else "")
picked = tables.show(
    shown,
    fleet.columns(PolicyParams().horizon_h, now, palette()),
    name="Fleet",
    key="fleet",
    select=("multi-row", "single-cell"),
)
ids = shown["instance_id"].iloc[picked].tolist()
with action:
    fleet_actions.show_button(ids)
with progress:
    runs.watch(fleet_actions.SLOT)
if len(ids) == 1:
    fleet_actions.show_details(ids[0], decisions.get(ids[0]), now)
elif not ids and len(shown):
    st.caption("Select a row to see why, to assign a model, or to evaluate it alone.")
