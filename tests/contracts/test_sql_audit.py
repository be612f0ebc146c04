"""The audit log: chained, in the change's own transaction, and tampering shows."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from spotlab.access.sign_in import new_user
from spotlab.domain.access import Role
from spotlab.domain.decision import PipelineMode
from spotlab.domain.ports import AuditFilter
from spotlab.errors import DatabaseDown, Fenced, NotFound
from spotlab.store import Store
from spotlab.store.audit import append
from spotlab.store.engine import Fence, fenced, writing
from spotlab.store.tables.jobs import LeaseRow
from tests.support import builders as make


def written(store: Store, number: int = 3) -> None:
    for each in range(number):
        by = replace(make.BY, at=make.NOW + timedelta(minutes=each))
        store.audit.add(by, "job.run", f"job-{each}", {"n": each}, {"n": each + 1})


def test_entries_are_numbered_and_chained(store: Store) -> None:
    written(store)
    newest, *_, first = store.audit.entries()
    assert (first.number, first.previous, first.before, first.after) == (1, "", {"n": 0}, {"n": 1})
    assert (newest.number, newest.target, newest.via) == (3, "job-2", "a test")
    check = store.audit.check()
    assert (check.entries, check.broken_at, check.head) == (3, None, newest.digest)


@pytest.mark.parametrize(
    ("tampering", "broken_at", "reason"),
    [
        ("UPDATE audit_log SET actor = 'eve' WHERE number = 2", 2, "was changed"),
        ("UPDATE audit_log SET after = '{}' WHERE number = 1", 1, "was changed"),
        ("UPDATE audit_log SET at = '2020-01-01 00:00:00' WHERE number = 3", 3, "was changed"),
        ("DELETE FROM audit_log WHERE number = 2", 3, "Entry 2 is missing"),
        ("DELETE FROM audit_log WHERE number = 1", 2, "Entry 1 is missing"),
        ("UPDATE audit_log SET previous = 'x' WHERE number = 2", 2, "does not follow"),
    ],
)
def test_tampering_shows(store: Store, tampering: str, broken_at: int, reason: str) -> None:
    written(store)
    with writing(store.engine) as session:
        session.connection().execute(text(tampering))
    check = store.audit.check()
    assert check.broken_at == broken_at
    assert reason in check.reason


def test_entries_are_found_by_who_what_and_when(store: Store) -> None:
    written(store)
    other = replace(make.BY, actor="ben", at=make.NOW + timedelta(hours=1))
    store.audit.add(other, "jobs", "all")
    assert [e.actor for e in store.audit.entries(AuditFilter(actor="ben"))] == ["ben"]
    assert store.audit.count(AuditFilter(action="job")) == 3
    assert store.audit.count(AuditFilter(action="job.run", target="job-1")) == 1
    assert [e.action for e in store.audit.entries(AuditFilter(since=other.at))] == ["jobs"]
    assert [e.number for e in store.audit.entries(limit=2, offset=1)] == [3, 2]


def test_entries_about_other_accounts_are_left_out(store: Store) -> None:
    for name, instance_id in (("acme", "i-0a1"), ("zeta", "i-0a2")):
        store.fleet.add_account(make.account(name), make.BY)
        store.fleet.sync(name, [make.instance(instance_id, account=name)])
        store.fleet.set_shadow(instance_id, False, make.BY)
    for action, target in (
        ("event.add", "i-0a1"),
        ("event.add", "i-0a3"),
        ("alert.test", "r1"),
        ("alert.delete", "r2"),
        ("job.run", "zeta"),
    ):
        store.audit.add(make.BY, action, target)
    for name in ("ana", "eve"):
        store.users.add(new_user(name, Role.VIEWER, None, "", make.NOW), make.BY)
        store.audit.add(make.BY, "session.begin", f"an ended session of {name}")
    seen = AuditFilter(accounts=("acme",), alert_rules=("r1",), users=("ana",))
    assert [(each.action, each.target) for each in store.audit.entries(seen)] == [
        ("user.add", "ana"),
        ("job.run", "zeta"),
        ("alert.test", "r1"),
        ("event.add", "i-0a1"),
        ("instance.shadow", "i-0a1"),
        ("account.add", "acme"),
    ]
    assert store.audit.count(seen) == 6
    assert store.audit.count(replace(seen, accounts=())) == 3
    assert store.audit.count() == 13


def test_a_change_and_its_entry_are_one(store: Store) -> None:
    store.fleet.sync("production", [make.instance("i-0a1")])
    store.fleet.set_shadow("i-0a1", False, make.BY)
    (entry,) = store.audit.entries(AuditFilter(target="i-0a1"))
    assert (entry.action, entry.before, entry.after) == ("instance.shadow", True, False)

    store.fleet.set_shadow("i-0a1", False, make.BY)  # no change, no entry
    with pytest.raises(NotFound):
        store.fleet.set_mode("i-none", PipelineMode.OFF, make.BY)
    assert store.audit.count() == 1


def test_what_is_rolled_back_leaves_no_entry(store: Store) -> None:
    def fails_half_way() -> None:
        with writing(store.engine) as session:
            append(session, make.BY, "job.run", "a job")
            session.connection().execute(text("SELECT * FROM no_such_table"))

    with pytest.raises(DatabaseDown):
        fails_half_way()
    assert store.audit.count() == 0


def test_writers_at_once_keep_one_chain(store: Store) -> None:
    threads = [threading.Thread(target=written, args=(store, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check = store.audit.check()
    assert (check.entries, check.broken_at) == (20, None)


def test_an_external_id_is_never_in_it(store: Store) -> None:
    store.fleet.save_account(make.account(external_id="hunter2"), make.BY)
    (entry,) = store.audit.entries()
    assert entry.after["external_id"] == "***"


def test_a_fenced_writer_writes_nothing(store: Store) -> None:
    with writing(store.engine) as session:
        session.add(
            LeaseRow(name="scheduler", holder="a", token=7, beat=0, released=False, since=make.NOW)
        )
    with fenced(Fence("scheduler", 7)):
        store.audit.add(make.BY, "job.run", "in time")
    with fenced(Fence("scheduler", 6)), pytest.raises(Fenced, match="token 7; this process had 6"):
        store.audit.add(make.BY, "job.run", "too late")
    assert [e.target for e in store.audit.entries()] == ["in time"]
    store.audit.add(make.BY, "user.add", "outside of it, nobody is fenced")
