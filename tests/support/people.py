"""Principals of each role, for tests."""

from __future__ import annotations

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.ui.common import identity

ANA = Principal("ana", Role.ADMIN, via="a test")
BEN = Principal("ben", Role.ADMIN, via="a test")


def person(role: Role, *accounts: str) -> Principal:
    """A principal with this role, for the named accounts or, if none is named, for all."""
    return Principal(f"the {role}", role, accounts or None, via="a test")


def open_pages_as(monkeypatch: pytest.MonkeyPatch, who: Principal) -> None:
    """Open pages as this principal under AppTest, which does not support cookies."""
    monkeypatch.setattr(identity, "reader", lambda *, used: who)
