"""What many ask of the database at the same moment, on SQLite and PostgreSQL: one winner, whoever
it is, and nobody is told that the database failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from spotlab.access.sign_in import lock_s, new_user
from spotlab.domain.access import Right, Role
from spotlab.domain.decision import Instance, PipelineMode
from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.ports import Account, ApiToken, AuditFilter, User
from spotlab.domain.requirements import Requirements
from spotlab.errors import NotFound
from spotlab.store import Store, engine, registry
from spotlab.store.fleet import refuse_changed
from spotlab.store.one_time_links import Link, Purpose
from tests.contracts.test_sql_access import begin, session
from tests.contracts.test_sql_alerts import rule
from tests.support import builders as make
from tests.support.builders import BY, NOW
from tests.support.databases import Database, fresh_postgres
from tests.support.racing import call_concurrently, outcomes

MANY = 12


def user(name: str, role: Role = Role.VIEWER, subject: str | None = None) -> User:
    return replace(new_user(name, role, None, "", NOW), subject=subject)


# Users


def test_a_user_is_added_once(store: Store) -> None:
    told = call_concurrently([partial(store.users.add, user("ana"), BY)] * MANY)
    assert outcomes(told) == {"ok": 1, "Conflict": MANY - 1}
    assert len(store.audit.entries(AuditFilter(action="user.add"))) == 1


def test_an_account_of_the_provider_is_one_users(store: Store) -> None:
    added = [partial(store.users.add, user(f"u{n}", subject="iss|1"), BY) for n in range(MANY)]
    assert outcomes(call_concurrently(added)) == {"ok": 1, "Conflict": MANY - 1}


def test_a_user_is_bound_to_one_account_of_the_provider(store: Store) -> None:
    store.users.add(user("ana"), BY)
    bound = [partial(store.users.change, "ana", BY, subject=f"iss|{n}") for n in range(MANY)]
    assert outcomes(call_concurrently(bound)) == {"ok": 1, "Conflict": MANY - 1}
    assert len(store.audit.entries(AuditFilter(action="user.change"))) == 1


@pytest.mark.parametrize("what", ["disabled", "made viewer"])
def test_the_last_administrator_stays(store: Store, what: str) -> None:
    names = [f"root{number}" for number in range(4)]
    for name in names:
        store.users.add(user(name, Role.ADMIN), BY)
    removed: list[Callable[[], object]] = [
        partial(store.users.change, name, BY, active=False)
        if what == "disabled"
        else partial(store.users.change, name, BY, role=Role.VIEWER)
        for name in names
    ]
    assert outcomes(call_concurrently(removed)) == {"ok": 3, "Conflict": 1}
    (left,) = [u for u in store.users.list() if u.active and u.role is Role.ADMIN]
    assert left.name in names


def test_attempts_are_counted_one_by_one(store: Store) -> None:
    store.users.add(user("ana"), BY, "hash")
    told = call_concurrently([partial(store.sign_ins.attempt, "ana", NOW, lock_s)] * 34)
    assert sum(each is not None for each in told) == 5
    assert outcomes(told) == {"ok": 34}


def test_whoever_changes_a_user_does_not_stop_those_who_sign_in(store: Store) -> None:
    """Each locks the user, then sessions, then the audit log, so that nobody waits in vain."""
    store.users.add(user("root", Role.ADMIN), BY)
    store.users.add(user("ana"), BY, "hash")
    for number in range(4):
        begin(store, session(f"s{number}"), "r")
    calls: list[Callable[[], object]] = []
    for number in range(4):
        calls += [
            partial(store.sign_ins.attempt, "ana", NOW, lock_s),
            partial(store.sign_ins.begin, session(f"new{number}"), "r", BY),
            partial(store.users.reset_password, "ana", BY),
            partial(store.users.change, "ana", BY, active=bool(number % 2)),
            partial(store.users.unlock, "ana", BY),
            partial(store.sessions.revoke_all, "ana", BY),
            partial(store.sessions.revoke, f"s{number}", BY),
        ]
    assert outcomes(call_concurrently(calls)) == {"ok": len(calls)}
    assert store.audit.check().broken_at is None


def test_a_link_made_before_a_reset_is_none(store: Store) -> None:
    store.users.add(user("ana"), BY, "hash")
    begin(store, session("s1"), "r")
    link = Link(Purpose.CHOOSE_PASSWORD, "ana", NOW + timedelta(hours=1))
    store.links.add(link, "h1", BY)
    store.users.reset_password("ana", BY)
    with pytest.raises(NotFound):
        store.links.choose_password("h1", "thief's", BY)
    store.links.add(link, "h2", BY)
    store.links.add(link, "h3", BY)
    store.links.choose_password("h3", "another", BY)
    with pytest.raises(NotFound):
        store.links.choose_password("h2", "thief's", BY)


def test_a_token_ends_once_however_many_end_it(store: Store) -> None:
    end = NOW + timedelta(days=1)
    token = ApiToken("id1", "ana", "ci", frozenset({Right.READ}), NOW, end, None, None)
    store.tokens.add(token, "hash", BY)
    ended = [partial(store.tokens.revoke, "id1", BY)] * 6
    used = [partial(store.tokens.mark_used, "id1", NOW)] * 6
    assert outcomes(call_concurrently([*ended, *used])) == {"ok": 12}
    assert len(store.audit.entries(AuditFilter(action="token.revoke"))) == 1
    found = store.tokens.find("id1")
    assert found is not None
    assert found.token.revoked_at == NOW


# Accounts, instances, alert rules


def test_an_account_is_added_once(store: Store) -> None:
    told = call_concurrently([partial(store.fleet.add_account, make.account("acme"), BY)] * MANY)
    assert outcomes(told) == {"ok": 1, "Conflict": MANY - 1}
    assert len(store.audit.entries(AuditFilter(action="account.add"))) == 1


def test_of_changes_made_from_one_account_one_is_kept(store: Store) -> None:
    before = make.account("acme")
    store.fleet.add_account(before, BY)

    def change(number: int) -> Account:
        return replace(before, regions=(f"eu-west-{number}",))

    told = call_concurrently(
        [partial(store.fleet.save_account, change(n), BY, before) for n in range(MANY)]
    )
    assert outcomes(told) == {"ok": 1, "ChangedMeanwhile": MANY - 1}
    assert store.fleet.accounts() == [change(told.index(None))]


def fleet_of_one(store: Store) -> Instance:
    store.fleet.sync("production", [make.instance("i-1")])
    store.registry.register(make.model_record("1"))
    return store.fleet.instance("i-1")


def test_of_changes_made_from_one_instance_one_is_kept(store: Store) -> None:
    before = fleet_of_one(store)
    other = not before.shadow
    (record,) = store.registry.records()
    changes: list[Callable[[], object]] = [
        partial(store.fleet.set_shadow, "i-1", other, BY, before),
        partial(store.fleet.set_mode, "i-1", PipelineMode.OFF, BY, before),
        partial(store.fleet.set_requirements, "i-1", Requirements(vcpu_min=8), BY, before),
        partial(store.registry.assign, "i-1", record, BY, before),
    ]
    assert outcomes(call_concurrently(changes * 3)) == {"ok": 1, "ChangedMeanwhile": 11}
    assert len(store.audit.entries(AuditFilter(target="i-1"))) == 1


@pytest.mark.postgres
def test_an_instance_is_not_changed_between_the_look_and_the_assignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)  # whoever waits for the row gives up
    with fresh_postgres() as url, Database(url, tmp_path / "none.db").opened() as store:
        before = fleet_of_one(store)
        others: list[object] = []
        beat = partial(store.fleet.set_shadow, "i-1", not before.shadow, BY, before)

        def beaten(row: object, expected: Instance | None) -> None:
            refuse_changed(row, expected)  # type: ignore[arg-type]
            others.extend(call_concurrently([beat]))

        monkeypatch.setattr(registry, "refuse_changed", beaten)
        (record,) = store.registry.records()
        store.registry.assign("i-1", record, BY, before)
        assert outcomes(others) == {"DatabaseDown": 1}
        assert store.fleet.instance("i-1") == replace(before, model=record.reference)


def test_of_changes_made_from_one_alert_rule_one_is_kept(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    told = call_concurrently(
        [partial(store.alerts.change, rule(name=f"n{n}"), None, BY, rule()) for n in range(MANY)]
    )
    assert outcomes(told) == {"ok": 1, "ChangedMeanwhile": MANY - 1}
    (kept,) = [each for each in told if not isinstance(each, Exception)]
    assert store.alerts.rule("r1") == kept


def test_an_alert_rule_is_deleted_once(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    told = call_concurrently([partial(store.alerts.delete, "r1", BY)] * MANY)
    assert outcomes(told) == {"ok": 1, "NotFound": MANY - 1}
    assert len(store.audit.entries(AuditFilter(action="alert.delete"))) == 1


# Models, jobs, answers


def test_of_many_who_crown_one_each_the_last_is_champion_and_alone(store: Store) -> None:
    versions = [str(number) for number in range(1, 9)]
    for version in versions:
        store.registry.register(make.model_record(version))
        store.registry.move("advisor-lgbm", version, ModelAction.GRADUATE, BY)
    move = partial(store.registry.move, "advisor-lgbm")
    told = call_concurrently([partial(move, each, ModelAction.CHAMPION, BY) for each in versions])
    assert outcomes(told) == {"ok": 8}
    (champion,) = [each for each in store.registry.records() if each.state == "champion"]
    crowned = [event for event in store.registry.events() if event.action == "champion"]
    assert crowned[0].version == champion.version
    assert len([e for e in store.registry.events() if e.action == ModelAction.STEP_DOWN.value]) == 7


def test_of_many_who_move_one_version_one_does(store: Store) -> None:
    store.registry.register(make.model_record("1"))
    graduate = partial(store.registry.move, "advisor-lgbm", "1", ModelAction.GRADUATE, BY)
    assert outcomes(call_concurrently([graduate] * MANY)) == {"ok": 1, "InvalidInput": MANY - 1}


def test_a_job_is_asked_for_once_and_begins_once(store: Store) -> None:
    told = call_concurrently([partial(store.jobs.request_run, "collect", BY)] * MANY)
    assert outcomes(told) == {"ok": 1, "Conflict": MANY - 1}
    due_at = store.jobs.settings()["collect"].asked_at
    assert due_at is not None
    begin = partial(store.jobs.start, "collect", due_at, NOW, None, "holder", 1, "id")
    began = call_concurrently([begin] * MANY)
    assert sum(isinstance(each, int) for each in began) == 1
    assert began.count(None) == MANY - 1


def test_a_backtest_is_started_and_cancelled_once(store: Store) -> None:
    opened = partial(store.sweeps.open, "s1", {"windows": 2}, 8, NOW, BY)
    assert outcomes(call_concurrently([opened] * MANY)) == {"ok": MANY}
    assert outcomes(call_concurrently([partial(store.sweeps.cancel, "s1", BY)] * MANY)) == {
        "ok": MANY
    }
    told = [entry.action for entry in store.audit.entries(AuditFilter(target="s1"))]
    assert told == ["sweep.cancel", "sweep.start"]


def test_a_write_is_claimed_once(store: Store) -> None:
    claim = partial(store.idempotency_keys.claim, "ana", "key", "POST /x", "digest", NOW)
    told = call_concurrently([claim] * MANY)
    assert outcomes(told) == {"ok": MANY}
    assert told.count(None) == 1


def test_a_write_that_is_released_is_claimed_once_again(store: Store) -> None:
    claim = partial(store.idempotency_keys.claim, "ana", "key", "POST /x", "digest", NOW)
    assert claim() is None
    calls: list[Callable[[], object]] = [partial(store.idempotency_keys.release, "ana", "key")]
    told = call_concurrently([*calls, *[claim] * MANY])
    assert outcomes(told) == {"ok": MANY + 1}
    assert told[1:].count(None) <= 1
