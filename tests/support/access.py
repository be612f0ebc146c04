"""Users and quick passwords, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from spotlab.access import passwords as module
from spotlab.access.sessions import SignedIn, Visit
from spotlab.access.sign_in import SignIn, new_user
from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from tests.support.lab import empty_lab

PASSWORD = "kettle moss fjord"
VISIT = Visit("192.0.2.7", "a browser")


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """argon2id with minimal work factors, to save time."""
    monkeypatch.setattr(module, "PasswordHasher", lambda: PasswordHasher(1, 8, 1))
    module.passwords.cache_clear()
    yield
    module.passwords.cache_clear()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """An empty lab, which is also this process's lab."""
    with empty_lab(tmp_path / "home", tmp_path / "models") as opened:
        monkeypatch.setattr(app_process, "lab", lambda: opened)
        yield opened


def add_user(
    lab: Lab, name: str = "ana", role: Role = Role.ADMIN, accounts: tuple[str, ...] | None = None
) -> User:
    """Add a user who can sign in with PASSWORD."""
    now = lab.clock.now()
    user = new_user(name, role, accounts, "", now)
    password_hash = module.passwords().hash(PASSWORD)
    return lab.store.users.add(user, By("a test", now), password_hash)


def signed_in(lab: Lab, name: str = "ana") -> SignedIn:
    """A session of the user."""
    return SignIn(lab).by_password(name, PASSWORD, VISIT)
