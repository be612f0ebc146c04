"""A policy's parameters have limits, its versions have states, and both say what would be right."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, nan

import pytest

from spotlab.domain.policy import (
    DEFAULT_POLICY,
    MOVES,
    Policy,
    PolicyParams,
    PolicyState,
    PolicyVersion,
    check_move,
    differences,
    with_changes,
)
from spotlab.domain.policy_parameters import PARAMETERS
from spotlab.errors import Conflict, InvalidInput


def policy(**params: float) -> Policy:
    return Policy("cautious", 1, "", PolicyParams(**params))


def test_every_parameter_has_a_label_a_unit_and_limits() -> None:
    assert tuple(PARAMETERS) == tuple(field.name for field in fields(PolicyParams))
    for name, value in DEFAULT_POLICY.params.as_dict().items():
        parameter = PARAMETERS[name]
        assert parameter.low <= value <= parameter.high
        assert parameter.meaning.endswith(".")


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_outside_its_limits_is_refused_by_name(name: str) -> None:
    parameter = PARAMETERS[name]
    for value in (parameter.low, parameter.high):
        assert policy(**{name: value}).params.as_dict()[name] == value
    for value in (parameter.low - 1, parameter.high * 2 + 1, nan, inf, -inf):
        with pytest.raises(InvalidInput) as refused:
            policy(**{name: value})
        assert refused.value.field == name
        assert str(refused.value).startswith(f"{name} is {value}. Use ")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 65, "a@1"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a policy's name"):
        Policy(name, 1, "", PolicyParams())


def test_a_long_description_is_refused() -> None:
    with pytest.raises(InvalidInput, match="description has 501 characters"):
        Policy("cautious", 1, "x" * 501, PolicyParams())


def test_differences_are_in_words_with_units() -> None:
    other = replace(DEFAULT_POLICY.params, cooldown_h=12.0, risk_ceiling=0.003)
    assert [each.text for each in differences(DEFAULT_POLICY.params, other)] == [
        "Cooldown 6 h → 12 h",
        "Risk ceiling 0.75 % → 0.3 %",
    ]
    assert differences(other, other) == []


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'horizon_h' is not a parameter.*min_saving_fraction"):
        with_changes(DEFAULT_POLICY, {"horizon_h": 1.0})


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (PolicyState.DRAFT, ("shadow", "active", "retired")),
        (PolicyState.SHADOW, ("draft", "active", "retired")),
        (PolicyState.ACTIVE, ()),
        (PolicyState.RETIRED, ("shadow", "active")),
    ],
)
def test_a_state_allows_some_moves(state: PolicyState, moves: tuple[str, ...]) -> None:
    assert PolicyVersion(policy(), state).moves == moves
    for target in PolicyState:
        if target in MOVES[state]:
            check_move(PolicyVersion(policy(), state), target)
        else:
            with pytest.raises(Conflict):
                check_move(PolicyVersion(policy(), state), target)


@pytest.mark.parametrize(
    ("state", "target", "said"),
    [
        (PolicyState.DRAFT, PolicyState.DRAFT, "Policy cautious@1 is already draft."),
        (PolicyState.ACTIVE, PolicyState.RETIRED, "Activate another version"),
        (PolicyState.RETIRED, PolicyState.DRAFT, "It can become shadow or active."),
    ],
)
def test_a_refused_move_says_what_is_possible(
    state: PolicyState, target: PolicyState, said: str
) -> None:
    with pytest.raises(Conflict) as refused:
        check_move(PolicyVersion(policy(), state), target)
    assert said in str(refused.value)


def test_the_built_in_policy_is_known() -> None:
    assert DEFAULT_POLICY.reference == "default@1"
    assert PolicyVersion(DEFAULT_POLICY, PolicyState.ACTIVE).is_built_in
    assert not PolicyVersion(policy(), PolicyState.ACTIVE).is_built_in
