"""The Workloads page: what does an interruption cost, and for which instances is that known?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, live_updates, session, tables, widgets
from spotlab.ui.workloads import editor, table, throughputs

guard.require(Right.READ)

live_updates.rerun_page_on_change(live_updates.topic_versions(Topic.FLEET))
now, fleet = session.now(), session.fleet()
services = session.services().workloads
by_name, applied = editor.newest_of(services.versions()), services.applied(fleet)
market, problems = session.market_if_any()

widgets.headline(table.headline(applied, len(by_name)), table.SMALL_PRINT)
widgets.degraded(problems, "Costs in USD use the last good prices.")
editor.show_outcome()
price = table.sample(fleet, market)
newest = [versions[0] for versions in by_name.values()]
table.select(
    tables.show(
        table.rows(newest, applied, price),
        table.columns(price, now),
        name="Workloads",
        key="workloads",
        select=("single-row", "single-cell"),
    ),
    [*by_name],
)
with st.columns([3, 2])[0]:
    names = {name: name for name in by_name}
    chosen = widgets.pick_one("Open a workload", names, "workload", blank="select one")
if chosen is not None:
    editor.show(by_name[chosen], fleet, now)
throughputs.show([*by_name])
