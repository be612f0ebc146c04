"""Which alerts fire, and do the notifications reach their receivers?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.alerts import actions, form, table
from spotlab.ui.common import errors, formatting, guard, session, widgets
from spotlab.ui.common.theme import palette

who = guard.require(Right.READ)
MAX_DELIVERIES = 200


@st.fragment(run_every=30)
def show_now() -> None:
    """Shows firing alerts, rules and notifications; refreshed every 30 s."""
    with errors.boundary():
        if message := st.session_state.pop(form.DONE, ""):
            st.toast(formatting.plain(message), icon=":material/check:")
        services, now = session.services().alerts, session.now()
        rules, deliveries = services.rules(), services.history(limit=MAX_DELIVERIES)
        widgets.headline(
            table.headline(rules, deliveries),
            "The leader of the scheduler evaluates the rules every 30 s.",
        )
        table.show_firing(rules, now, palette())
        if rules:
            chosen = table.show_rules(rules, now, palette())
            if chosen is not None and who.may(Right.CHANGE_ALERTS):
                actions.show(chosen)
        else:
            widgets.empty("There are no alert rules.", "add one below, if you may change alerts.")
        table.show_history(deliveries, services.count(), now, palette())


show_now()
if who.may(Right.CHANGE_ALERTS):
    with errors.boundary():
        form.show_add()
