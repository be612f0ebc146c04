"""Races: simultaneous sign-ins, renewals and uses of a link."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from limits.storage import RedisStorage

from spotlab.access import sessions, sign_in
from spotlab.access.authentication import Gate
from spotlab.access.oidc_users import Identity, begin_session, user_of
from spotlab.access.one_time_links import first_administrator_link, password_link
from spotlab.access.passwords import passwords
from spotlab.access.sessions import SignedIn
from spotlab.access.sign_in import SignIn
from spotlab.access.sign_in_throttle import PER_ADDRESS, FailureCounter
from spotlab.domain.access import Right, Role
from spotlab.domain.ports import AuditFilter, By, User
from spotlab.errors import (
    Conflict,
    DatabaseDown,
    InvalidInput,
    NotFound,
    NotSignedIn,
    TooManyRequests,
)
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.store import Store, open_store
from spotlab.store.sign_ins import SqlSignIns
from spotlab.store.users import SqlUsers
from tests.support.access import PASSWORD, VISIT, add_user, quick_passwords, signed_in
from tests.support.access import lab as on_sqlite
from tests.support.databases import migrated_postgres, postgres_url, store
from tests.support.market import StillClock
from tests.support.online import REDIS_URL, why_no_redis
from tests.support.people import ANA
from tests.support.racing import (
    SynchronisedPasswords,
    call_concurrently,
    outcomes,
    synchronise_first_calls,
)

__all__ = ["migrated_postgres", "on_sqlite", "postgres_url", "quick_passwords", "store"]
pytestmark = pytest.mark.usefixtures("quick_passwords")
ANOTHER = "another moss fjord"
Attempt = Callable[[], SignedIn]


@pytest.fixture
def lab(on_sqlite: Lab, store: Store) -> Lab:
    """An empty lab on each kind of database."""
    on_sqlite.store = store
    return on_sqlite


@pytest.fixture(params=["alone", pytest.param("redis", marks=pytest.mark.redis)])
def counting(request: pytest.FixtureRequest, on_sqlite: Lab) -> Iterator[Lab]:
    """A lab whose attempts are counted in this process, or in Redis for all."""
    if request.param == "redis":
        if reason := why_no_redis():
            pytest.skip(reason)
        shared = RedisStorage(REDIS_URL, key_prefix=f"spotlab-test-{secrets.token_hex(4)}")
        on_sqlite.open_counter = lambda: shared
        yield on_sqlite
        shared.reset()
        return
    yield on_sqlite


def racing(monkeypatch: pytest.MonkeyPatch, callers: int) -> SynchronisedPasswords:
    """Let password checks begin together."""
    met = SynchronisedPasswords(callers, passwords())
    for module in (sign_in, sessions):
        monkeypatch.setattr(module, "passwords", lambda: met)
    return met


def during_check(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen while a password is being checked, once."""
    left, check = [happens], passwords().check

    def checked(kept: str | None, password: str) -> bool:
        right = check(kept, password)
        if left:
            left.pop()()
        return right

    monkeypatch.setattr(passwords(), "check", checked)


def attempt(lab: Lab, password: str, **visit: str) -> Attempt:
    return lambda: SignIn(lab).by_password("ana", password, replace(VISIT, **visit))


def fail(lab: Lab, times: int) -> None:
    for _ in range(times):
        with pytest.raises(NotSignedIn):
            attempt(lab, "wrong")()


def failures(lab: Lab) -> int:
    found = lab.store.users.find("ana")
    assert found is not None
    return found.failures


def forward(lab: Lab, **delta: float) -> None:
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(**delta)


def code_of(path: str | None) -> str:
    assert path is not None
    return path.partition("code=")[2]


def replica(lab: Lab, path: Path) -> Lab:
    """Another process's: the same database, with connections and memory of its own."""
    url = lab.store.engine.url
    if url.drivername == "sqlite":
        return replace(lab, store=open_store(None, Path(str(url.database))))
    return replace(lab, store=open_store(url.render_as_string(hide_password=False), path))


# Guessing


def test_no_more_passwords_are_compared_at_once_than_one_after_the_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    met = racing(monkeypatch, 34)
    guesses = [attempt(lab, "wrong")] * 33
    told = outcomes(call_concurrently([*guesses, attempt(lab, PASSWORD)]))
    assert met.compared == 5
    assert told["ok"] <= 1
    assert told["ok"] + told["NotSignedIn"] == 34
    assert failures(lab) == (0 if told["ok"] else 5)


def test_who_comes_after_five_that_are_being_checked_is_kept_out(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    kept_out: list[object] = []
    for _ in range(4):
        assert lab.store.sign_ins.attempt("ana", lab.clock.now(), sign_in.lock_s)
    during_check(
        monkeypatch, lambda: kept_out.extend(call_concurrently([attempt(lab, PASSWORD)] * 4))
    )
    fail(lab, 1)
    assert outcomes(kept_out) == {"NotSignedIn": 4}
    assert lab.store.sessions.of("ana", lab.clock.now()) == []


def test_a_lock_is_told_once_however_many_were_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    racing(monkeypatch, 20)
    assert outcomes(call_concurrently([attempt(lab, "wrong")] * 20)) == {"NotSignedIn": 20}
    (entry,) = lab.store.audit.entries(AuditFilter(action="user.lock"))
    assert entry.after["failures"] == 5
    assert lab.store.audit.check().broken_at is None


def test_the_fifth_attempt_may_be_right_and_is_told_as_no_lock(lab: Lab) -> None:
    add_user(lab)
    fail(lab, 4)
    assert attempt(lab, PASSWORD)().session.user == "ana"
    assert not lab.store.audit.entries(AuditFilter(action="user.lock"))
    assert failures(lab) == 0
    assert lab.store.users.get("ana").locked_until is None


def test_after_a_lock_one_password_is_compared_however_many_come(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    fail(lab, 5)
    forward(lab, seconds=31)
    met = racing(monkeypatch, 16)
    call_concurrently([attempt(lab, "wrong")] * 16)
    assert met.compared == 1
    assert lab.store.users.get("ana").locked_until == lab.clock.now() + timedelta(seconds=60)


def test_replicas_share_what_is_counted(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    with ExitStack() as open_until_then:
        labs = [lab, *(replica(lab, tmp_path / "none.db") for _ in range(2))]
        for each in labs[1:]:
            open_until_then.callback(each.store.close)
        met = racing(monkeypatch, 24)
        told = call_concurrently([attempt(each, "wrong") for each in labs for _ in range(8)])
    assert outcomes(told) == {"NotSignedIn": 24}
    assert met.compared == 5


def test_a_known_browser_guesses_no_more_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    add_user(lab)
    device = signed_in(lab).device
    met = racing(monkeypatch, 34)
    told = call_concurrently([attempt(lab, "wrong", device=device)] * 34)
    assert outcomes(told) == {"NotSignedIn": 34}
    assert met.compared == 10 + 5  # its own, and what anybody may try


def test_the_owner_comes_in_by_a_known_browser_while_others_guess(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    device = signed_in(lab).device
    racing(monkeypatch, 31)
    guesses = [attempt(lab, "wrong", address=f"198.51.100.{number}") for number in range(30)]
    told = call_concurrently([*guesses, attempt(lab, PASSWORD, device=device)])
    assert isinstance(told[-1], SignedIn)


def test_an_address_fails_fifty_times_however_many_come_at_once(
    counting: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    racing(monkeypatch, 50)
    services = SignIn(counting)
    names = [f"nobody-{number}" for number in range(60)]
    told = call_concurrently(
        [partial(services.by_password, name, "wrong", VISIT) for name in names]
    )
    assert outcomes(told) == {"NotSignedIn": 50, "TooManyRequests": 10}


def test_a_count_is_exact_for_threads_that_begin_it_together(counting: Lab) -> None:
    let = call_concurrently(
        [partial(FailureCounter(counting).count, PER_ADDRESS, "192.0.2.99")] * 64
    )
    assert let.count(True) == 50


def test_who_signs_in_is_not_held_against_their_address(counting: Lab) -> None:
    add_user(counting)
    for _ in range(60):
        assert attempt(counting, PASSWORD)()
    for _ in range(50):
        assert FailureCounter(counting).count(PER_ADDRESS, VISIT.address)
    with pytest.raises(TooManyRequests):
        attempt(counting, PASSWORD)()


def test_a_database_that_is_down_is_not_held_against_an_address(
    on_sqlite: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(on_sqlite)

    def down(*_: object) -> None:
        raise DatabaseDown("It does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(SqlSignIns, "attempt", down)
        for _ in range(60):
            with pytest.raises(DatabaseDown):
                attempt(on_sqlite, PASSWORD)()
    assert attempt(on_sqlite, PASSWORD)()


def test_the_old_password_is_guessed_no_more_at_once_in_a_session(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    mine = Services(lab, Gate(lab).session(signed_in(lab).token)).own_account
    met = racing(monkeypatch, 10)
    told = outcomes(call_concurrently([partial(mine.change_password, "wrong", ANOTHER)] * 30))
    assert told == {"InvalidInput": 10, "TooManyRequests": 20}
    assert met.compared == 10


# What happens while a password is checked


def test_a_reset_while_a_password_is_checked_leaves_no_session(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    during_check(monkeypatch, lambda: Services(lab, ANA).users.reset_password("ana"))
    with pytest.raises(NotSignedIn):
        attempt(lab, PASSWORD)()
    assert lab.store.sessions.of("ana", lab.clock.now()) == []
    found = lab.store.users.find("ana")
    assert found is not None
    assert found.password_hash is None


def test_who_is_disabled_while_their_password_is_checked_has_no_session_later(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab, "root")
    add_user(lab)
    users = Services(lab, ANA).users
    during_check(monkeypatch, lambda: users.set("ana", active=False))
    with pytest.raises(NotSignedIn):
        attempt(lab, PASSWORD)()
    users.set("ana", active=True)
    assert lab.store.sessions.of("ana", lab.clock.now()) == []


def test_who_the_provider_vouches_for_has_no_session_once_disabled(lab: Lab) -> None:
    add_user(lab, "root")
    before = add_user(lab)
    Services(lab, ANA).users.set("ana", active=False)
    with pytest.raises(NotSignedIn):
        SignIn(lab).by_provider(before, VISIT)
    Services(lab, ANA).users.set("ana", active=True)
    assert lab.store.sessions.of("ana", lab.clock.now()) == []


def test_a_password_that_was_made_stronger_meanwhile_is_still_right(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    old = lab.store.users.find("ana")
    assert old is not None
    monkeypatch.setattr(passwords(), "is_weaker", lambda kept: kept == old.password_hash)
    during_check(monkeypatch, attempt(lab, PASSWORD))
    assert attempt(lab, PASSWORD)().session.user == "ana"
    assert len(lab.store.sessions.of("ana", lab.clock.now())) == 2


def test_who_signs_in_does_not_put_an_old_password_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    code = code_of(password_link(lab, "ana", By("root", lab.clock.now())))
    monkeypatch.setattr(passwords(), "is_weaker", lambda _kept: True)
    during_check(monkeypatch, lambda: SignIn(lab).by_password_link(code, "ana", ANOTHER, VISIT))
    with pytest.raises(NotSignedIn):
        attempt(lab, PASSWORD)()
    assert attempt(lab, ANOTHER)()


@pytest.mark.parametrize("what", ["reset", "signed out", "changed"])
def test_a_password_is_not_changed_by_who_is_put_out_meanwhile(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    add_user(lab)
    here, there = signed_in(lab), signed_in(lab)
    users = Services(lab, ANA).users
    elsewhere = Services(lab, Gate(lab).session(there.token)).own_account
    during_check(
        monkeypatch,
        {
            "reset": lambda: users.reset_password("ana"),
            "signed out": lambda: users.sign_out("ana"),
            "changed": lambda: elsewhere.change_password(PASSWORD, "the owner's own words"),
        }[what],
    )
    mine = Services(lab, Gate(lab).session(here.token)).own_account
    with pytest.raises((Conflict, NotSignedIn)):
        mine.change_password(PASSWORD, ANOTHER)
    with pytest.raises(NotSignedIn):
        attempt(lab, ANOTHER)()


def test_of_several_who_change_one_password_at_once_one_does(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    mine = Services(lab, Gate(lab).session(signed_in(lab).token)).own_account
    racing(monkeypatch, 8)
    chosen = [f"another moss fjord {number}" for number in range(8)]
    told = call_concurrently([partial(mine.change_password, PASSWORD, each) for each in chosen])
    assert outcomes(told) == {"ok": 1, "Conflict": 7}
    won = next(each for each, got in zip(chosen, told, strict=True) if got is None)
    assert passwords().check(hash_of(lab), won)


def hash_of(lab: Lab) -> str | None:
    found = lab.store.users.find("ana")
    assert found is not None
    return found.password_hash


# Links


def test_of_many_who_use_the_first_administrators_link_one_is_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [code_of(first_administrator_link(lab)) for _ in range(2)]
    services, names = SignIn(lab), [f"somebody-{number}" for number in range(16)]
    told = call_concurrently(
        [
            partial(services.by_first_link, codes[number % 2], name, PASSWORD, VISIT)
            for number, name in enumerate(names)
        ]
    )
    assert outcomes(told)["ok"] == 1
    assert set(outcomes(told)) <= {"ok", "NotFound", "Conflict"}
    (user,) = lab.store.users.list()
    assert len(lab.store.sessions.of(user.name, lab.clock.now())) == 1


def test_of_many_who_choose_a_password_by_one_link_one_does(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    code = code_of(password_link(lab, "ana", By("root", lab.clock.now())))
    chosen = [f"another moss fjord {number}" for number in range(16)]
    services = SignIn(lab)
    told = call_concurrently(
        [partial(services.by_password_link, code, "ana", each, VISIT) for each in chosen]
    )
    assert outcomes(told) == {"ok": 1, "NotFound": 15}
    won = next(each for each, got in zip(chosen, told, strict=True) if isinstance(got, SignedIn))
    assert passwords().check(hash_of(lab), won)
    assert len(lab.store.sessions.of("ana", lab.clock.now())) == 1


# Renewal


def test_of_many_renewals_of_one_token_one_is_followed_by_another(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, minutes=20)
    told = call_concurrently([partial(SignIn(lab).renew, kept.renewal)] * 24)
    assert outcomes(told) == {"ok": 24}
    renewed = [each for each in told if isinstance(each, SignedIn)]
    (following,) = {each.renewal for each in renewed} - {""}
    assert [each.renewal for each in renewed].count(following) == 1
    assert all(Gate(lab).session(each.token).name == "ana" for each in renewed)
    forward(lab, minutes=20)
    assert SignIn(lab).renew(following).renewal


def test_a_renewal_token_used_again_later_ends_the_session_for_all_who_hold_it(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, minutes=20)
    following = SignIn(lab).renew(kept.renewal)
    newest = SignIn(lab).renew(following.renewal)
    forward(lab, seconds=31)
    told = call_concurrently([partial(SignIn(lab).renew, kept.renewal)] * 8)
    assert outcomes(told) == {"NotSignedIn": 8}
    for each in (kept, following, newest):
        with pytest.raises(NotSignedIn):
            SignIn(lab).renew(each.renewal)
        with pytest.raises(NotSignedIn):
            Gate(lab).session(each.token, expired_too=True)
    assert len(lab.store.audit.entries(AuditFilter(action="session.stolen"))) == 1


def test_a_session_that_ends_while_it_is_renewed_stays_ended(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, minutes=20)
    renewals: list[Callable[[], object]] = [partial(SignIn(lab).renew, kept.renewal)] * 8
    call_concurrently([*renewals, lambda: Services(lab, ANA).users.sign_out("ana")])
    assert lab.store.sessions.of("ana", lab.clock.now()) == []
    with pytest.raises(NotSignedIn):
        Gate(lab).session(kept.token, expired_too=True)


# What ends with a change


def test_what_is_open_ends_with_a_password_and_with_a_user(lab: Lab) -> None:
    add_user(lab, "root")
    add_user(lab, "ana", Role.OPERATOR)
    here, there = signed_in(lab), signed_in(lab)
    services = Services(lab, Gate(lab).session(here.token))
    _, token = services.own_account.create_token("ci", [Right.READ], timedelta(days=1))
    services.own_account.change_password(PASSWORD, ANOTHER)
    assert Gate(lab).session(here.token, expired_too=True)
    assert Gate(lab).bearer(token).name == "ana", "a token is not the password's"
    with pytest.raises(NotSignedIn):
        Gate(lab).session(there.token, expired_too=True)
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(there.renewal)
    Services(lab, ANA).users.set("ana", role=Role.VIEWER)
    assert not Gate(lab).session(here.token).may(Right.EVALUATE)
    Services(lab, ANA).users.set("ana", active=False)
    with pytest.raises(NotSignedIn):
        Gate(lab).session(here.token, expired_too=True)
    with pytest.raises(NotSignedIn):
        Gate(lab).bearer(token)


def test_a_session_that_has_ended_leaves_no_token_behind(lab: Lab) -> None:
    add_user(lab)
    mine = Services(
        lab, Gate(lab).session(signed_in(lab).token)
    ).own_account  # its request is under way
    Services(lab, ANA).users.sign_out("ana")
    with pytest.raises(NotSignedIn):
        mine.create_token("ci", [Right.READ], timedelta(days=300))
    assert lab.store.tokens.list() == []


def test_an_invalid_password_is_not_counted_as_a_guess(lab: Lab) -> None:
    add_user(lab)
    mine = Services(lab, Gate(lab).session(signed_in(lab).token)).own_account
    for _ in range(20):
        with pytest.raises(InvalidInput):
            mine.change_password(PASSWORD, "short")
    mine.change_password(PASSWORD, ANOTHER)


def test_a_link_that_another_has_used_is_none(lab: Lab) -> None:
    add_user(lab)
    code = code_of(password_link(lab, "ana", By("root", lab.clock.now())))
    assert SignIn(lab).by_password_link(code, "ana", ANOTHER, VISIT)
    with pytest.raises(NotFound):
        SignIn(lab).by_password_link(code, "ana", PASSWORD, VISIT)


# The provider


def identity(lab: Lab, subject: str = "42") -> Identity:
    claims = {"iss": "https://id.example", "sub": subject, "email": "ana@example.org"}
    issued = {"email_verified": True, "iat": lab.clock.now().timestamp(), "nonce": "n"}
    return Identity.of({**claims, **issued})


def test_what_a_provider_has_signed_begins_one_session(lab: Lab) -> None:
    Services(lab, ANA).users.add("ana", Role.VIEWER, email="ana@example.org")
    told = call_concurrently([partial(begin_session, lab, identity(lab), VISIT)] * 8)
    assert outcomes(told) == {"ok": 1, "Conflict": 7}
    assert len(lab.store.sessions.of("ana", lab.clock.now())) == 1
    with pytest.raises(Conflict, match="already used"):
        begin_session(lab, identity(lab), VISIT)
    forward(lab, seconds=1)
    assert begin_session(lab, identity(lab), VISIT)


def test_a_tab_that_finds_an_address_bound_by_another_signs_in_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    Services(lab, ANA).users.add("ana", Role.VIEWER, email="ana@example.org")
    users = type(lab.store.users)
    with_email, beaten = users.with_email, [lambda: user_of(lab, identity(lab))]

    def late(self: SqlUsers, email: str) -> Sequence[User]:
        if beaten:
            beaten.pop()()
        return with_email(self, email)

    monkeypatch.setattr(users, "with_email", late)
    assert user_of(lab, identity(lab)).name == "ana"


def test_an_address_binds_one_account_of_the_provider(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    Services(lab, ANA).users.add("ana", Role.VIEWER, email="ana@example.org")
    synchronise_first_calls(
        monkeypatch, type(lab.store.users), "change", 2
    )  # both have found her unbound
    told = call_concurrently(
        [partial(user_of, lab, identity(lab, subject)) for subject in ("1", "2")]
    )
    assert outcomes(told) == {"ok": 1, "Forbidden": 1}
    won = told.index(next(each for each in told if isinstance(each, User)))
    assert lab.store.users.get("ana").subject == f"https://id.example|{won + 1}"
