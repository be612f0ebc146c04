"""Actions on an alert rule: test, disable, enable, edit, delete."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spotlab.domain.alerts import AlertRule
from spotlab.errors import SpotlabError
from spotlab.ui.alerts import form
from spotlab.ui.common import errors, formatting, session


def show(rule: AlertRule) -> None:
    """Shows the selected rule's buttons and its form."""
    services, key = session.services().alerts, rule.rule_id
    with st.container(border=True):
        st.markdown(
            f"**{formatting.plain(rule.name)}**: fires when "
            f"{formatting.plain(rule.condition.words)}."
        )
        with st.container(horizontal=True):
            if st.button("Send a test", icon=":material/send:", key=f"test {key}"):
                _run(lambda: _send_test(rule))
            if rule.enabled:
                if st.button("Switch off", icon=":material/notifications_off:", key=f"off {key}"):
                    _run(lambda: services.change(key, enabled=False), rerun=True)
            elif st.button("Switch on", icon=":material/notifications:", key=f"on {key}"):
                _run(lambda: services.change(key, enabled=True), rerun=True)
            with st.popover("Signing key", icon=":material/key:"):
                st.caption("With this key, the receiver can verify the header X-SpotLab-Signature.")
                st.code(services.signing_key(key), language=None)
            with st.popover("Delete", icon=":material/delete:"):
                st.write(
                    f"“{formatting.plain(rule.name)}” will no longer be evaluated, and its waiting "
                    "notifications will not be sent."
                )
                if st.button("Delete rule", key=f"delete {key}"):
                    _run(lambda: services.delete(key), rerun=True)
        with st.expander("Edit rule", icon=":material/edit:"):
            form.show_form(rule)


def _send_test(rule: AlertRule) -> None:
    with st.spinner(formatting.plain(f"sending a test to {rule.shown_address}")):
        response = session.services().alerts.test(rule.rule_id)
    box = st.success if response.ok else st.error
    box(
        formatting.plain(response.words),
        title="The receiver accepted it" if response.ok else "The receiver did not accept it",
    )


def _run(action: Callable[[], object], *, rerun: bool = False) -> None:
    try:
        action()
    except SpotlabError as exc:
        errors.show(exc)
        return
    if rerun:
        st.rerun()
