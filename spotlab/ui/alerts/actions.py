"""What can be done with a rule: test, switch off and on, change, delete."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spotlab.domain.alerts import AlertRule
from spotlab.errors import SpotlabError
from spotlab.ui.alerts import form
from spotlab.ui.common import errors, formatting, session


def show(rule: AlertRule) -> None:
    """Buttons for the selected rule."""
    desk, key = session.desk().alerts, rule.rule_id
    with st.container(border=True):
        st.markdown(
            f"**{formatting.plain(rule.name)}**: rings when "
            f"{formatting.plain(rule.condition.words)}."
        )
        with st.container(horizontal=True):
            if st.button("Send a test", icon=":material/send:", key=f"test {key}"):
                _try(lambda: _test(rule))
            if rule.enabled:
                if st.button("Switch off", icon=":material/notifications_off:", key=f"off {key}"):
                    _try(lambda: desk.change(key, enabled=False), again=True)
            elif st.button("Switch on", icon=":material/notifications:", key=f"on {key}"):
                _try(lambda: desk.change(key, enabled=True), again=True)
            with st.popover("Signing key", icon=":material/key:"):
                st.caption("Its receiver checks the header X-SpotLab-Signature with it.")
                st.code(desk.signing_key(key), language=None)
            with st.popover("Delete", icon=":material/delete:"):
                st.write(
                    f"“{formatting.plain(rule.name)}” is watched no longer; what waits is not sent."
                )
                if st.button("Delete it", key=f"delete {key}"):
                    _try(lambda: desk.delete(key), again=True)
        with st.expander("Change it", icon=":material/edit:"):
            form.show_form(rule)


def _test(rule: AlertRule) -> None:
    with st.spinner(formatting.plain(f"asking {rule.shown_address}")):
        answer = session.desk().alerts.test(rule.rule_id)
    box = st.success if answer.ok else st.error
    box(
        formatting.plain(answer.words),
        title="The receiver took it" if answer.ok else "The receiver did not take it",
    )


def _try(act: Callable[[], object], *, again: bool = False) -> None:
    try:
        act()
    except SpotlabError as exc:
        errors.show(exc)
        return
    if again:
        st.rerun()
