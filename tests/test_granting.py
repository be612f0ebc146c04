"""No user can grant rights that they do not have: every actor, action and target is tried.

The expectation is one rule that is written here and not taken from the code: the actor must have
the granted rights and accounts, and those of the target before and after the action. Methods and
operations are discovered; one without an entry in this module fails.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette

from spotlab.access.authentication import SESSION_COOKIE, Gate
from spotlab.access.sessions import Sessions
from spotlab.access.sign_in import SignIn
from spotlab.api import server
from spotlab.api.application import build
from spotlab.api.identity import principal_of
from spotlab.api.mount import LabApi
from spotlab.domain.access import RIGHTS, Principal, Right, Role
from spotlab.domain.ports import Account, By
from spotlab.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.services.api_tokens import ApiTokenService
from spotlab.services.own_account import OwnAccountService
from spotlab.services.users import UserService
from tests.support.access import (
    PASSWORD,
    VISIT,
    add_user,
    lab,
    quick_passwords,
    signed_in,
)
from tests.support.people import ANA

__all__ = ["lab", "quick_passwords"]
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
"""Scopes of the actors' tokens."""


@dataclass(frozen=True)
class Actor:
    """A user or token that performs an action; `secret` is the credential in its requests."""

    label: str
    user: str
    rights: frozenset[Right]
    accounts: Accounts
    who: Principal
    secret: str

    def owns(self, rights: frozenset[Right], accounts: Accounts) -> bool:
        """Whether the actor has all of these rights and accounts."""
        if not rights <= self.rights:
            return False
        if self.accounts is None:
            return True
        return accounts is not None and all(name in self.accounts for name in accounts)


@dataclass(frozen=True)
class Target:
    """A user on whom an action is performed, and one of their tokens."""

    name: str
    role: Role
    accounts: Accounts
    token_id: str


@dataclass(frozen=True)
class Try:
    """An action on a user, with the rights and accounts of that or of the new user afterwards."""

    label: str
    act: Callable[[Services, str], object]
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
    """One user, signed in with a session and with tokens of several scopes."""
    name = f"{role}-{'of-one' if accounts else 'of-all'}"
    add_user(lab, name, role, accounts)
    cookie = signed_in(lab, name).token
    mine = Services(lab, Gate(lab).session(cookie)).own_account
    made = [Actor(name, name, RIGHTS[role], accounts, mine.principal, cookie)]
    for scopes in SCOPES if role is Role.ADMIN else (RIGHTS[role],):
        _, token = mine.create_token("of a test", scopes, DAY)
        label = f"{name} with {len(scopes)} scopes"
        made.append(Actor(label, name, scopes, accounts, Gate(lab).bearer(token), token))
    return made


def targets_of(lab: Lab) -> list[Target]:
    """Users who see all, one, the other, both or no accounts, and users of other roles."""
    made = []
    some = [(Role.VIEWER, seen) for seen in SEEN]
    some += product((Role.OPERATOR, Role.ADMIN), (None, ("acme",)))
    for number, (role, accounts) in enumerate(some):
        name = f"user-{number}"
        add_user(lab, name, role, accounts)
        token, _ = Services(lab, ANA).api_tokens.create(name, "theirs", [Right.READ], DAY)
        made.append(Target(name, role, accounts, token.token_id))
    return made


def tries(target: Target) -> Iterator[Try]:
    """Every action, with what it grants."""
    rights, seen = RIGHTS[target.role], target.accounts
    for role, accounts in product(ROLES, SEEN):
        yield Try(
            f"add a {role} of {accounts}",
            lambda services, name, r=role, a=accounts: services.users.add(name, r, accounts=a),
            RIGHTS[role],
            accounts,
            new=True,
        )
    for role in ROLES:
        yield Try(
            f"set role {role}",
            lambda services, name, r=role: services.users.set(name, role=r),
            RIGHTS[role],
            seen,
        )
    for accounts in SEEN:
        yield Try(
            f"set accounts {accounts}",
            lambda services, name, a=accounts: services.users.set(name, accounts=a),
            rights,
            accounts,
        )
    same: tuple[tuple[str, Callable[[Services, str], object]], ...] = (
        ("set email", lambda services, name: services.users.set(name, email="me@example.org")),
        ("disable", lambda services, name: services.users.set(name, active=False)),
        ("enable", lambda services, name: services.users.set(name, active=True)),
        ("unlock", lambda services, name: services.users.unlock(name)),
        ("sign_out", lambda services, name: services.users.sign_out(name)),
        ("reset_password", lambda services, name: services.users.reset_password(name)),
        ("revoke", lambda services, _name: services.api_tokens.revoke(target.token_id)),
    )
    for label, act in same:
        yield Try(label, act, rights, seen)
    for scopes in ({Right.READ}, {Right.READ, Right.EVALUATE}, set(Right)):
        if scopes <= rights:
            yield Try(
                f"create a token of {len(scopes)}",
                lambda services, name, s=frozenset(scopes): services.api_tokens.create(
                    name, "made", s, DAY
                ),
                frozenset(scopes),
                seen,
            )


GRANTING: Final = {
    UserService: {"add", "set", "unlock", "reset_password", "sign_out"},
    ApiTokenService: {"create", "revoke"},
    OwnAccountService: {"create_token"},
}
"""Methods that are tried here."""
ASKING: Final = {
    UserService: {"list", "get", "changeable", "sessions"},
    ApiTokenService: {"list"},
    OwnAccountService: {
        "user",
        "sessions",
        "tokens",
        "change_password",
        "end_session",
        "revoke_token",
    },
}
"""Methods that grant nothing; those of OwnAccountService concern only the user who calls them."""


@pytest.mark.parametrize("part", GRANTING, ids=lambda part: part.__name__)
def test_every_verb_is_tried(part: type) -> None:
    verbs = {name for name, _ in inspect.getmembers(part, inspect.isfunction) if name[0] != "_"}
    shared = {name for name, _ in inspect.getmembers(part.__base__, inspect.isfunction)}
    assert verbs - shared == GRANTING[part] | ASKING[part]


def expected(actor: Actor, target: Target, each: Try | Request) -> bool:
    """The rule: the actor has what is granted, and what the target has before and after."""
    had = each.new or actor.owns(RIGHTS[target.role], target.accounts)
    return Right.CHANGE_USERS in actor.rights and had and actor.owns(each.rights, each.accounts)


def restore(lab: Lab, target: Target) -> None:
    by = By("a test", lab.clock.now())
    lab.store.users.change(
        target.name, by, role=target.role, accounts=target.accounts, active=True, email=""
    )


def again(lab: Lab, actor: Actor) -> Principal:
    """The actor in a new session."""
    begun = Sessions(lab).begin(actor.user, "a test", VISIT)
    assert begun is not None
    return replace(actor.who, session_id=begun.session.session_id)


@pytest.mark.parametrize("seen", [None, ("acme",)], ids=["of all", "of one"])
@pytest.mark.parametrize("role", ROLES)
def test_nobody_grants_or_takes_over_more_than_is_their_own(
    role: Role, seen: Accounts, two_accounts: Lab
) -> None:
    lab, wrong, tried = two_accounts, [], {True: 0, False: 0}
    targets = targets_of(lab)
    for actor in actors_of(lab, role, seen):
        services = Services(lab, actor.who)
        own = Target(actor.user, role, seen, targets[0].token_id)
        for target in (own, *targets):
            for each in tries(target):
                if each.new != (target is own) and (each.new or each.label == "revoke"):
                    continue
                allowed, before = expected(actor, target, each), lab.store.audit.count()
                name = f"new-{sum(tried.values())}" if each.new else target.name
                result = "done"
                try:
                    each.act(services, name)
                except (Forbidden, NotFound, InvalidInput) as exc:
                    result = str(exc)
                tried[allowed] += 1
                changed = lab.store.audit.count() != before
                if allowed != (result == "done") or (changed and not allowed):
                    wrong.append(f"{actor.label}: {each.label} of {target}: {result}")
                if changed and not each.new:
                    restore(lab, target)
                if target is own and actor.who.session_id:  # it may have ended
                    services = Services(lab, again(lab, actor))
    assert not wrong, f"{len(wrong)} of {tried}\n" + "\n".join(wrong[:20])
    assert (tried[True] > 100) is (role is Role.ADMIN), tried


# The same through the API


@dataclass(frozen=True)
class Request:
    """An API request, with what it grants."""

    operation: str
    method: str
    path: str
    body: Any
    rights: frozenset[Right]
    accounts: Accounts
    new: bool = False


def requests_of(target: Target) -> Iterator[Request]:
    """A request of every granting operation for a user."""
    rights, seen, user = RIGHTS[target.role], target.accounts, f"/users/{target.name}"

    def listed(accounts: Accounts) -> list[str] | None:
        return None if accounts is None else list(accounts)

    for role, accounts in product((Role.VIEWER, Role.ADMIN), (None, ("acme",), ("zeta",))):
        body = {"name": "NEW", "role": role, "accounts": listed(accounts)}
        yield Request("create_user", "POST", "/users", body, RIGHTS[role], accounts, new=True)
    yield Request("change_user", "PATCH", user, {"active": True}, rights, seen)
    yield Request("change_user", "PATCH", user, {"active": False}, rights, seen)
    for role in (Role.VIEWER, Role.ADMIN):
        yield Request("change_user", "PATCH", user, {"role": role}, RIGHTS[role], seen)
    for accounts in SEEN:
        body = {"accounts": listed(accounts)}
        yield Request("change_user", "PATCH", user, body, rights, accounts)
    for scopes in (["read"], ["read", "users:write"]):
        wanted = frozenset(map(Right, scopes))
        if wanted <= rights:
            body = {"user": target.name, "name": "made", "scopes": scopes}
            yield Request("create_token", "POST", "/tokens", body, wanted, seen)
    path = f"/tokens/{target.token_id}"
    yield Request("revoke_token", "DELETE", path, None, rights, seen)


def headers_of(actor: Actor) -> dict[str, str]:
    if actor.who.session_id:
        cookie = f"{SESSION_COOKIE}={actor.secret}"
        return {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    return {"Authorization": f"Bearer {actor.secret}"}


def served(lab: Lab) -> Starlette:
    """The server's own routes and middleware."""
    lab.settings = lab.settings.model_copy(
        update={
            "auth": "accounts",
            "api_reads_per_minute": 100_000,
            "api_writes_per_minute": 100_000,
        }
    )
    routes = [
        LabApi(lambda: build(lambda: lab, principal_of)) if isinstance(r, LabApi) else r
        for r in server.ROUTES
    ]
    return Starlette(routes=routes, middleware=server.MIDDLEWARE)


def test_every_operation_that_grants_is_tried(two_accounts: Lab) -> None:
    document: dict[str, Any] = build(lambda: two_accounts, principal_of).openapi()  # type: ignore[attr-defined]
    writes = {
        each["operationId"]
        for path, found in document["paths"].items()
        for method, each in found.items()
        if path.startswith(("/api/v1/users", "/api/v1/tokens")) and method != "get"
    }
    assert writes == {each.operation for each in requests_of(targets_of(two_accounts)[0])}


@pytest.mark.parametrize("seen", [None, ("acme",)], ids=["of all", "of one"])
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_no_request_grants_or_takes_over_more_than_is_ones_own(
    role: Role, seen: Accounts, two_accounts: Lab
) -> None:
    lab, wrong, tried = two_accounts, [], {True: 0, False: 0}
    app, every = served(lab), targets_of(lab)
    targets = [each for each in every if each.accounts in (None, ("acme",), ("acme", "zeta"))]
    actors = actors_of(lab, role, seen)

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lab/api/v1") as client:
            for actor, target in product(actors, targets):
                for each in requests_of(target):
                    if each.new and target is not targets[0]:
                        continue
                    allowed = expected(actor, target, each)
                    before, body = lab.store.audit.count(), each.body
                    if each.new:
                        body = body | {"name": f"new-{sum(tried.values())}"}
                    answer = await client.request(
                        each.method, each.path, json=body, headers=headers_of(actor)
                    )
                    tried[allowed] += 1
                    changed = lab.store.audit.count() != before
                    good = answer.status_code in ((200, 201) if allowed else (403, 404, 422))
                    if not good or (changed and not allowed):
                        result = f"{answer.status_code} {answer.text}"
                        wrong.append(f"{actor.label}: {each.method} {each.path} {body}: {result}")
                    if changed and not each.new:
                        restore(lab, target)

    asyncio.run(ask())
    assert not wrong, f"{len(wrong)} of {tried}\n" + "\n".join(wrong[:20])
    assert (tried[True] > 50) is (role is Role.ADMIN), tried


# Reproduced attacks, and grants that outlive the user who made them


def by_session(lab: Lab, name: str) -> Services:
    """The services of a user who is signed in."""
    return Services(lab, Gate(lab).session(signed_in(lab, name).token))


def test_an_administrator_of_one_account_stays_one(two_accounts: Lab) -> None:
    add_user(two_accounts, "eve", Role.ADMIN, ("acme",))
    eve = by_session(two_accounts, "eve")
    for accounts, refused in ((None, Forbidden), (("acme", "zeta"), InvalidInput)):
        with pytest.raises(refused) as error:
            eve.users.set("eve", accounts=accounts)
        assert "zeta" not in (error.value.remedy or "").replace("'zeta'", ""), (
            "names nothing foreign"
        )
    assert two_accounts.store.users.get("eve").accounts == ("acme",)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"role": Role.VIEWER}, ({Right.READ}, None)),
        ({"accounts": ("zeta",)}, ({Right.READ, Right.EVALUATE}, ("zeta",))),
        ({"accounts": ()}, ({Right.READ, Right.EVALUATE}, ())),
        ({"active": False}, None),
    ],
)
def test_a_token_is_worth_no_more_than_who_made_it(
    change: dict[str, Any], left: tuple[set[Right], Accounts] | None, two_accounts: Lab
) -> None:
    lab, root = two_accounts, Services(two_accounts, ANA)
    add_user(lab, "eve", Role.ADMIN)
    add_user(lab, "robot", Role.OPERATOR)
    scopes = [Right.READ, Right.EVALUATE]
    _, token = by_session(lab, "eve").api_tokens.create("robot", "ci", scopes, DAY)
    _, of_owner = root.api_tokens.create("robot", "of the machine's owner", scopes, DAY)
    root.users.set("eve", **change)
    if left is None:
        with pytest.raises(NotSignedIn, match="made the API token 'ci'"):
            Gate(lab).bearer(token)
    else:
        who = Gate(lab).bearer(token)
        assert (who.rights, who.accounts) == left
    assert Gate(lab).bearer(of_owner).rights == set(scopes)
    assert Gate(lab).bearer(of_owner).accounts is None


def test_a_token_that_a_token_made_is_worth_no_more_than_either_maker(two_accounts: Lab) -> None:
    lab, root = two_accounts, Services(two_accounts, ANA)
    for name in ("eve", "ben", "robot"):
        add_user(lab, name, Role.ADMIN)
    _, first = by_session(lab, "eve").api_tokens.create("ben", "first", Right, DAY)
    by_token = Services(lab, Gate(lab).bearer(first))
    _, second = by_token.api_tokens.create("robot", "second", [Right.READ], DAY)
    assert Gate(lab).bearer(second).accounts is None
    root.users.set("eve", accounts=("acme",))
    assert Gate(lab).bearer(second).accounts == ("acme",)
    root.users.set("ben", accounts=("zeta",))
    assert Gate(lab).bearer(second).accounts == ()
    root.users.set("eve", active=False)
    with pytest.raises(NotSignedIn):
        Gate(lab).bearer(second)


def test_a_token_of_whoever_is_given_more_later_brings_its_maker_nothing(
    two_accounts: Lab,
) -> None:
    lab = two_accounts
    add_user(lab, "eve", Role.ADMIN, ("acme",))
    add_user(lab, "victim", Role.VIEWER, ("acme",))
    _, token = by_session(lab, "eve").api_tokens.create("victim", "ci", [Right.READ], DAY)
    Services(lab, ANA).users.set("victim", accounts=None)
    assert Gate(lab).bearer(token).accounts == ("acme",)


@pytest.mark.parametrize("whose", ["widened", "disabled", "narrowed"])
def test_a_link_counts_while_its_maker_could_make_it(whose: str, two_accounts: Lab) -> None:
    lab, root = two_accounts, Services(two_accounts, ANA)
    add_user(lab, "eve", Role.ADMIN, ("acme",))
    _, path = by_session(lab, "eve").users.add("victim", Role.VIEWER, accounts=["acme"])
    code = path.partition("code=")[2]
    if whose == "widened":
        root.users.set("victim", role=Role.ADMIN, accounts=None)
    elif whose == "disabled":
        root.users.set("eve", active=False)
    else:
        root.users.set("eve", accounts=["zeta"])
    with pytest.raises(NotFound):
        SignIn(lab).by_password_link(code, "victim", PASSWORD, VISIT)
    of_root = root.users.reset_password("victim").partition("code=")[2]
    assert SignIn(lab).by_password_link(of_root, "victim", PASSWORD, VISIT)


def test_an_administrator_of_every_account_is_left(two_accounts: Lab) -> None:
    add_user(two_accounts, "ben", Role.ADMIN, ("acme",))
    root = by_session(two_accounts, "root").users
    for change in ({"accounts": ["acme"]}, {"role": Role.VIEWER}, {"active": False}):
        with pytest.raises(Conflict, match="last active administrator"):
            root.set("root", **change)  # type: ignore[arg-type]


def test_who_is_reset_has_no_token_either(two_accounts: Lab) -> None:
    lab = two_accounts
    add_user(lab, "victim", Role.OPERATOR)
    _, stolen = by_session(lab, "victim").own_account.create_token("stolen", [Right.READ], DAY)
    Services(lab, ANA).users.reset_password("victim")
    with pytest.raises(NotSignedIn, match="revoked"):
        Gate(lab).bearer(stolen)


def test_who_sees_some_accounts_sees_the_users_of_those_alone(two_accounts: Lab) -> None:
    lab, targets = two_accounts, targets_of(two_accounts)
    add_user(lab, "eve", Role.ADMIN, ("acme",))
    eve = by_session(lab, "eve")
    known = {each.name for each in targets if each.accounts in (("acme",), ())}
    assert {user.name for user in eve.users.list()} == known | {"eve"}
    assert {token.user for token in eve.api_tokens.list()} == known
    for target in targets:
        if target.name not in known:
            for look in (eve.users.get, eve.users.sessions, eve.users.sign_out):
                with pytest.raises(NotFound):
                    look(target.name)
            with pytest.raises(NotFound):
                eve.api_tokens.revoke(target.token_id)


@pytest.mark.parametrize(
    "accounts", [["*"], ["%"], ["all"], [""], ["ACME"], ["acme "], ["acme,zeta"], ["\uff41cme"]]
)
def test_no_account_is_named_by_what_reads_like_it(accounts: list[str], two_accounts: Lab) -> None:
    for services in (Services(two_accounts, ANA), by_session(two_accounts, "root")):
        with pytest.raises(InvalidInput, match="There is no account"):
            services.users.add("new", Role.VIEWER, accounts=accounts)
        with pytest.raises(InvalidInput, match="There is no account"):
            services.users.set("root", accounts=accounts)


def test_no_body_takes_what_it_does_not_name(two_accounts: Lab) -> None:
    """Every object that a request may hold, at any depth, refuses fields it does not know."""
    document: dict[str, Any] = build(lambda: two_accounts, principal_of).openapi()  # type: ignore[attr-defined]
    schemas, waiting, seen = document["components"]["schemas"], list[Any](), set[str]()
    for found in document["paths"].values():
        waiting += [each["requestBody"] for each in found.values() if "requestBody" in each]
    loose = []
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            name = part.get("$ref", "").rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                waiting.append(schemas[name])
                if "properties" in schemas[name]:
                    loose += [name] * (schemas[name].get("additionalProperties") is not False)
            waiting += [value for key, value in part.items() if key != "examples"]
    assert len(seen) > 10
    assert loose == []
