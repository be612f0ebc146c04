"""Guards, stops and starts of switches on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from spotlab.domain.ports import By
from spotlab.domain.switch_guards import (
    EVERYWHERE,
    AccountGuards,
    InstallationGuards,
    SwitchingMode,
    TimeWindow,
)
from spotlab.domain.switches import SwitchState
from spotlab.errors import ChangedMeanwhile, Conflict
from spotlab.store import Store
from spotlab.store.switch_guards import Start
from tests.support import switches as make
from tests.support.builders import NOW
from tests.support.racing import call_concurrently

ADAM = By("adam", NOW, "set up", "a test")
WINDOW = TimeWindow(("sat", "sun"), "22:00", "04:00", "Europe/Berlin")


def started(store: Store, switch_id: str, *, minutes_ago: float = 0.0, **changes: object) -> Start:
    """A switch that exists in the store, and its start."""
    instance_id = f"i-{switch_id}"
    switch = make.switch(switch_id, instance_id=instance_id, state=SwitchState.APPROVED)
    store.switches.create(switch, ADAM)
    at = NOW - timedelta(minutes=minutes_ago)
    values = {"account": "acme", "group": "g", "pool": make.NEW_POOL.key, "at": at, **changes}
    return Start(switch_id, instance_id=instance_id, under_way=True, **values)  # type: ignore[arg-type]


def at_most(limit: int) -> Callable[[Sequence[Start]], str | None]:
    def check(others: Sequence[Start]) -> str | None:
        return f"{len(others)} of {limit}" if len(others) >= limit else None

    return check


def test_everything_is_off_until_it_is_set(store: Store) -> None:
    assert store.switch_guards.installation() == InstallationGuards()
    assert store.switch_guards.account("acme").mode is SwitchingMode.OFF
    assert not store.switch_guards.account("acme").autonomy
    assert store.switch_guards.newest("acme").version == 0


def test_versions_are_stored_signed_and_audited(store: Store) -> None:
    first = AccountGuards(SwitchingMode.ON, windows=(WINDOW,), at_once=3)
    assert store.switch_guards.save("acme", first, ADAM, 0).version == 1
    store.switch_guards.save("acme", AccountGuards(SwitchingMode.OFF, at_once=3), ADAM)
    store.switch_guards.save(EVERYWHERE, InstallationGuards(four_eyes=False), ADAM)
    versions = store.switch_guards.versions("acme")
    assert [each.version for each in versions] == [2, 1]
    assert versions[1].guards == first
    assert (versions[1].created_by, versions[1].reason) == ("adam", "set up")
    assert store.switch_guards.installation().four_eyes is False
    assert store.switch_guards.account("zeta") == AccountGuards()
    entry = store.audit.entries()[1]
    assert (entry.action, entry.target) == ("switching.guards", "acme")
    assert entry.before["mode"] == "on"
    assert entry.after["mode"] == "off"


def test_the_newest_guards_of_many_accounts_are_read_at_once(store: Store) -> None:
    for at_once in (1, 2, 3):
        store.switch_guards.save("acme", AccountGuards(at_once=at_once), ADAM)
    store.switch_guards.save("other", AccountGuards(at_once=9), ADAM)
    store.switch_guards.save(EVERYWHERE, InstallationGuards(four_eyes=False), ADAM)
    found = store.switch_guards.accounts(["acme", "zeta"])
    assert found == {"acme": AccountGuards(at_once=3), "zeta": AccountGuards()}


def test_a_change_of_other_guards_than_were_read_is_refused(store: Store) -> None:
    store.switch_guards.save("acme", AccountGuards(at_once=1), ADAM)
    with pytest.raises(ChangedMeanwhile, match="version 1, not 0"):
        store.switch_guards.save("acme", AccountGuards(at_once=2), ADAM, 0)
    assert store.switch_guards.account("acme").at_once == 1


def test_a_stop_holds_until_it_is_released(store: Store) -> None:
    guards = store.switch_guards
    guards.stop(["acme"], ADAM)
    guards.stop(["acme"], By("eve", NOW, "again"))
    assert guards.stop_of("zeta") is None
    stop = guards.stop_of("acme")
    assert stop is not None
    assert stop.actor == "adam", "the first one counts"
    guards.stop([EVERYWHERE], ADAM)
    zeta = guards.stop_of("zeta")
    assert zeta is not None
    assert zeta.scope == EVERYWHERE
    assert [each.scope for each in guards.release([EVERYWHERE], ADAM)] == ["acme"]
    guards.release(["acme"], ADAM)
    assert guards.stop_of("acme") is None
    with pytest.raises(Conflict, match="No switches are stopped"):
        guards.release(["acme"], ADAM)
    actions = [each.action for each in store.audit.entries(limit=4)]
    assert actions == ["switching.release", "switching.release", "switching.stop", "switching.stop"]


def test_the_installations_mode_is_audited_when_it_changes(store: Store) -> None:
    for mode in (SwitchingMode.OFF, SwitchingMode.ON, SwitchingMode.ON, SwitchingMode.DRY_RUN):
        store.switch_guards.note_installation_mode(mode, ADAM)
    changes = [each.after for each in store.audit.entries() if each.action == "switching.mode"]
    assert [text.strip('"') for text in changes] == ["dry-run", "on"]


def test_a_switch_begins_once_and_counts(store: Store) -> None:
    guards = store.switch_guards
    first, second = started(store, "sw-1"), started(store, "sw-2")
    assert guards.start(first, at_most(1)) is None
    assert guards.start(first, at_most(0)) is None, "it has begun already"
    assert guards.start(second, at_most(1)) == "1 of 1"
    assert guards.has_begun("sw-1")
    assert not guards.has_begun("sw-2")
    assert [each.switch_id for each in guards.starts(NOW)] == ["sw-1"]


def test_switches_that_ended_long_ago_do_not_count(store: Store) -> None:
    guards = store.switch_guards
    old = started(store, "sw-old", minutes_ago=61)
    guards.start(old, at_most(9))
    (found,) = guards.starts(NOW)
    assert found.under_way, "however long it takes"
    switch = store.switches.get("sw-old")
    store.switches.save(replace(switch, state=SwitchState.DONE, finished_at=NOW))
    assert guards.starts(NOW) == []


def test_of_two_processes_at_the_limit_one_begins(store: Store) -> None:
    starts = [started(store, f"sw-{number}") for number in range(6)]

    def begin(start: Start) -> Callable[[], str | None]:
        return lambda: store.switch_guards.start(start, at_most(2))

    results = call_concurrently([begin(each) for each in starts])
    assert sum(each is None for each in results) == 2
    assert len(store.switch_guards.starts(NOW)) == 2
