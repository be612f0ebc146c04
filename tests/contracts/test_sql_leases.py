"""One holder at a time, and whoever held a lease before writes nothing more."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotlab.domain.ports import By, RunState
from spotlab.errors import Conflict, Fenced
from spotlab.runtime.leader_election import Leadership
from spotlab.store import Store
from spotlab.store.engine import Fence, fenced, writing
from tests.conftest import ROOT
from tests.support.databases import Database
from tests.support.market import StillClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = "scheduler"
ANA_BY = By("ana", NOW, "", "a test")


class Stopwatch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def contender(store: Store, name: str, watch: Stopwatch, wall: StillClock) -> Leadership:
    return Leadership(store.leases, LEASE, name, 10.0, wall, watch)


def leads(one: Leadership) -> bool:
    one.step()
    return one.token is not None


def test_one_leads_until_it_gives_no_sign_for_a_ttl(store: Store) -> None:
    watch, wall = Stopwatch(), StillClock()
    one, two = (contender(store, name, watch, wall) for name in ("one", "two"))
    assert leads(one)
    assert not leads(two)
    for _ in range(20):
        watch.s += 2.0
        assert leads(one)
        assert not leads(two)
    first = one.token
    for _ in range(5):  # one is gone from here on
        watch.s += 2.0
        assert not leads(two)
    assert one.token is None, "it knows by itself that it leads no longer"
    watch.s += 2.0
    assert leads(two)
    assert two.token == (first or 0) + 1
    assert not leads(one)


def test_no_wall_clock_decides_who_leads(store: Store) -> None:
    watch, early, late = Stopwatch(), StillClock(), StillClock(NOW + timedelta(hours=3))
    one, two = contender(store, "one", watch, early), contender(store, "two", watch, late)
    assert leads(one)
    assert not leads(two)
    late.forward(hours=5)
    early.forward(hours=-5)
    watch.s += 2.0
    assert not leads(two)
    assert leads(one)


def test_a_lease_that_was_let_go_is_free_at_once(store: Store) -> None:
    watch, wall = Stopwatch(), StillClock()
    one, two = (contender(store, name, watch, wall) for name in ("one", "two"))
    assert leads(one)
    assert not leads(two)
    one.release()
    assert leads(two)
    one.release()
    assert leads(two), "who holds it no longer cannot let go of it"


def test_of_many_that_see_it_free_one_gets_it(store: Store) -> None:
    seen = store.leases.get(LEASE)
    start, won = threading.Barrier(4), []

    def take(name: str) -> None:
        start.wait()
        token = store.leases.acquire(LEASE, name, seen, NOW)
        if token is not None:
            won.append((name, token))

    threads = [threading.Thread(target=take, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((holder, token),) = won
    lease = store.leases.get(LEASE)
    assert lease is not None
    assert (lease.holder, lease.token, token) == (holder, 1, 1)


def note(store: Store, component: str) -> None:
    store.health.note(component, ok=True, at=NOW, latency_ms=None, reason="")


def test_a_delayed_old_leader_is_refused_at_its_next_write(store: Store) -> None:
    token = store.leases.acquire(LEASE, "old", None, NOW)
    assert token is not None
    with fenced(Fence(LEASE, token)):
        note(store, "while it led")
        store.leases.acquire(LEASE, "new", store.leases.get(LEASE), NOW)
        with pytest.raises(Fenced, match="Another process holds the lease scheduler now"):
            note(store, "too late")
    assert store.health.last("while it led") is not None
    assert store.health.last("too late") is None
    note(store, "too late")
    assert store.health.last("too late") is not None, "outside of the fence it is as always"


@pytest.mark.postgres
def test_the_beat_passes_while_its_holder_writes(postgres_url: str, tmp_path: Path) -> None:
    with Database(postgres_url, tmp_path / "unused.db").opened() as store:
        token = store.leases.acquire("of this test", "one", None, NOW)
        assert token is not None
        with fenced(Fence("of this test", token)), writing(store.engine):
            thread = threading.Thread(target=store.leases.beat, args=("of this test", token))
            thread.start()
            thread.join(2)
            assert not thread.is_alive()


def due(store: Store, job: str = "evaluate") -> datetime:
    store.jobs.set_next_due(job, NOW)
    at = store.jobs.settings()[job].next_at
    assert at is not None
    return at


def start(store: Store, due_at: datetime, token: int = 1, job: str = "evaluate") -> int | None:
    next_at = due_at + timedelta(minutes=10)
    return store.jobs.start(job, due_at, NOW, next_at, "one", token, "c0ffee")


def test_a_due_time_is_started_once(store: Store) -> None:
    at = due(store)
    run_id = start(store, at)
    assert run_id is not None
    assert start(store, at) is None
    assert store.jobs.finish(run_id, RunState.DONE, "", {"decisions": 3}, NOW)
    assert start(store, at) is None, "also when it is over"
    (run,) = store.jobs.runs("evaluate")
    assert (run.due_at, run.state, run.result, run.duration_s) == (
        at,
        RunState.DONE,
        {"decisions": 3},
        0.0,
    )
    assert store.jobs.settings()["evaluate"].next_at == at + timedelta(minutes=10)


def test_a_job_never_runs_beside_itself(store: Store) -> None:
    at = due(store)
    assert start(store, at) is not None
    later = at + timedelta(minutes=10)
    assert start(store, later) is None
    store.jobs.request_run("outcomes", ANA_BY)
    with pytest.raises(Conflict, match="evaluate is already running"):
        store.jobs.request_run("evaluate", ANA_BY)
    with pytest.raises(Conflict, match="already requested by ana"):
        store.jobs.request_run("outcomes", ANA_BY)


def test_many_that_start_the_same_due_time_start_one_run(store: Store) -> None:
    at, gate = due(store), threading.Barrier(4)
    found: list[int | None] = []

    def go() -> None:
        gate.wait()
        found.append(start(store, at))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run is None for run in found) == [False, True, True, True]
    assert store.jobs.count() == 1


def test_an_old_leader_starts_nothing(store: Store) -> None:
    at = due(store)
    token = store.leases.acquire(LEASE, "old", None, NOW)
    assert token is not None
    store.leases.acquire(LEASE, "new", store.leases.get(LEASE), NOW)
    with fenced(Fence(LEASE, token)), pytest.raises(Fenced):
        start(store, at, token)
    assert store.jobs.runs() == []


def test_a_run_that_was_ended_writes_nothing_more(store: Store) -> None:
    token = store.leases.acquire(LEASE, "one", None, NOW)
    assert token is not None
    run_id = start(store, due(store), token)
    assert run_id is not None
    with fenced(Fence(LEASE, token, run_id)):
        note(store, "in time")
        store.jobs.finish(run_id, RunState.TIMED_OUT, "too slow", {}, NOW)
        with pytest.raises(Fenced, match="was ended by another process"):
            note(store, "too late")
    assert store.health.last("too late") is None


def test_the_runs_of_a_former_leader_are_lost(store: Store) -> None:
    old, mine = start(store, due(store), 1), start(store, due(store, "outcomes"), 2, "outcomes")
    assert store.jobs.mark_lost(2, "Its process is gone.", NOW) == 1
    states = {run.run_id: (run.state, run.cause) for run in store.jobs.runs()}
    assert states == {
        old: (RunState.LOST, "Its process is gone."),
        mine: (RunState.RUNNING, ""),
    }
    assert old is not None
    assert not store.jobs.finish(old, RunState.DONE, "", {}, NOW), "it stays lost"


def test_a_clock_that_was_set_back_comes_by_the_same_time_and_it_runs_again(store: Store) -> None:
    run_id = start(store, due(store))
    assert run_id is not None
    store.jobs.finish(run_id, RunState.DONE, "", {}, NOW)
    again = due(store)
    assert timedelta() < again - NOW < timedelta(seconds=1)
    assert start(store, again) is not None


def test_what_is_set_on_a_job_is_in_the_audit_log(store: Store) -> None:
    store.jobs.set_schedule("evaluate", "every 1 h", ANA_BY)
    store.jobs.set_paused("evaluate", True, ANA_BY)
    store.jobs.request_run("evaluate", ANA_BY)
    setting = store.jobs.settings()["evaluate"]
    assert (setting.schedule, setting.paused, setting.asked_by) == ("every 1 h", True, "ana")
    said = [(entry.action, entry.before, entry.after) for entry in store.audit.entries()]
    assert said == [
        ("job.run", None, None),
        ("job.pause", False, True),
        ("job.schedule", "", "every 1 h"),
    ]
    assert store.audit.check().broken_at is None


FROZEN = """
import sys
from pathlib import Path
from sqlalchemy import text
from spotlab.store import engine
from tests.support.databases import Database

engine._IDLE_TIMEOUT = text("SET LOCAL idle_in_transaction_session_timeout = '1s'")
store = Database(sys.argv[1], Path(sys.argv[2])).open()
with engine.fenced(engine.Fence("frozen", 1)), engine.writing(store.engine):
    print("amid a transaction", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.postgres
def test_a_leader_that_is_frozen_amid_a_write_is_replaced_nevertheless(
    postgres_url: str, tmp_path: Path
) -> None:
    """On SQLite it would keep the one write lock, whoever leads."""
    with Database(postgres_url, tmp_path / "unused.db").opened() as store:
        assert store.leases.acquire("frozen", "old", None, NOW) == 1
        command = [sys.executable, "-c", FROZEN, postgres_url, str(tmp_path / "unused.db")]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "amid a transaction\n"
            assert store.leases.acquire("frozen", "new", store.leases.get("frozen"), NOW) == 2
            process.kill()
