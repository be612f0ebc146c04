"""A rule's form, for a new one and for one that is changed.

What is wrong with a field stands below it. Errors are kept until the form is sent again, since the
page looks again by itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.alerts import KIND_WORDS, AlertKind, AlertRule, Channel, Condition, Feed
from spotlab.domain.components import COMPONENTS, DEGRADED, DOWN, UNKNOWN
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.telemetry.text import visible
from spotlab.ui.common import errors, formatting, session, tables

ANY: Final = "any"
NEW: Final = "new"
ADDED: Final = "added alert rule"
DONE: Final = "alerts-done"
CHANNELS: Final = {Channel.WEBHOOK: "JSON", Channel.SLACK: "Slack"}
PER_HOUR, OF_ON_DEMAND = "USD per hour", "% of on-demand"
FIRST: Final = {
    AlertKind.STATE: Condition(AlertKind.STATE, states=(DOWN,)),
    AlertKind.STALENESS: Condition(AlertKind.STALENESS, feed=Feed.ADVISOR, threshold=60.0),
    AlertKind.FAILURES: Condition(AlertKind.FAILURES, threshold=0.2),
    AlertKind.DRIFT: Condition(AlertKind.DRIFT),
    AlertKind.RISK: Condition(AlertKind.RISK, threshold=0.0075),
    AlertKind.PRICE: Condition(AlertKind.PRICE, threshold=1.0),
}
"""What the form begins with, by what is watched."""


def show_add() -> None:
    """The form of a new rule, folded away, and the key of the one that was just added."""
    with st.expander("Add a rule", icon=":material/add_alert:"):
        show_form(None)
    if (added := st.session_state.pop(ADDED, None)) is not None:
        name, signing_key = added
        st.success(
            f"“{formatting.plain(name)}” is watched from now on. Its receiver checks the header "
            "X-SpotLab-Signature with this key:",
            icon=":material/check_circle:",
        )
        st.code(signing_key, language=None)


def show_form(rule: AlertRule | None) -> None:
    """What a rule is made of, as it is; what is asked for depends on what is watched.

    Args:
        rule: that is changed; None: a new one.
    """
    key = key_of(rule)
    kinds = [*AlertKind]
    kind = st.selectbox(
        "Watch",
        kinds,
        index=kinds.index(rule.condition.kind) if rule is not None else 0,
        format_func=KIND_WORDS.__getitem__,
        key=_named("kind", key),
        on_change=_forgive,
        args=(key,),
    )
    given = FIRST[kind]
    if rule is not None:
        same = rule.condition.kind is kind
        given = rule.condition if same else replace(given, again_h=rule.condition.again_h)
    with st.form(f"alert {key}", border=False, enter_to_submit=False):
        _show_condition(given, key)
        _show_telling(rule, given.again_h, key)
        label = "Add" if rule is None else "Save"
        st.form_submit_button(label, type="primary", on_click=_save, args=(key, rule))
        wrong = st.session_state.get(_wrong(key))
        if wrong is not None and not _field_of(wrong):
            errors.explain(wrong)


def _show_condition(given: Condition, key: str) -> None:
    kind, (left, right) = given.kind, st.columns(2)
    if kind in (AlertKind.STATE, AlertKind.FAILURES):
        _choose(left, "Part", {name: name for name in COMPONENTS}, given.component, "part", key)
    if kind is AlertKind.STATE:
        states = [DOWN, DEGRADED, UNKNOWN]
        right.multiselect(
            "Fires when it is", states, given.states, key=_named("states", key), placeholder="none"
        )
        _say_wrong(right, "states", key)
    if kind is AlertKind.STALENESS:
        feeds = [*Feed]
        left.selectbox("Data", feeds, feeds.index(Feed(given.feed)), key=_named("feed", key))
        _ask(right, "Older than (min)", given.threshold, _bar(kind), key, least=1.0)
    if kind is AlertKind.FAILURES:
        _ask(right, "More failures than (%)", _percent(given), _bar(kind), key, least=0.1, most=99)
        _ask(left, "Within (min)", given.window_min, "window", key, least=1.0)
        right.number_input("Of at least", 1, None, given.least, key=_named("least", key))
    if given.kind in (AlertKind.RISK, AlertKind.PRICE):
        _show_instances(given, key, left, right)
    if kind is AlertKind.RISK:
        _ask(left, "Risk over (%)", _percent(given), _bar(kind), key, least=0.001, most=99)
        _ask(right, "Within (h)", given.horizon_h, "horizon", key, least=1.0)
    if kind is AlertKind.PRICE:
        _show_price(given, key, left, right)


def _show_instances(
    given: Condition, key: str, left: DeltaGenerator, right: DeltaGenerator
) -> None:
    desk = session.desk()
    accounts = {each.name: each.name for each in desk.accounts.list()}
    _choose(left, "Account", accounts, given.account, "account", key)
    names = {each.instance_id: each.name or each.instance_id for each in desk.instances.list()}
    _choose(right, "Instance", names, given.instance_id, "instance", key)


def _show_price(given: Condition, key: str, left: DeltaGenerator, right: DeltaGenerator) -> None:
    left.text_input(
        "Or a pool",
        given.pool,
        placeholder="us-east-1:us-east-1a:m6i.large:Linux",
        help="region:zone:type:system, with - for no zone; then instances do not matter.",
        key=_named("pool", key),
    )
    _say_wrong(left, "pool", key)
    right.selectbox(
        "Compare", [PER_HOUR, OF_ON_DEMAND], int(given.of_on_demand), key=_named("unit", key)
    )
    limit = _percent(given) if given.of_on_demand else given.threshold
    _ask(right, "Price over", limit, _bar(given.kind), key, least=0.0001, digits="%.4f")


def _show_telling(rule: AlertRule | None, again_h: float, key: str) -> None:
    left, right = st.columns(2)
    left.text_input("Name", rule.name if rule else "", max_chars=80, key=_named("name", key))
    _say_wrong(left, "name", key)
    again = "While the condition holds. 0: never again."
    right.number_input(
        "Tell again every (h)", 0.0, None, again_h, help=again, key=_named("again", key)
    )
    shapes = [*Channel]
    left.selectbox(
        "Shape",
        shapes,
        shapes.index(rule.channel) if rule else 0,
        format_func=CHANNELS.__getitem__,
        key=_named("channel", key),
    )
    right.text_input(
        "Receiver's address",
        type="password",
        autocomplete="off",
        placeholder=f"stays {rule.shown_address}" if rule else "https://…",
        help="On the public internet, or in a network that SPOTLAB_ALERT_NETWORKS names. It is "
        "sealed before it is kept; afterwards only its host is shown.",
        key=_named("address", key),
    )
    _say_wrong(right, "address", key)


def key_of(rule: AlertRule | None) -> str:
    """Of a form's fields: another when the rule was changed, so that the form shows that."""
    if rule is None:
        return NEW
    shown = (rule.name, rule.condition, rule.channel, rule.shown_address)
    return tables.key_of(rule.rule_id, [repr(shown)])


def _save(key: str, rule: AlertRule | None) -> None:
    desk = session.desk().alerts
    name, channel = _given("name", key), _given("channel", key)
    address = str(_given("address", key) or "").strip()
    _forgive(key)
    try:
        condition = _condition(key)
        if rule is None:
            added = desk.add(name, condition, channel, address)
            st.session_state[ADDED] = (added.rule.name, added.signing_key)
        else:
            desk.change(
                rule.rule_id,
                name=name,
                condition=condition,
                channel=channel,
                address=address or None,
                expected=rule,
            )
            st.session_state[DONE] = f"“{name}” is changed; what rang starts anew."
    except SpotlabError as exc:
        st.session_state[_wrong(key)] = exc
        return
    for field in ("name", "address"):
        st.session_state.pop(_named(field, key), None)


def _condition(key: str) -> Condition:
    """As the form has it."""
    kind = _given("kind", key)
    whole = replace(FIRST[kind], again_h=_given("again", key))
    if kind is AlertKind.STATE:
        return replace(whole, component=_chosen("part", key), states=tuple(_given("states", key)))
    if kind is AlertKind.DRIFT:
        return whole
    bar = float(_given(_bar(kind), key))
    if kind is AlertKind.STALENESS:
        return replace(whole, feed=_given("feed", key), threshold=bar)
    if kind is AlertKind.FAILURES:
        return replace(
            whole,
            component=_chosen("part", key),
            threshold=bar / 100,
            window_min=_given("window", key),
            least=_given("least", key),
        )
    whole = replace(whole, account=_chosen("account", key), instance_id=_chosen("instance", key))
    if kind is AlertKind.RISK:
        return replace(whole, threshold=bar / 100, horizon_h=_given("horizon", key))
    share = _given("unit", key) == OF_ON_DEMAND
    return replace(
        whole,
        pool=_given("pool", key).strip(),
        of_on_demand=share,
        threshold=bar / 100 if share else bar,
    )


def _choose(
    place: DeltaGenerator, label: str, names: dict[str, str], chosen: str, field: str, key: str
) -> None:
    """One of several, or any; what is chosen is offered also where it is gone."""
    options = [ANY, *dict.fromkeys([*names, *([chosen] if chosen else [])])]
    place.selectbox(
        label,
        options,
        options.index(chosen or ANY),
        format_func=lambda each: visible(names.get(each, each) or ""),
        key=_named(field, key),
    )
    _say_wrong(place, field, key)


def _ask(
    place: DeltaGenerator,
    label: str,
    value: float | None,
    field: str,
    key: str,
    *,
    least: float,
    most: float | None = None,
    digits: str | None = None,
) -> None:
    # A rule that came another way may lie beyond what the form offers.
    least = least if value is None else min(least, value)
    top = most if most is None or value is None else max(float(most), value)
    place.number_input(label, least, top, value, format=digits, key=_named(field, key))
    _say_wrong(place, field.rpartition(" ")[2], key)


def _bar(kind: AlertKind) -> str:
    """The field of a kind's threshold: each has its own unit."""
    return f"{kind} threshold"


def _percent(given: Condition) -> float:
    return round(100 * (given.threshold or 0.0), 6)


def _say_wrong(place: DeltaGenerator, field: str, key: str) -> None:
    wrong: SpotlabError | None = st.session_state.get(_wrong(key))
    if wrong is not None and _field_of(wrong) == field:
        place.error(f"{wrong.message} {wrong.remedy}", icon=":material/error:")


def _field_of(wrong: SpotlabError) -> str:
    return wrong.field if isinstance(wrong, InvalidInput) else ""


def _forgive(key: str) -> None:
    st.session_state.pop(_wrong(key), None)


def _wrong(key: str) -> str:
    """Where the error of a rule's form is kept, also when the rule has become another."""
    return _named("wrong", key.partition(" ")[0])


def _named(field: str, key: str) -> str:
    return f"alert-{field} {key}"


def _given(field: str, key: str) -> Any:
    return st.session_state[_named(field, key)]


def _chosen(field: str, key: str) -> str:
    chosen = str(_given(field, key))
    return "" if chosen == ANY else chosen
