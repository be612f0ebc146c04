"""Who is told when something goes wrong, and does it reach them?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.alerts import actions, form, table
from spotlab.ui.common import errors, formatting, guard, session, widgets
from spotlab.ui.common.theme import palette

who = guard.require(Right.READ)
MOST = 200


@st.fragment(run_every=30)
def show_now() -> None:
    """What rings and what was told; looked at again every 30 s."""
    with errors.boundary():
        if said := st.session_state.pop(form.DONE, ""):
            st.toast(formatting.plain(said), icon=":material/check:")
        desk, now = session.desk().alerts, session.now()
        rules, told = desk.rules(), desk.history(limit=MOST)
        widgets.headline(
            table.headline(rules, told),
            "Rules are looked at every 30 s by the scheduler's leader.",
        )
        table.show_ringing(rules, now, palette())
        if rules:
            chosen = table.show_rules(rules, now, palette())
            if chosen is not None and who.may(Right.CHANGE_ALERTS):
                actions.show(chosen)
        else:
            widgets.empty("There are no alert rules.", "add one below, if you may change alerts.")
        table.show_history(told, desk.count(), now, palette())


show_now()
if who.may(Right.CHANGE_ALERTS):
    with errors.boundary():
        form.show_add()
