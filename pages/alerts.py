"""Who is told when something goes wrong, and does it reach them?"""

import streamlit as st

from spotlab.ui import errors, guard, session, widgets, words
from spotlab.ui.alerts import acting, asking, listing
from spotlab.ui.theme import palette

who = guard.require(guard.Right.READ)
MOST = 200


@st.fragment(run_every=30)
def show_now() -> None:
    """What rings and what was told; looked at again every 30 s."""
    with errors.boundary():
        if said := st.session_state.pop(asking.DONE, ""):
            st.toast(words.plain(said), icon=":material/check:")
        desk, now = session.desk().alerts, session.now()
        rules, told = desk.rules(), desk.history(limit=MOST)
        widgets.headline(
            listing.headline(rules, told),
            "Rules are looked at every 30 s by the scheduler's leader.",
        )
        listing.show_ringing(rules, now, palette())
        if rules:
            chosen = listing.show_rules(rules, now, palette())
            if chosen is not None and who.may(guard.Right.CHANGE_ALERTS):
                acting.show(chosen)
        else:
            widgets.empty("There is no alert rule.", "add one below, if you may change alerts.")
        listing.show_history(told, desk.count(), now, palette())


show_now()
if who.may(guard.Right.CHANGE_ALERTS):
    with errors.boundary():
        asking.show_add()
