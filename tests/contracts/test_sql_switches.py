"""The contract of switches, their journals and launch allowances, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.ports import AuditFilter, By
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_moves import LaunchRequest, LaunchSettings, MovePlan, VolumeMove
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import (
    Attempt,
    Got,
    Phase,
    Progress,
    Realised,
    Switch,
    SwitchState,
)
from spotlab.errors import ChangedMeanwhile, Conflict, Fenced, NotFound
from spotlab.store import Store
from spotlab.store.engine import Fence, fenced
from tests.support import switches as make
from tests.support.builders import NOW
from tests.support.racing import call_concurrently, outcomes

BY = By("ana", NOW, "cheaper")


def create(store: Store, switch_id: str = "sw-1", **changes: Any) -> Switch:
    return store.switches.create(make.switch(switch_id, **changes), BY)


def finish(store: Store, switch: Switch, state: SwitchState = SwitchState.DONE) -> Switch:
    return store.switches.save(replace(switch, state=state, finished_at=NOW))


def test_a_switch_comes_back_whole(store: Store) -> None:
    request = LaunchRequest(
        "token", "m6a.large", "us-east-1a", Lifecycle.SPOT, 0.0864, "", "subnet-1",
        LaunchSettings(template_id="lt-1", subnets={"us-east-1a": "subnet-1"}), {"a": "b"},
    )  # fmt: skip
    attempt = Attempt(1, make.target(), request, instance_id="i-2")
    volumes = (VolumeMove("vol-1", "/dev/sdf", True),)
    asked = make.switch(
        got=Got(make.OTHER_POOL, Lifecycle.ON_DEMAND, "i-2", NOW),
        got_why="no spot capacity in m6a.large in us-east-1a",
        step=Step.HEALTH,
        realised=Realised(2.0, 0.2, 0.3, NOW),
        progress=Progress(MovePlan(volumes=volumes), attempts=(attempt,), elapsed_s={"launch": 3}),
    )
    stored = store.switches.create(asked, BY)
    assert stored == replace(asked, version=1)
    assert store.switches.get("sw-1") == stored


def test_got_something_else_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="says why"):
        make.switch(got=Got(make.NEW_POOL, Lifecycle.ON_DEMAND, "i-2"))
    assert not make.switch(got=Got(make.NEW_POOL, Lifecycle.SPOT, "i-2")).differs


def test_one_open_switch_an_instance(store: Store) -> None:
    first = create(store)
    with pytest.raises(Conflict, match="sw-1 of i-0a1b2c3d4e5f60718 is still open"):
        create(store, "sw-2")
    assert store.switches.open_of(first.instance_id) == first
    finish(store, first)
    assert store.switches.open_of(first.instance_id) is None
    assert create(store, "sw-2").switch_id == "sw-2"
    with pytest.raises(Conflict, match="sw-1 exists already"):
        store.switches.create(make.switch(instance_id="i-9"), BY)


def test_of_two_requests_at_once_one_wins(store: Store) -> None:
    calls = [partial(create, store, f"sw-{number}") for number in range(4)]
    results = call_concurrently(calls)
    assert outcomes(results) == {"ok": 1, "Conflict": 3}
    errors = [str(each) for each in results if isinstance(each, Conflict)]
    assert all("is still open" in each for each in errors), errors
    assert store.switches.count() == 1


def test_a_save_on_an_old_version_changes_nothing(store: Store) -> None:
    first = create(store)
    second = store.switches.save(replace(first, state=SwitchState.APPROVED), [make.entry()])
    assert (second.state, second.version) == (SwitchState.APPROVED, 2)
    with pytest.raises(ChangedMeanwhile, match="since version 1"):
        store.switches.save(replace(first, state=SwitchState.REJECTED), [make.entry()])
    assert store.switches.get("sw-1") == second
    assert len(store.switches.journal("sw-1")) == 1


def test_what_users_ask_survives_a_drivers_save(store: Store) -> None:
    first = create(store)
    asked = store.switches.ask("sw-1", BY, pause=True)
    assert (asked.pause_requested, asked.version) == (True, 1)
    saved = store.switches.save(replace(first, state=SwitchState.RUNNING))
    assert saved.pause_requested
    assert not store.switches.ask("sw-1", BY, pause=False, roll_back=True).pause_requested
    assert store.switches.get("sw-1").rollback_requested
    finish(store, saved)
    with pytest.raises(Conflict, match="finished"):
        store.switches.ask("sw-1", BY, pause=True)
    with pytest.raises(NotFound, match="no switch 'sw-9'"):
        store.switches.ask("sw-9", BY, pause=True)


def test_a_switch_that_needed_attention_is_driven_again_when_a_user_resumes_it(
    store: Store,
) -> None:
    first = create(store)
    progress = Progress(elapsed_s={"move": 2700.0}, failures={"attach": 4}, rollback_why="no right")
    stuck = replace(first, state=SwitchState.NEEDS_ATTENTION, situation="…", progress=progress)
    saved = store.switches.save(stuck)
    again = store.switches.ask("sw-1", BY, pause=False)
    assert (again.state, again.situation) == (SwitchState.ROLLING_BACK, "")
    assert again.progress == Progress(rollback_why="no right")
    assert again.version == saved.version + 1
    assert store.switches.drivable() == ["sw-1"]
    assert store.switches.get("sw-1") == again


def test_the_journal_only_grows_and_keeps_its_order(store: Store) -> None:
    first = store.switches.create(make.switch(), BY, [make.entry("request", phase=Phase.NOTE)])
    saved = store.switches.save(first, [make.entry(), make.entry(phase=Phase.AFTER, token=3)])
    store.switches.note(make.entry("look", phase=Phase.NOTE, step=None))
    journal = store.switches.journal(saved.switch_id)
    assert [each.seq for each in journal] == [1, 2, 3, 4]
    assert [each.action for each in journal] == ["request", "launch", "launch", "look"]
    assert journal[2] == make.entry(phase=Phase.AFTER, token=3, seq=3)
    assert list(store.switches.journal(saved.switch_id, after=3)) == [journal[3]]


def test_a_driver_without_the_lease_writes_nothing(store: Store) -> None:
    first = create(store)
    old = store.leases.acquire("switch:sw-1", "one", None, NOW)
    assert old is not None
    new = store.leases.acquire("switch:sw-1", "two", store.leases.get("switch:sw-1"), NOW)
    with fenced(Fence("switch:sw-1", old)), pytest.raises(Fenced):
        store.switches.save(replace(first, state=SwitchState.RUNNING), [make.entry()])
    assert new is not None
    with fenced(Fence("switch:sw-1", new)):
        store.switches.save(replace(first, state=SwitchState.RUNNING), [make.entry()])
    assert store.switches.get("sw-1").state is SwitchState.RUNNING


def test_what_a_driver_finds_to_do(store: Store) -> None:
    def at(number: int, state: SwitchState, **asked: bool) -> None:
        made = create(
            store, f"sw-{number}", instance_id=f"i-{number}", state=state,
            requested_at=NOW + timedelta(minutes=number),
        )  # fmt: skip
        if asked:
            store.switches.ask(made.switch_id, BY, **asked)

    at(1, SwitchState.REQUESTED)
    at(3, SwitchState.APPROVED)
    at(2, SwitchState.RUNNING)
    at(4, SwitchState.PAUSED, pause=True)
    at(5, SwitchState.PAUSED, pause=False)
    at(6, SwitchState.PAUSED, pause=True, roll_back=True)
    at(7, SwitchState.DONE)
    at(8, SwitchState.NEEDS_ATTENTION)
    at(9, SwitchState.NEEDS_ATTENTION, roll_back=True)
    assert store.switches.drivable() == ["sw-2", "sw-3", "sw-5", "sw-6", "sw-9"]


def test_lists_are_filtered_and_paged(store: Store) -> None:
    for number in range(4):
        made = create(
            store, f"sw-{number}", instance_id=f"i-{number}", account=f"a{number % 2}",
            requested_at=NOW + timedelta(minutes=number),
        )  # fmt: skip
    got = Got(make.NEW_POOL, Lifecycle.SPOT, "i-new")
    store.switches.save(replace(made, state=SwitchState.DONE, got=got, started_at=NOW))

    def ids(**where: Any) -> list[str]:
        return [each.switch_id for each in store.switches.list(SwitchFilter(**where))]

    assert ids() == ["sw-3", "sw-2", "sw-1", "sw-0"]
    assert ids(accounts=("a1",)) == ["sw-3", "sw-1"]
    assert ids(accounts=()) == []
    assert (
        ids(instance_id="i-new") == ids(states=(SwitchState.DONE,)) == ids(open=False) == ["sw-3"]
    )
    assert ids(started_since=NOW) == ["sw-3"]
    assert ids(pool=make.OLD_POOL.key) == ids(pool=make.NEW_POOL.key) == ids()
    assert ids(before=(NOW + timedelta(minutes=2), "sw-2")) == ["sw-1", "sw-0"]
    assert [each.switch_id for each in store.switches.list(limit=2, offset=1)] == ["sw-2", "sw-1"]
    assert store.switches.count(SwitchFilter(open=True)) == 3


def test_requests_and_decisions_of_users_are_audited(store: Store) -> None:
    first = create(store)
    store.switches.save(replace(first, state=SwitchState.APPROVED), by=By("bo", NOW, "fine"))
    entries = store.audit.entries(AuditFilter(target="sw-1"))
    assert [(each.actor, each.action) for each in entries] == [
        ("bo", "switch.approved"),
        ("ana", "switch.request"),
    ]


def test_one_probe_at_a_time_while_a_pool_lacks_capacity(store: Store) -> None:
    allowances, pool = store.launch_allowances, make.NEW_POOL
    for number in range(4):
        create(store, f"sw-{number}", instance_id=f"i-{number}")
        assert allowances.claim(pool, f"sw-{number}", NOW) is None
    allowances.refused(pool, "sw-0", "InsufficientInstanceCapacity", NOW)
    early = allowances.claim(pool, "sw-1", NOW + timedelta(seconds=59))
    assert early is not None
    assert (early.code, early.next_at) == (
        "InsufficientInstanceCapacity", NOW + timedelta(minutes=1),
    )  # fmt: skip
    later = NOW + timedelta(seconds=61)
    assert allowances.claim(pool, "sw-1", later) is None
    assert allowances.claim(pool, "sw-1", later) is None, "its own claim"
    assert allowances.claim(pool, "sw-2", later) is not None, "the probe is running"
    assert allowances.claim(make.OTHER_POOL, "sw-2", later) is None
    allowances.succeeded(pool, "sw-1", later)
    assert allowances.claim(pool, "sw-2", later) is None
    assert allowances.claim(pool, "sw-3", later) is None
    assert allowances.claim(pool, "sw-0", later) is not None, "two at once"
    allowances.release("sw-3")
    assert allowances.claim(pool, "sw-0", later) is None


def test_the_pause_of_a_pool_doubles_up_to_an_hour(store: Store) -> None:
    create(store)
    pauses = []
    for _ in range(9):
        store.launch_allowances.refused(make.NEW_POOL, "sw-1", "SpotMaxPriceTooLow", NOW)
        pauses.append((store.launch_allowances.list()[0].next_at - NOW).total_seconds())
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_clock_that_was_set_back_does_not_lock_a_pool(store: Store) -> None:
    create(store)
    store.launch_allowances.refused(make.NEW_POOL, "sw-1", "InsufficientInstanceCapacity", NOW)
    assert store.launch_allowances.claim(make.NEW_POOL, "sw-1", NOW - timedelta(days=400)) is None


def test_the_claim_of_a_finished_switch_does_not_count(store: Store) -> None:
    first = create(store)
    create(store, "sw-2", instance_id="i-2")
    store.launch_allowances.refused(make.NEW_POOL, "sw-1", "InsufficientInstanceCapacity", NOW)
    later = NOW + timedelta(minutes=2)
    assert store.launch_allowances.claim(make.NEW_POOL, "sw-1", later) is None
    assert store.launch_allowances.claim(make.NEW_POOL, "sw-2", later) is not None
    finish(store, first)
    assert store.launch_allowances.claim(make.NEW_POOL, "sw-2", later) is None
