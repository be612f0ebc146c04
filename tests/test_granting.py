"""Nobody grants what they do not have: every actor, every granting verb, every user it is done to.

What is expected is one rule, spelled out here and nowhere taken from the code: what is granted, and
what the user it is done to has before and after, is all the actor's own. Verbs and operations are
found, not listed; one that has no entry here fails.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette

from spotlab.api import server
from spotlab.api.lab_api import build
from spotlab.api.mounted import LabApi
from spotlab.api.who import principal_of
from spotlab.domain.access import RIGHTS, Principal, Right, Role
from spotlab.domain.ports import Account, By, User
from spotlab.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from spotlab.runtime import process
from spotlab.runtime.access.gate import SESSION_COOKIE, Gate
from spotlab.runtime.access.sign_in import SignIn
from spotlab.runtime.desk import Desk
from spotlab.runtime.desk.mine import MyDesk
from spotlab.runtime.desk.tokens import TokensDesk
from spotlab.runtime.desk.users import UsersDesk
from spotlab.runtime.lab import Lab
from tests.support.access import (
    PASSWORD,
    VISIT,
    add_user,
    lab,
    migrated,
    quick_passwords,
    signed_in,
)
from tests.support.people import ANA

__all__ = ["lab", "migrated", "quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")

Accounts = tuple[str, ...] | None
DAY: Final = timedelta(days=1)
ROLES: Final = (Role.VIEWER, Role.RESEARCHER, Role.OPERATOR, Role.ADMIN)
SEEN: Final[tuple[Accounts, ...]] = (None, ("acme",), ("zeta",), ("acme", "zeta"), ())
SCOPES: Final = (
    frozenset(Right),
    frozenset({Right.CHANGE_USERS}),
    frozenset({Right.READ, Right.CHANGE_USERS}),
    RIGHTS[Role.OPERATOR] | {Right.CHANGE_USERS},
    frozenset(Right) - {Right.CHANGE_USERS},
)
"""Of tokens that act."""


@dataclass(frozen=True)
class Actor:
    """Somebody who tries; `secret` is what a request of theirs carries."""

    told: str
    user: str
    rights: frozenset[Right]
    accounts: Accounts
    who: Principal
    secret: str

    def owns(self, rights: frozenset[Right], accounts: Accounts) -> bool:
        """The rule: whether all of this is their own."""
        if not rights <= self.rights:
            return False
        if self.accounts is None:
            return True
        return accounts is not None and all(name in self.accounts for name in accounts)


@dataclass(frozen=True)
class Target:
    """A user that something is done to, and a token of theirs."""

    name: str
    role: Role
    accounts: Accounts
    token_id: str


@dataclass(frozen=True)
class Try:
    """A verb tried on a user: what they have after it, or what somebody new has."""

    told: str
    act: Callable[[Desk, str], object]
    rights: frozenset[Right] = frozenset()
    accounts: Accounts = ()
    new: bool = False


@pytest.fixture
def two_accounts(lab: Lab) -> Lab:
    for name, number in (("acme", "1"), ("zeta", "9")):
        lab.store.fleet.save_account(Account(name, number * 12, emulated=True))
    add_user(lab, "root")
    return lab


def actors_of(lab: Lab, role: Role, accounts: Accounts) -> list[Actor]:
    """One user by session and by tokens of several scopes."""
    name = f"{role}-{'of-one' if accounts else 'of-all'}"
    add_user(lab, name, role, accounts)
    cookie = signed_in(lab, name).token
    mine = Desk(lab, Gate(lab).session(cookie)).mine
    made = [Actor(name, name, RIGHTS[role], accounts, mine.who, cookie)]
    for scopes in SCOPES if role is Role.ADMIN else (RIGHTS[role],):
        _, token = mine.create_token("of a test", scopes, DAY)
        told = f"{name} with {len(scopes)} scopes"
        made.append(Actor(told, name, scopes, accounts, Gate(lab).bearer(token), token))
    return made


def targets_of(lab: Lab) -> list[Target]:
    """Users who see all, one, another, both and no account, and of other roles."""
    made = []
    some = [(Role.VIEWER, seen) for seen in SEEN]
    some += product((Role.OPERATOR, Role.ADMIN), (None, ("acme",)))
    for number, (role, accounts) in enumerate(some):
        name = f"user-{number}"
        add_user(lab, name, role, accounts)
        token, _ = Desk(lab, ANA).tokens.create(name, "theirs", [Right.READ], DAY)
        made.append(Target(name, role, accounts, token.token_id))
    return made


def tries(target: Target) -> Iterator[Try]:
    """Every verb, with what it grants."""
    rights, seen = RIGHTS[target.role], target.accounts
    for role, accounts in product(ROLES, SEEN):
        yield Try(
            f"add a {role} of {accounts}",
            lambda desk, name, r=role, a=accounts: desk.users.add(name, r, accounts=a),
            RIGHTS[role],
            accounts,
            new=True,
        )
    for role in ROLES:
        yield Try(
            f"set role {role}",
            lambda desk, name, r=role: desk.users.set(name, role=r),
            RIGHTS[role],
            seen,
        )
    for accounts in SEEN:
        yield Try(
            f"set accounts {accounts}",
            lambda desk, name, a=accounts: desk.users.set(name, accounts=a),
            rights,
            accounts,
        )
    same: tuple[tuple[str, Callable[[Desk, str], object]], ...] = (
        ("set email", lambda desk, name: desk.users.set(name, email="me@example.org")),
        ("disable", lambda desk, name: desk.users.set(name, active=False)),
        ("enable", lambda desk, name: desk.users.set(name, active=True)),
        ("unlock", lambda desk, name: desk.users.unlock(name)),
        ("sign_out", lambda desk, name: desk.users.sign_out(name)),
        ("reset_password", lambda desk, name: desk.users.reset_password(name)),
        ("revoke", lambda desk, _name: desk.tokens.revoke(target.token_id)),
    )
    for told, act in same:
        yield Try(told, act, rights, seen)
    for scopes in ({Right.READ}, {Right.READ, Right.EVALUATE}, set(Right)):
        if scopes <= rights:
            yield Try(
                f"create a token of {len(scopes)}",
                lambda desk, name, s=frozenset(scopes): desk.tokens.create(name, "made", s, DAY),
                frozenset(scopes),
                seen,
            )


GRANTING: Final = {
    UsersDesk: {"add", "set", "unlock", "reset_password", "sign_out"},
    TokensDesk: {"create", "revoke"},
    MyDesk: {"create_token"},
}
"""Tried here."""
ASKING: Final = {
    UsersDesk: {"list", "get", "theirs", "sessions"},
    TokensDesk: {"list"},
    MyDesk: {"user", "sessions", "tokens", "change_password", "end_session", "revoke_token"},
}
"""They give nothing to anybody; those of MyDesk are about whoever asks alone."""


@pytest.mark.parametrize("part", GRANTING, ids=lambda part: part.__name__)
def test_every_verb_is_tried(part: type) -> None:
    verbs = {name for name, _ in inspect.getmembers(part, inspect.isfunction) if name[0] != "_"}
    shared = {name for name, _ in inspect.getmembers(part.__base__, inspect.isfunction)}
    assert verbs - shared == GRANTING[part] | ASKING[part]


def expected(actor: Actor, target: Target, each: Try) -> bool:
    """The rule: what is granted, and what the user has before and after, is the actor's own."""
    had = each.new or actor.owns(RIGHTS[target.role], target.accounts)
    return (
        Right.CHANGE_USERS in actor.rights and had and actor.owns(each.rights, each.accounts)
    )


def restore(lab: Lab, target: Target) -> None:
    by = By("a test", lab.clock.now())
    lab.store.users.change(
        target.name, by, role=target.role, accounts=target.accounts, active=True, email=""
    )


@pytest.mark.parametrize("seen", [None, ("acme",)], ids=["of all", "of one"])
@pytest.mark.parametrize("role", ROLES)
def test_nobody_grants_or_takes_over_more_than_is_their_own(
    role: Role, seen: Accounts, two_accounts: Lab
) -> None:
    lab, wrong, tried = two_accounts, [], {True: 0, False: 0}
    targets = targets_of(lab)
    for actor in actors_of(lab, role, seen):
        desk = Desk(lab, actor.who)
        own = Target(actor.user, role, seen, targets[0].token_id)
        for target in (own, *targets):
            for each in tries(target):
                if each.new != (target is own) and (each.new or each.told == "revoke"):
                    continue
                allowed, before = expected(actor, target, each), lab.store.audit.count()
                name = f"new-{sum(tried.values())}" if each.new else target.name
                said = "done"
                try:
                    each.act(desk, name)
                except (Forbidden, NotFound, InvalidInput) as exc:
                    said = str(exc)
                tried[allowed] += 1
                changed = lab.store.audit.count() != before
                if allowed != (said == "done") or (changed and not allowed):
                    wrong.append(f"{actor.told}: {each.told} of {target}: {said}")
                if changed and not each.new:
                    restore(lab, target)
    assert not wrong, f"{len(wrong)} of {tried}\n" + "\n".join(wrong[:20])
    assert (tried[True] > 100) is (role is Role.ADMIN), tried
