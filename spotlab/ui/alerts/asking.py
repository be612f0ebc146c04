"""Adding a rule: what is watched, from when on, and who is told. Screens floor."""

from __future__ import annotations

import streamlit as st

from spotlab.domain.alerts import KIND_WORDS, AlertKind, Channel, Condition, Feed
from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, UNKNOWN
from spotlab.errors import SpotlabError
from spotlab.ui import errors, session

ANY = "any"
ADDED = "added alert rule"


def show() -> None:
    """The form; what it asks for depends on what is watched."""
    with st.expander("Add a rule", icon=":material/add_alert:"):
        kind = st.selectbox(
            "Watch",
            [*AlertKind],
            format_func=lambda each: KIND_WORDS[each],
            key="alert-kind",
        )
        with st.form("add alert", border=False):
            condition = _condition(kind)
            left, right = st.columns(2)
            name = left.text_input("Name", max_chars=80, key="alert-name")
            again_h = right.number_input(
                "Tell again every (h)",
                min_value=0.0,
                value=24.0,
                help="While the condition holds. 0: never again.",
                key="alert-again",
            )
            channel = left.selectbox(
                "Shape",
                [*Channel],
                format_func=lambda each: {"webhook": "JSON", "slack": "Slack"}[each],
                key="alert-channel",
            )
            address = right.text_input(
                "Receiver's address",
                type="password",
                autocomplete="off",
                placeholder="https://…",
                help="It is sealed before it is kept; afterwards only its host is shown.",
                key="alert-address",
            )
            if st.form_submit_button("Add", type="primary"):
                _add(name, condition, channel, address, again_h)
    if (added := st.session_state.pop(ADDED, None)) is not None:
        _show_added(*added)


def _add(
    name: str, condition: dict[str, object], channel: Channel, address: str, again_h: float
) -> None:
    try:
        whole = Condition(**condition, again_h=again_h)  # type: ignore[arg-type]
        added = session.desk().alerts.add(name, whole, channel, address)
    except SpotlabError as exc:
        errors.show(exc)
        return
    st.session_state[ADDED] = (added.rule.name, added.signing_key)
    st.rerun()


def _show_added(name: str, signing_key: str) -> None:
    st.success(
        f"“{name}” is watched from now on. Its receiver checks the header X-SpotLab-Signature "
        "with this key:",
        icon=":material/check_circle:",
    )
    st.code(signing_key, language=None)


def _condition(kind: AlertKind) -> dict[str, object]:
    asked: dict[str, object] = {"kind": kind}
    left, right = st.columns(2)
    if kind in (AlertKind.STATE, AlertKind.FAILURES):
        part = left.selectbox("Part", [ANY, *COMPONENTS], key="alert-part")
        asked["component"] = "" if part == ANY else part
    if kind is AlertKind.STATE:
        states = right.multiselect(
            "Rings when it is", [DOWN, DEGRADED, UNKNOWN], default=[DOWN], key="alert-states"
        )
        asked["states"] = tuple(states)
    if kind is AlertKind.STALENESS:
        asked["feed"] = left.selectbox("Data", [*Feed], key="alert-feed")
        asked["threshold"] = right.number_input(
            "Older than (min)", min_value=1.0, value=60.0, key="alert-minutes"
        )
    if kind is AlertKind.FAILURES:
        percent = right.number_input(
            "More failures than (%)", min_value=0.1, max_value=99.0, value=20.0, key="alert-share"
        )
        asked["threshold"] = percent / 100
        asked["window_min"] = left.number_input(
            "Within (min)", min_value=1.0, value=60.0, key="alert-window"
        )
        asked["least"] = right.number_input("Of at least", min_value=1, value=5, key="alert-least")
    if kind in (AlertKind.RISK, AlertKind.PRICE):
        asked |= _about_instances(kind)
    return asked


def _about_instances(kind: AlertKind) -> dict[str, object]:
    desk = session.desk()
    asked: dict[str, object] = {}
    left, right = st.columns(2)
    names = {each.instance_id: each.name or each.instance_id for each in desk.instances.list()}
    accounts = [each.name for each in desk.accounts.list()]
    account = left.selectbox("Account", [ANY, *accounts], key="alert-account")
    instance = right.selectbox(
        "Instance",
        [ANY, *names],
        format_func=lambda each: names.get(each, each),
        key="alert-instance",
    )
    asked["account"] = "" if account == ANY else account
    asked["instance_id"] = "" if instance == ANY else instance
    if kind is AlertKind.RISK:
        percent = left.number_input(
            "Risk over (%)", min_value=0.001, max_value=99.0, value=0.75, key="alert-risk"
        )
        asked["threshold"] = percent / 100
        asked["horizon_h"] = right.number_input(
            "Within (h)", min_value=1.0, value=24.0, key="alert-horizon"
        )
        return asked
    asked["pool"] = left.text_input(
        "Or a pool",
        placeholder="us-east-1:us-east-1a:m6i.large:Linux",
        help="region:zone:type:system, with - for no zone; then instances do not matter.",
        key="alert-pool",
    ).strip()
    unit = right.selectbox("Compare", ["USD per hour", "% of on-demand"], key="alert-unit")
    limit = right.number_input(
        "Price over", min_value=0.0001, value=1.0, format="%.4f", key="alert-price"
    )
    asked["of_on_demand"] = unit != "USD per hour"
    asked["threshold"] = limit / 100 if asked["of_on_demand"] else limit
    return asked
