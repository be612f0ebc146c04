"""The Instances page: which instances should move, and what would that save?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.domain.simultaneous_losses import basis, describe
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.ui.common import (
    background_tasks,
    formatting,
    guard,
    live_updates,
    session,
    tables,
    widgets,
)
from spotlab.ui.common.theme import palette
from spotlab.ui.instances import actions, table

guard.require(Right.READ)

versions = live_updates.topic_versions(Topic.EXPERIMENTS, Topic.FLEET, Topic.MARKET)
now = session.now()
instances = session.fleet()
decisions = session.decisions()
market, problems = session.market_if_any()

widgets.headline(table.headline(instances, decisions), table.small_print(instances, decisions, now))
losses = session.services().instances.losses(instances, decisions)
if text := describe(losses):
    st.caption(text, help=basis(losses.correlation))
actions.show_outcome()
widgets.degraded(problems, "Prices are the last good ones; each decision names the data it used.")
if not instances:
    widgets.empty(
        "No instances yet: the accounts have none, or could not be read.",
        "check the instance manager on the Health page, then evaluate again.",
    )

fleet = table.rows(instances, decisions, market)
filters = st.columns([2, 2, 2, 2, 1.9], vertical_alignment="bottom")
with filters[0]:
    accounts = widgets.pick_many("Account", fleet["account"].unique(), "account")
with filters[1]:
    regions = widgets.pick_many("Region", fleet["region"].unique(), "region")
with filters[2]:
    verdicts = widgets.pick_many("Decision", [*formatting.DECISION_MARKS.values()], "verdict")
with filters[3]:
    text = st.text_input("Search", key="q", bind="query-params", placeholder="name, type, zone, id")
shown = table.matching(fleet, accounts, regions, verdicts, text)
action, progress = filters[4].container(), st.container()
with st.container(horizontal=True, vertical_alignment="center", height=40, border=False):
    widgets.row_count(len(shown), len(fleet), "instance")
    live_updates.rerun_page_on_change(
        versions, lambda: table.NEWS if live_updates.has_selection("fleet") else ""
    )
selected = tables.show(
    shown,
    table.columns(DEFAULT_WORKLOAD.horizon_h, now, palette()),
    name="Fleet",
    key="fleet",
    select=("multi-row", "single-cell"),
)
ids = shown["instance_id"].iloc[selected].tolist()
with action:
    actions.show_button(ids)
with progress:
    background_tasks.watch(actions.SLOT)
if len(ids) == 1:
    actions.show_details(ids[0], decisions.get(ids[0]), now)
elif not ids and len(shown):
    st.caption("Select a row to see the reason, assign a model, or evaluate only that instance.")
