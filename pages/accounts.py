"""Which AWS accounts are managed, and can each of them be listed?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.accounts import actions, onboarding, table
from spotlab.ui.common import guard, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette

guard.require(Right.READ)

live_updates.rerun_page_on_change(live_updates.topic_versions(Topic.FLEET))
now, standings = session.now(), session.services().accounts.statuses()
widgets.headline(table.headline(standings), table.small_print(standings, now))
actions.show_outcome()
if not standings:
    actions.show_none()
left, right = st.columns([6, 1.4], vertical_alignment="bottom")
with left:
    widgets.row_count(len(standings), len(standings), "account")
with right:
    actions.show_list_now()
picked = tables.show(
    table.rows(standings),
    table.columns(now, palette()),
    name="Accounts",
    key="accounts",
    select=("single-row", "single-cell"),
    rows=[each.account.name for each in standings],
)
if picked and not onboarding.covers(standings[picked[0]]):
    actions.show_details(standings[picked[0]], now)
elif standings:
    st.caption("Select a row to validate or edit the account.")
onboarding.show(standings)
