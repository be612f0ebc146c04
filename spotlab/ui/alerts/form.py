"""The form of an alert rule, new or existing.

An invalid field shows its error below it. Errors stay until the form is submitted again, because
the page reruns on a timer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.alerts import KIND_WORDS, AlertKind, AlertRule, Channel, Condition, Feed
from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, UNKNOWN
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import errors, formatting, session, tables

ANY: Final = "any"
NEW: Final = "new"
ADDED: Final = "added alert rule"
DONE: Final = "alerts-done"
CHANNELS: Final = {Channel.WEBHOOK: "JSON", Channel.SLACK: "Slack"}
PER_HOUR, OF_ON_DEMAND = "USD per hour", "% of on-demand"
DEFAULTS: Final = {
    AlertKind.STATE: Condition(AlertKind.STATE, states=(DOWN,)),
    AlertKind.STALENESS: Condition(AlertKind.STALENESS, feed=Feed.ADVISOR, threshold=60.0),
    AlertKind.FAILURES: Condition(AlertKind.FAILURES, threshold=0.2),
    AlertKind.DRIFT: Condition(AlertKind.DRIFT),
    AlertKind.BEHIND: Condition(AlertKind.BEHIND),
    AlertKind.RISK: Condition(AlertKind.RISK, threshold=0.0075),
    AlertKind.PRICE: Condition(AlertKind.PRICE, threshold=1.0),
}
"""Initial values of the form, by kind of condition."""


def show_add() -> None:
    """Shows the form for a new rule, collapsed, and the signing key of the rule just added."""
    with st.expander("Add a rule", icon=":material/add_alert:"):
        show_form(None)
    if (added := st.session_state.pop(ADDED, None)) is not None:
        name, signing_key = added
        st.success(
            f"“{formatting.plain(name)}” is active now. The receiver can verify the header "
            "X-SpotLab-Signature with this key:",
            icon=":material/check_circle:",
        )
        st.code(signing_key, language=None)


def show_form(rule: AlertRule | None) -> None:
    """Shows the fields of a rule; they depend on the kind of condition.

    Args:
        rule: the rule to edit; None: a new one.
    """
    key = key_of(rule)
    kinds = [*AlertKind]
    kind = st.selectbox(
        "Fires when",
        kinds,
        index=kinds.index(rule.condition.kind) if rule is not None else 0,
        format_func=KIND_WORDS.__getitem__,
        key=_key("kind", key),
        on_change=_clear_error,
        args=(key,),
    )
    initial = DEFAULTS[kind]
    if rule is not None:
        same = rule.condition.kind is kind
        initial = rule.condition if same else replace(initial, again_h=rule.condition.again_h)
    with st.form(f"alert {key}", border=False, enter_to_submit=False):
        _show_condition(initial, key)
        _show_notification(rule, initial.again_h, key)
        label = "Add" if rule is None else "Save"
        st.form_submit_button(label, type="primary", on_click=_save, args=(key, rule))
        error = st.session_state.get(_error_key(key))
        if error is not None and not _field_of(error):
            errors.explain(error)


def _show_condition(initial: Condition, key: str) -> None:
    kind, (left, right) = initial.kind, st.columns(2)
    threshold = _threshold_field(kind)
    if kind in (AlertKind.STATE, AlertKind.FAILURES):
        names = {name: name for name in COMPONENTS}
        _select(left, "Component", names, initial.component, "part", key)
    if kind is AlertKind.STATE:
        states = [DOWN, DEGRADED, UNKNOWN]
        right.multiselect(
            "Fires when it is", states, initial.states, key=_key("states", key), placeholder="none"
        )
        _show_error(right, "states", key)
    if kind is AlertKind.STALENESS:
        feeds = [*Feed]
        left.selectbox("Data", feeds, feeds.index(Feed(initial.feed)), key=_key("feed", key))
        _number(right, "Older than (min)", initial.threshold, threshold, key, low=1.0)
    if kind is AlertKind.FAILURES:
        _number(right, "Failures over (%)", _percent(initial), threshold, key, low=0.1, high=99)
        _number(left, "Within (min)", initial.window_min, "window", key, low=1.0)
        right.number_input("Minimum attempts", 1, None, initial.least, key=_key("least", key))
    if kind in (AlertKind.RISK, AlertKind.PRICE):
        _show_instances(initial, key, left, right)
    if kind is AlertKind.RISK:
        _number(left, "Risk over (%)", _percent(initial), threshold, key, low=0.001, high=99)
        _number(right, "Within (h)", initial.horizon_h, "horizon", key, low=1.0)
    if kind is AlertKind.PRICE:
        _show_price(initial, key, left, right)


def _show_instances(
    initial: Condition, key: str, left: DeltaGenerator, right: DeltaGenerator
) -> None:
    services = session.services()
    accounts = {each.name: each.name for each in services.accounts.list()}
    _select(left, "Account", accounts, initial.account, "account", key)
    names = {each.instance_id: each.name or each.instance_id for each in services.instances.list()}
    _select(right, "Instance", names, initial.instance_id, "instance", key)


def _show_price(initial: Condition, key: str, left: DeltaGenerator, right: DeltaGenerator) -> None:
    left.text_input(
        "Or a pool",
        initial.pool,
        placeholder="us-east-1:us-east-1a:m6i.large:Linux",
        help="region:zone:type:os, with - for no zone. Account and instance are then ignored.",
        key=_key("pool", key),
    )
    _show_error(left, "pool", key)
    right.selectbox(
        "Unit", [PER_HOUR, OF_ON_DEMAND], int(initial.of_on_demand), key=_key("unit", key)
    )
    limit = _percent(initial) if initial.of_on_demand else initial.threshold
    field = _threshold_field(initial.kind)
    _number(right, "Price over", limit, field, key, low=0.0001, digits="%.4f")


def _show_notification(rule: AlertRule | None, again_h: float, key: str) -> None:
    left, right = st.columns(2)
    left.text_input("Name", rule.name if rule else "", max_chars=80, key=_key("name", key))
    _show_error(left, "name", key)
    right.number_input(
        "Remind every (h)",
        0.0,
        None,
        again_h,
        help="While the condition holds. 0: no reminders.",
        key=_key("again", key),
    )
    channels = [*Channel]
    left.selectbox(
        "Format",
        channels,
        channels.index(rule.channel) if rule else 0,
        format_func=CHANNELS.__getitem__,
        key=_key("channel", key),
    )
    right.text_input(
        "Receiver's address",
        type="password",
        autocomplete="off",
        placeholder=f"unchanged: {rule.shown_address}" if rule else "https://…",
        help="On the public internet, or in a network listed in SPOTLAB_ALERT_NETWORKS. It is "
        "stored encrypted; only its host is shown afterwards.",
        key=_key("address", key),
    )
    _show_error(right, "address", key)


def key_of(rule: AlertRule | None) -> str:
    """Key suffix of a form's fields; a changed rule gets a new one, so that the form shows it."""
    if rule is None:
        return NEW
    shown = (rule.name, rule.condition, rule.channel, rule.shown_address)
    return tables.key_of(rule.rule_id, [repr(shown)])


def _save(key: str, rule: AlertRule | None) -> None:
    services = session.services().alerts
    name, channel = _value("name", key), _value("channel", key)
    address = str(_value("address", key) or "").strip()
    _clear_error(key)
    try:
        condition = _condition(key)
        if rule is None:
            added = services.add(name, condition, channel, address)
            st.session_state[ADDED] = (added.rule.name, added.signing_key)
        else:
            services.change(
                rule.rule_id,
                name=name,
                condition=condition,
                channel=channel,
                address=address or None,
                expected=rule,
            )
            st.session_state[DONE] = f"“{name}” is changed; its alerts are evaluated afresh."
    except SpotlabError as exc:
        st.session_state[_error_key(key)] = exc
        return
    for field in ("name", "address"):
        st.session_state.pop(_key(field, key), None)


def _condition(key: str) -> Condition:
    """The condition that the form describes."""
    kind = _value("kind", key)
    condition = replace(DEFAULTS[kind], again_h=_value("again", key))
    if kind is AlertKind.STATE:
        return replace(
            condition, component=_selected("part", key), states=tuple(_value("states", key))
        )
    if kind in (AlertKind.DRIFT, AlertKind.BEHIND):
        return condition
    threshold = float(_value(_threshold_field(kind), key))
    if kind is AlertKind.STALENESS:
        return replace(condition, feed=_value("feed", key), threshold=threshold)
    if kind is AlertKind.FAILURES:
        return replace(
            condition,
            component=_selected("part", key),
            threshold=threshold / 100,
            window_min=_value("window", key),
            least=_value("least", key),
        )
    condition = replace(
        condition, account=_selected("account", key), instance_id=_selected("instance", key)
    )
    if kind is AlertKind.RISK:
        return replace(condition, threshold=threshold / 100, horizon_h=_value("horizon", key))
    share = _value("unit", key) == OF_ON_DEMAND
    return replace(
        condition,
        pool=_value("pool", key).strip(),
        of_on_demand=share,
        threshold=threshold / 100 if share else threshold,
    )


def _select(
    place: DeltaGenerator, label: str, names: dict[str, str], selected: str, field: str, key: str
) -> None:
    """Selects one of `names`, or any; the rule's own value is offered even if it is gone."""
    options = [ANY, *dict.fromkeys([*names, *([selected] if selected else [])])]
    place.selectbox(
        label,
        options,
        options.index(selected or ANY),
        format_func=lambda each: visible(names.get(each, each) or ""),
        key=_key(field, key),
    )
    _show_error(place, field, key)


def _number(
    place: DeltaGenerator,
    label: str,
    value: float | None,
    field: str,
    key: str,
    *,
    low: float,
    high: float | None = None,
    digits: str | None = None,
) -> None:
    # A rule from the API or the command line may lie outside the form's limits.
    if value is not None:
        low = min(low, value)
        high = None if high is None else max(float(high), value)
    place.number_input(label, low, high, value, format=digits, key=_key(field, key))
    _show_error(place, field.rpartition(" ")[2], key)


def _threshold_field(kind: AlertKind) -> str:
    """The field of a kind's threshold: each has its own unit."""
    return f"{kind} threshold"


def _percent(condition: Condition) -> float:
    return round(100 * (condition.threshold or 0.0), 6)


def _show_error(place: DeltaGenerator, field: str, key: str) -> None:
    error: SpotlabError | None = st.session_state.get(_error_key(key))
    if error is not None and _field_of(error) == field:
        place.error(f"{error.message} {error.remedy}", icon=":material/error:")


def _field_of(error: SpotlabError) -> str:
    return error.field if isinstance(error, InvalidInput) else ""


def _clear_error(key: str) -> None:
    st.session_state.pop(_error_key(key), None)


def _error_key(key: str) -> str:
    """Session key of a form's error; it survives a change of the rule."""
    return _key("wrong", key.partition(" ")[0])


def _key(field: str, key: str) -> str:
    return f"alert-{field} {key}"


def _value(field: str, key: str) -> Any:
    return st.session_state[_key(field, key)]


def _selected(field: str, key: str) -> str:
    selected = str(_value(field, key))
    return "" if selected == ANY else selected
