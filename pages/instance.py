"""The page of one instance: where does it run, what was decided, and what would a switch do?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, links, live_updates, session, widgets
from spotlab.ui.instance import facts, plan, view
from spotlab.ui.switches import actions
from spotlab.ui.workloads import applied as workload

guard.require(Right.READ)

versions = live_updates.topic_versions(Topic.EXPERIMENTS, Topic.FLEET, Topic.SWITCHES)
now, top = session.now(), st.container()
instance = view.pick()
if instance is None:
    with top:
        widgets.headline("0 instances to show")
    widgets.empty("There is no instance that you may see.", "list an account on Accounts first.")
    st.stop()

decisions = view.decisions_of(instance.instance_id)
switches = plan.switches_of(instance.instance_id)
events = view.events_of(instance.instance_id)
last = decisions[0] if decisions else None
with top:
    widgets.headline(
        view.headline(instance, last, switches, events, now), view.small_print(instance, now)
    )
actions.show_outcome()
view.show_last_decision(last)
links.of_instance(instance.instance_id, last.experiment_id if last else None, own_page=False)
workload.show(instance)
live_updates.rerun_page_on_change(versions)

st.header("Price and risk of its pool", anchor=False)
view.show_chart(instance, decisions, switches)
tabs = widgets.tabs(["Plan a switch", "Decisions", "Switches", "Interruptions", "Facts"])
with tabs[0]:
    plan.show(instance, last)
with tabs[1]:
    view.show_decisions(decisions, now)
with tabs[2]:
    view.show_switches(switches, now)
with tabs[3]:
    view.show_events(events, now)
with tabs[4]:
    facts.show(instance.instance_id, now)
