"""People of each role, for tests."""

from __future__ import annotations

from spotlab.domain.access import Principal, Role

ANA = Principal("ana", Role.ADMIN, via="a test")
BEN = Principal("ben", Role.ADMIN, via="a test")


def person(role: Role, *accounts: str) -> Principal:
    """Somebody of this role; who sees all accounts where none is named."""
    return Principal(f"the {role}", role, accounts or None, via="a test")
