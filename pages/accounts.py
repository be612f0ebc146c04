"""Which AWS accounts are looked after, and does each of them work?"""

import streamlit as st

from spotlab.domain.ports import Topic
from spotlab.ui import guard, live, session, tables, widgets
from spotlab.ui.accounts import acting, listing
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)

live.refresh_on(Topic.FLEET)
now, standings = session.now(), session.desk().accounts.standings()
widgets.headline(listing.headline(standings), listing.small_print(standings, now))
acting.show_outcome()
if not standings:
    acting.show_none()
left, right = st.columns([6, 1.4], vertical_alignment="bottom")
with left:
    widgets.rows_left(len(standings), len(standings), "account")
with right:
    acting.show_list_now()
picked = tables.show(
    listing.rows(standings),
    listing.columns(now, palette()),
    name="Accounts",
    key="accounts",
    select=("single-row", "single-cell"),
    rows=[each.account.name for each in standings],
)
if picked:
    acting.show_details(standings[picked[0]], now)
elif standings:
    st.caption("Select a row to see whether it works.")
acting.show_add()
