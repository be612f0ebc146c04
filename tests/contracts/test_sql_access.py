"""Users, sessions, tokens and links in SQL, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spotlab.access.sign_in import new_user
from spotlab.domain.access import Right, Role
from spotlab.domain.ports import ApiToken, AuditFilter, By, User, UserSession
from spotlab.errors import Conflict, NotFound
from spotlab.store import Store
from spotlab.store.engine import writing
from spotlab.store.one_time_links import Link, Purpose
from spotlab.store.sessions import Renewal, begin_session

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BY = By("ana", NOW, "a reason", "a test")
GRACE = timedelta(seconds=30)


def later(**delta: float) -> By:
    return By("ana", NOW + timedelta(**delta), "", "a test")


def user(name: str, role: Role = Role.VIEWER, accounts: tuple[str, ...] | None = None) -> User:
    return new_user(name, role, accounts, f"{name}@example.org", NOW)


def session(session_id: str, of: str = "ana") -> UserSession:
    end = NOW + timedelta(hours=12)
    return UserSession(session_id, of, NOW, NOW, NOW, end, None, "password", "a browser", "::1")


def begin(store: Store, session: UserSession, refresh_hash: str) -> None:
    """Whoever it is of."""
    with writing(store.engine) as transaction:
        begin_session(transaction, session, refresh_hash, BY)


def test_a_user_is_read_back_as_added(store: Store) -> None:
    added = store.users.add(user("ben", accounts=("acme", "blue")), BY, "hash")
    assert store.users.get("ben") == added
    assert store.users.list() == [added]
    found = store.users.find("ben")
    assert found is not None
    assert (found.user, found.password_hash, found.failures) == (added, "hash", 0)
    assert store.users.find("eve") is None
    assert store.users.with_email("BEN@Example.org") == [added]


def test_a_name_and_a_subject_are_somebodys_alone(store: Store) -> None:
    store.users.add(user("ana", Role.ADMIN), BY)
    store.users.add(user("ben"), BY)
    with pytest.raises(Conflict, match="'ana'"):
        store.users.add(user("ana"), BY)
    store.users.change("ana", BY, subject="https://id.example|1")
    with pytest.raises(Conflict, match="belongs to the user 'ana'"):
        store.users.change("ben", BY, subject="https://id.example|1")
    assert store.users.with_subject("https://id.example|1") == store.users.get("ana")


def test_somebody_stays_administrator(store: Store) -> None:
    store.users.add(user("ana", Role.ADMIN), BY)
    for change in ({"role": Role.VIEWER}, {"active": False}):
        with pytest.raises(Conflict, match="last active administrator"):
            store.users.change("ana", BY, **change)  # type: ignore[arg-type]
    assert store.users.get("ana").role is Role.ADMIN
    store.users.add(user("ben", Role.ADMIN), BY)
    assert not store.users.change("ana", BY, active=False).active


def test_others_are_changed_where_nobody_is_administrator_yet(store: Store) -> None:
    store.users.add(user("ben"), BY)
    assert store.users.change("ben", BY, email="new@example.org").email == "new@example.org"
    assert not store.users.change("ben", BY, active=False).active


def test_each_change_is_told_in_the_audit_log_without_the_password(store: Store) -> None:
    store.users.add(user("ana", Role.ADMIN), BY, "hash")
    store.users.change("ana", BY, email="new@example.org")
    store.users.change("ana", BY, email="new@example.org")  # changes nothing
    begin(store, session("s1"), "r1")
    store.users.set_password("ana", "a very secret hash", BY, checked="hash", session_id="s1")
    entries = store.audit.entries(AuditFilter(target="ana"))
    assert [entry.action for entry in entries] == ["user.password", "user.change", "user.add"]
    assert entries[1].before["email"] == "ana@example.org"
    assert entries[1].after["email"] == "new@example.org"
    assert "secret" not in repr(entries)
    assert store.audit.check().broken_at is None


def test_attempts_are_counted_and_lock(store: Store) -> None:
    store.users.add(user("ana", Role.ADMIN), BY, "hash")

    def lock_s(failures: int) -> float:
        return 60.0 if failures >= 2 else 0.0

    first, second = (store.sign_ins.attempt("ana", NOW, lock_s) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.password_hash, first.failures, first.user.locked_until) == ("hash", 1, None)
    assert (second.failures, second.user.locked_until) == (2, NOW + timedelta(seconds=60))
    assert store.sign_ins.attempt("ana", NOW, lock_s) is None
    assert store.sign_ins.attempt("nobody", NOW, lock_s) is None
    assert store.sign_ins.attempt("ana", NOW + timedelta(seconds=60), lock_s) is not None
    assert store.users.unlock("ana", BY).locked_until is None


def test_a_renewal_token_is_exchanged_once(store: Store) -> None:
    begin(store, session("s1"), "r1")
    assert store.sessions.renew("s1", "r1", "r2", later(minutes=15), GRACE) is Renewal.ROTATED
    soon = later(minutes=15, seconds=29)
    assert store.sessions.renew("s1", "r1", "r3", soon, GRACE) is Renewal.PARALLEL
    assert store.sessions.renew("s1", "r2", "r4", soon, GRACE) is Renewal.ROTATED


def test_a_renewal_whose_answer_was_lost_is_asked_again(store: Store) -> None:
    begin(store, session("s1"), "r1")
    for lost, minutes in (("r2", 15), ("r3", 20), ("r4", 90)):
        at = later(minutes=minutes)
        assert store.sessions.renew("s1", "r1", lost, at, GRACE) is Renewal.ROTATED
    assert store.sessions.renew("s1", "r4", "r5", later(minutes=91), GRACE) is Renewal.ROTATED


def test_a_renewal_token_whose_place_another_took_ends_the_session(store: Store) -> None:
    begin(store, session("s1"), "r1")
    store.sessions.renew("s1", "r1", "the victim's", later(minutes=15), GRACE)
    store.sessions.renew("s1", "r1", "the thief's", later(minutes=20), GRACE)
    stolen = later(minutes=30)
    assert store.sessions.renew("s1", "the victim's", "r9", stolen, GRACE) is Renewal.REUSED
    assert store.sessions.renew("s1", "the thief's", "r9", stolen, GRACE) is Renewal.ENDED


@pytest.mark.parametrize("given", ["r0", "r1"])
def test_an_old_renewal_token_ends_the_session(store: Store, given: str) -> None:
    begin(store, session("s1"), "r0")
    store.sessions.renew("s1", "r0", "r1", later(minutes=15), GRACE)
    store.sessions.renew("s1", "r1", "r2", later(minutes=30), GRACE)
    store.sessions.renew("s1", "r2", "r3", later(minutes=30), GRACE)
    stolen = later(minutes=31)
    assert store.sessions.renew("s1", given, "r9", stolen, GRACE) is Renewal.REUSED
    assert store.sessions.renew("s1", "r3", "r9", stolen, GRACE) is Renewal.ENDED
    assert store.audit.entries(AuditFilter(action="session.stolen"))[0].target == "s1"


def test_a_new_password_ends_the_other_sessions(store: Store) -> None:
    store.users.add(user("ana", Role.ADMIN), BY, "hash")
    for name in ("s1", "s2"):
        begin(store, session(name), "r")
    begin(store, session("s3", "ben"), "r")
    store.users.set_password("ana", "another", BY, checked="hash", session_id="s2")
    assert [s.session_id for s in store.sessions.of("ana", NOW)] == ["s2"]
    assert [s.session_id for s in store.sessions.of("ben", NOW)] == ["s3"]


def test_who_may_not_sign_in_has_no_session(store: Store) -> None:
    store.users.add(user("root", Role.ADMIN), BY)
    store.users.add(user("ana"), BY)
    begin(store, session("s1"), "r")
    store.users.change("ana", BY, active=False)
    assert store.sessions.of("ana", NOW) == []


def test_a_token_is_kept_as_a_hash_and_ends_once(store: Store) -> None:
    end = NOW + timedelta(days=1)
    token = ApiToken("id1", "ana", "ci", frozenset({Right.READ}), NOW, end, None, None)
    store.tokens.add(token, "hash", BY)
    found = store.tokens.find("id1")
    assert found is not None
    assert (found.token, found.token_hash) == (token, "hash")
    store.tokens.mark_used("id1", NOW)
    with pytest.raises(NotFound):
        store.tokens.revoke("id1", BY, "ben")
    assert store.tokens.revoke("id1", BY).revoked_at == NOW
    assert store.tokens.revoke("id1", later(hours=1)).revoked_at == NOW
    assert len(store.audit.entries(AuditFilter(action="token.revoke"))) == 1
    assert [t.token_id for t in store.tokens.list("ana")] == ["id1"]


def test_the_first_administrators_link_is_used_once(store: Store) -> None:
    link = Link(Purpose.FIRST_ADMINISTRATOR, "", NOW + timedelta(minutes=60))
    for code in ("h1", "h2"):
        store.links.add(link, code, BY)
    assert store.links.find("h1", Purpose.CHOOSE_PASSWORD, NOW) is None
    store.links.make_first_administrator("h1", user("ana", Role.ADMIN), "hash", BY)
    with pytest.raises(NotFound):
        store.links.make_first_administrator("h1", user("eve", Role.ADMIN), "hash", BY)
    with pytest.raises(Conflict, match="A user already exists"):
        store.links.make_first_administrator("h2", user("eve", Role.ADMIN), "hash", BY)
    assert [u.name for u in store.users.list()] == ["ana"]


def test_a_password_link_expires_and_replaces_the_one_before(store: Store) -> None:
    store.users.add(user("ana", Role.ADMIN), BY)
    store.users.reset_password("ana", BY)
    link = Link(Purpose.CHOOSE_PASSWORD, "ana", NOW + timedelta(hours=1))
    store.links.add(link, "h1", BY, others_end=True)
    store.links.add(link, "h2", BY, others_end=True)
    assert store.links.find("h1", Purpose.CHOOSE_PASSWORD, NOW) is None
    with pytest.raises(NotFound):
        store.links.choose_password("h2", "hash", later(hours=2))
    assert not store.links.choose_password("h2", "hash", later(minutes=59)).must_change


def test_another_key_on_this_database_is_noticed(store: Store) -> None:
    recent = NOW - timedelta(minutes=3)
    assert store.sessions.note_key("one", NOW - timedelta(minutes=9), recent) == []
    assert store.sessions.note_key("two", NOW, recent) == []
    assert store.sessions.note_key("one", NOW, recent) == ["two"]
