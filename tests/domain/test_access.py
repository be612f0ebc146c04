"""Roles and rights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from spotlab.domain.access import MEANINGS, RIGHTS, Principal, Right, Role, rights_of, roles_table
from spotlab.errors import Forbidden, InvalidInput

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_says_what_each_role_may() -> None:
    assert roles_table() in README.read_text(), "print roles_table() into the README"
    assert set(MEANINGS) == set(Right)


def test_each_role_may_what_the_one_below_may() -> None:
    order = [Role.VIEWER, Role.RESEARCHER, Role.OPERATOR, Role.ADMIN]
    for below, above in pairwise(order):
        assert RIGHTS[below] < RIGHTS[above]
    assert RIGHTS[Role.DEMO] == {Right.READ}


def test_a_refusal_says_who_may() -> None:
    viewer = Principal("ben", Role.VIEWER)
    with pytest.raises(Forbidden, match=r"ben \(viewer\) may not evaluate.*operator, admin"):
        viewer.require(Right.EVALUATE)


def test_a_token_lacks_a_scope_and_not_the_role() -> None:
    token = Principal("ana", Role.ADMIN, scopes=frozenset({Right.READ}))
    with pytest.raises(Forbidden, match=r"with this token.*scope evaluate"):
        token.require(Right.EVALUATE)


def test_another_account_is_not_theirs() -> None:
    own = Principal("ben", Role.OPERATOR, ("acme",))
    own.require(Right.CHANGE_INSTANCES, "acme")
    with pytest.raises(Forbidden, match="'other'"):
        own.require(Right.CHANGE_INSTANCES, "other")


def test_a_scope_that_is_none_is_named() -> None:
    assert rights_of(["read", "evaluate"]) == {Right.READ, Right.EVALUATE}
    with pytest.raises(InvalidInput, match="'root' is not a scope"):
        rights_of(["root"])
