"""People of each role, for tests."""

from __future__ import annotations

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.ui.common import identity

ANA = Principal("ana", Role.ADMIN, via="a test")
BEN = Principal("ben", Role.ADMIN, via="a test")


def person(role: Role, *accounts: str) -> Principal:
    """Somebody of this role; who sees all accounts where none is named."""
    return Principal(f"the {role}", role, accounts or None, via="a test")


def look_as(monkeypatch: pytest.MonkeyPatch, who: Principal) -> None:
    """Let this person look at the pages that run under AppTest, which knows no cookies."""
    monkeypatch.setattr(identity, "reader", lambda *, used: who)
