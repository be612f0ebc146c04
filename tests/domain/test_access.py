"""Roles, scopes and accounts: who may do what."""

from __future__ import annotations

import itertools

import pytest

from spotlab.domain.access import MEANINGS, RIGHTS, Principal, Right, Role, rights_of
from spotlab.errors import Forbidden, InvalidInput
from tests.support.people import person


def test_each_role_may_do_all_that_the_one_before_may() -> None:
    order = list(Role)
    for lower, higher in itertools.pairwise(order):
        assert RIGHTS[lower] <= RIGHTS[higher]
    assert RIGHTS[Role.ADMIN] == set(Right)
    assert set(MEANINGS) == set(Right)


@pytest.mark.parametrize("role", [Role.DEMO, Role.VIEWER])
def test_who_only_reads_may_change_nothing(role: Role) -> None:
    assert RIGHTS[role] == {Right.READ}


def test_a_refusal_says_who_may() -> None:
    with pytest.raises(Forbidden) as refused:
        person(Role.VIEWER).require(Right.EVALUATE)
    assert refused.value.message == "the viewer (viewer) may not evaluate instances."
    assert refused.value.remedy == "May do so: operator, admin."


def test_a_token_is_limited_to_its_scopes_and_to_the_role() -> None:
    scopes = frozenset({Right.READ, Right.CHANGE_USERS})
    token = Principal("ana", Role.OPERATOR, scopes=scopes, via="token ci")
    assert token.rights == {Right.READ}
    with pytest.raises(Forbidden, match=r"with this token\. Ask for the scope evaluate"):
        token.require(Right.EVALUATE)


def test_rights_hold_in_own_accounts_only() -> None:
    ana = person(Role.OPERATOR, "payments")
    assert ana.may(Right.EVALUATE, "payments")
    assert not ana.may(Right.EVALUATE, "search")
    with pytest.raises(Forbidden, match="in the account 'search'"):
        ana.require(Right.EVALUATE, "search")


def test_an_unknown_scope_is_named() -> None:
    assert rights_of(["read", "evaluate"]) == {Right.READ, Right.EVALUATE}
    with pytest.raises(InvalidInput, match="'root' is no scope"):
        rights_of(["read", "root"])
