"""The Instances page: which instances should move, and what would that save?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.domain.simultaneous_losses import basis, describe
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.ui.common import guard, layout, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.instances import actions, details, filters, table

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
shown, action = filters.show(fleet)
progress = st.container()
opened = details.opened(shown, fleet)
with st.container(horizontal=True, vertical_alignment="center", height=40, border=False):
    widgets.row_count(len(shown), len(fleet), "instance")
    live_updates.rerun_page_on_change(
        versions, lambda: table.NEWS if opened or live_updates.has_selection("fleet") else ""
    )
places = layout.master_detail(opened is not None)
with places.table:
    selected = tables.show(
        shown,
        table.columns(
            DEFAULT_WORKLOAD.horizon_h, now, palette(), signals=bool(fleet["signal"].notna().any())
        ),
        name="Fleet",
        key=details.TABLE,
        select=("multi-row", "single-cell"),
        marked=details.position(shown, opened),
    )
ids = shown["instance_id"].iloc[selected].tolist() or ([opened] if opened else [])
actions.show_button(action, progress, ids)
if opened is not None and places.details is not None:
    with places.details:
        details.show(opened, decisions.get(opened), now)
elif not ids and len(shown):
    st.caption("Select a row to see the reason, assign a model, or evaluate only that instance.")
