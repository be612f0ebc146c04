"""Which policy decides, and what would another one have decided?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.common import formatting, guard, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.policies import actions, detail, form, preview, shadow, table

user = guard.require(Right.READ)
now, colours = session.now(), palette()
actions.show_outcome()
versions = table.ordered(session.services().policies.versions())
comparisons, active = shadow.comparisons(), table.active_of(versions)
widgets.headline(table.headline(versions, comparisons), table.SMALL_PRINT)
table.show(versions, comparisons, now, colours)
names = {each.instance_id: each.name or each.instance_id for each in session.fleet()}

left, right = st.columns([3, 2], gap="large")
with left:
    version = table.pick(versions)
    result = preview.result_of(version, active)
    st.markdown(
        f"{table.STATE_MARKS[version.state]}. {formatting.plain(version.policy.description)}"
    )
with right, st.container(border=True):
    actions.show(version, active, result, user)
parameters, in_shadow, days, history = st.tabs(
    ["Parameters", "In shadow", "Last 30 days", "History"]
)
with parameters:
    detail.show_parameters(version, active)
with in_shadow:
    shadow.show(version, comparisons.get(version.reference), names, now, colours)
with days:
    preview.show(version, active, result, names, now, colours)
with history:
    detail.show_history(version, now)
form.show(version, table.newest_of(versions, version.policy.name), user)
