"""The form of a draft: each parameter with its unit, meaning and limits."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.access import Principal, Right
from spotlab.domain.plain_names import MAX_NAME
from spotlab.domain.policy import MAX_DESCRIPTION, PolicyVersion
from spotlab.domain.policy_parameters import PARAMETERS, Parameter, Unit
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.ui.common import errors, formatting, permissions, session
from spotlab.ui.policies import actions

_WRONG: Final = "policy-draft-wrong"
_DIGITS: Final = 10
_SHOWN_UNIT: Final = {Unit.SHARE: "%"}
_STEPS: Final = {Unit.SHARE: 0.1, Unit.USD_PER_HOUR: 0.001}


def show(base: PolicyVersion, newest: int, user: Principal) -> None:
    """Shows the form, collapsed.

    Args:
        base: the version to start from.
        newest: newest version of its name.
        user: who may need to be told that they may not.
    """
    box = st.expander(
        f"Draft a new version, starting from {base.reference}", icon=":material/edit_note:"
    )
    with box:
        if user.accounts is not None:
            st.caption(":material/lock: Policies concern every account; you see some of them.")
            return
        if not permissions.caption(Right.CHANGE_INSTANCES):
            return
        _show_fields(base, newest)


def _show_fields(base: PolicyVersion, newest: int) -> None:
    reference = base.reference
    error = st.session_state.get(_WRONG)
    with st.form(f"draft {reference}", border=False, enter_to_submit=False):
        left, right = st.columns(2)
        left.text_input(
            "Name",
            base.policy.name,
            max_chars=MAX_NAME,
            help="The same name: its next version. Another name: a new policy.",
            key=_key("name", reference),
        )
        _show_error(left, "name")
        right.text_input(
            "Description",
            "" if base.is_built_in else base.policy.description,
            max_chars=MAX_DESCRIPTION,
            placeholder="what it is for, in a sentence",
            key=_key("description", reference),
        )
        _show_error(right, "description")
        columns = st.columns(2)
        for number, (name, parameter) in enumerate(PARAMETERS.items()):
            place = columns[number % 2]
            value = getattr(base.policy.params, name)
            _show_number(place, name, parameter, value, reference)
            _show_error(place, name)
        st.text_input("Reason", max_chars=500, key=_key("reason", reference))
        _show_error(st, "reason")
        st.form_submit_button("Save draft", type="primary", on_click=_save, args=(base, newest))
        if error is not None and not _field_of(error):
            errors.explain(error)


def _show_number(
    place: DeltaGenerator, name: str, parameter: Parameter, value: float, reference: str
) -> None:
    low, high = (shown(parameter, limit) for limit in (parameter.low, parameter.high))
    unit = _SHOWN_UNIT.get(parameter.unit, str(parameter.unit))
    place.number_input(
        f"{parameter.label} ({unit})",
        low,
        high,
        shown(parameter, value),
        step=_STEPS.get(parameter.unit, 1.0 if value >= 1 else 0.1),
        format="%.6g",
        help=f"{parameter.meaning} {low:,g} to {high:,g} {unit}.",
        key=_key(name, reference),
    )


def shown(parameter: Parameter, value: float) -> float:
    """A parameter's value as the form shows it: a share in percent.

    >>> shown(PARAMETERS["risk_ceiling"], 0.0075)
    0.75
    """
    return round(100 * value, _DIGITS) if parameter.unit is Unit.SHARE else value


def entered(parameter: Parameter, value: float) -> float:
    """The value that the form's number means.

    >>> entered(PARAMETERS["risk_ceiling"], 0.75)
    0.0075
    """
    return round(value / 100, _DIGITS + 2) if parameter.unit is Unit.SHARE else value


def _save(base: PolicyVersion, newest: int) -> None:
    reference = base.reference
    st.session_state.pop(_WRONG, None)
    name = str(_value("name", reference)).strip()
    changes = {
        each: entered(parameter, _value(each, reference))
        for each, parameter in PARAMETERS.items()
        if _value(each, reference) != shown(parameter, getattr(base.policy.params, each))
    }
    description = str(_value("description", reference)).strip()
    try:
        saved = session.services().policies.save(
            name,
            changes,
            base=reference,
            description=description,
            reason=str(_value("reason", reference)).strip(),
            expected_version=newest if name == base.policy.name else None,
        )
    except SpotlabError as exc:
        st.session_state[_WRONG] = exc
        return
    st.session_state[actions.DONE] = (True, f"{saved.reference} is saved as a draft.")
    for each in ("name", "description", "reason", *PARAMETERS):
        st.session_state.pop(_key(each, reference), None)
    st.query_params["policy"] = saved.reference


def _show_error(place: Any, field: str) -> None:
    error: SpotlabError | None = st.session_state.get(_WRONG)
    if error is not None and _field_of(error) == field:
        place.error(formatting.plain(f"{error.message} {error.remedy}"), icon=":material/error:")


def _field_of(error: SpotlabError) -> str:
    return error.field if isinstance(error, InvalidInput) else ""


def _key(field: str, reference: str) -> str:
    return f"policy-{field} {reference}"


def _value(field: str, reference: str) -> Any:
    return st.session_state[_key(field, reference)]
