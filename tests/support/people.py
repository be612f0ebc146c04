"""Users of each role, for tests."""

from __future__ import annotations

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.ui.common import identity

ANA = Principal("ana", Role.ADMIN, via="a test")
BEN = Principal("ben", Role.ADMIN, via="a test")


def person(role: Role, *accounts: str) -> Principal:
    """A user of this role, who sees all accounts if none is given."""
    return Principal(f"the {role}", role, accounts or None, via="a test")


def look_as(monkeypatch: pytest.MonkeyPatch, who: Principal) -> None:
    """Sign this user in to pages under AppTest, which has no cookies."""
    monkeypatch.setattr(identity, "reader", lambda *, used: who)
