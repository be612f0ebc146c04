"""The scheduler with controlled clocks: what runs, what is skipped, who may write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.ports import By, JobRun, RunState
from spotlab.errors import Cancelled, DatabaseDown, Fenced, NotAvailable
from spotlab.runtime.shutdown import Leaving
from spotlab.scheduling import job_run, scheduler
from spotlab.scheduling.job_catalogue import AT_START, FIRST_RUN
from spotlab.scheduling.scheduler import GRACE_S
from spotlab.store import Store
from tests.support.jobs import TTL_S, Office, Work, job, look, office, settle


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Iterator[Office]:
    made = office(store, tmp_path)
    yield made
    made.lab.close()


def runs(desk: Office, name: str | None = None) -> list[JobRun]:
    return desk.lab.store.jobs.runs(name)[::-1]


def states(desk: Office, name: str | None = None) -> list[RunState]:
    return [run.state for run in runs(desk, name)]


def by(desk: Office) -> By:
    return By("ana", desk.wall.now(), "", "a test")


def test_a_due_job_runs_once_and_is_kept_with_what_it_gave(desk: Office) -> None:
    work = Work(gives={"decisions": 3, "note": "All decided."})
    one = desk.scheduler("one", job(work))
    look(one)
    assert work.runs == 0, "it is planned first"
    desk.wait(600)
    look(one)
    settle(one)
    look(one)
    (run,) = runs(desk)
    assert work.runs == 1
    assert (run.state, run.cause, run.result) == (
        RunState.DONE,
        "All decided.",
        {"decisions": 3},
    )
    assert (run.holder, run.token, run.asked_by) == ("one", 1, "")
    assert run.correlation_id
    assert run.due_at == desk.wall.now()


def test_two_schedulers_run_each_due_time_once(desk: Office) -> None:
    work = Work()
    both = [desk.scheduler(name, job(work)) for name in ("one", "two")]
    for _ in range(5):
        desk.wait(600)
        for each in both:
            look(each)
            settle(each)
    assert work.runs == 4
    dues = [run.due_at for run in runs(desk)]
    assert len(set(dues)) == len(dues) == 4
    assert {run.holder for run in runs(desk)} == {"one"}


def test_a_delayed_old_leader_writes_nothing_and_its_run_is_lost(desk: Office) -> None:
    refused: list[str] = []

    def write() -> None:
        try:
            desk.lab.store.health.note(
                "late", ok=True, at=desk.wall.now(), latency_ms=None, reason=""
            )
        except Fenced as exc:
            refused.append(str(exc))
            raise

    slow, fast = Work(held=True, heeds=False, before_end=write), Work()
    old, new = desk.scheduler("old", job(slow)), desk.scheduler("new", job(fast))
    look(old)
    look(new)
    desk.wait(600)
    look(old)
    assert slow.at_work.wait(5)
    new.leadership.step()
    desk.wait(TTL_S + 1)  # the old leader sleeps
    look(new)
    assert states(desk) == [RunState.LOST]
    slow.go.set()  # and wakes, amid its run
    settle(old)
    assert refused == [
        "Another process holds the lease scheduler now (token 2; this process had 1). "
        "Nothing was written; the leader does this work."
    ]
    assert desk.lab.store.health.last("late") is None
    assert states(desk) == [RunState.LOST]
    desk.wait(600)
    new.leadership.step()
    look(new)
    settle(new)
    assert fast.runs == 1
    assert slow.runs == 1


def test_a_job_that_does_not_stop_at_its_limit_is_ended_from_outside(desk: Office) -> None:
    refused: list[str] = []

    def write() -> None:
        try:
            desk.lab.store.archive.set_active_market(  # what a late run might still do
                desk.lab.choose_market(None)
            )
        except Fenced as exc:
            refused.append(str(exc))
            raise

    work = Work(held=True, heeds=False, before_end=write)
    one = desk.scheduler("one", job(work, limit_s=60))
    look(one)
    desk.wait(600)
    look(one)
    assert work.at_work.wait(5)
    for seconds in (30, 30, GRACE_S):
        desk.wait(seconds)
        look(one)
    assert states(desk) == [RunState.RUNNING]
    desk.wait(1)
    look(one)
    (run,) = runs(desk)
    assert run.state is RunState.TIMED_OUT
    assert "Did not stop at its limit of 60 s" in run.cause
    assert run.duration_s == pytest.approx(60 + GRACE_S + 1)

    for _ in range(20):
        desk.wait(60)
        look(one)
    assert work.runs == 1, "no second run beside a thread that is still there"
    assert states(desk)[1:] == [RunState.SKIPPED] * 2
    assert runs(desk)[1].cause == "The previous run had not ended."

    work.go.set()
    settle(one)
    assert refused == [f"Run {run.run_id} was ended by another process. Nothing more is written."]
    assert desk.lab.store.archive.active_market() is None
    work.held = False
    for _ in range(60):
        desk.wait(10)
        look(one)
        settle(one)
    assert work.runs == 2


def test_a_job_that_heeds_its_limit_is_timed_out_in_its_own_words(desk: Office) -> None:
    work = Work(held=True)
    one = desk.scheduler("one", job(work))

    def stop() -> None:
        raise Cancelled("Stopped after 3 of 24 instances.")

    work.before_end = stop
    look(one)
    desk.wait(600)
    look(one)
    assert work.at_work.wait(5)
    for _ in range(31):
        desk.wait(2)
        look(one)
    settle(one)
    (run,) = runs(desk)
    assert run.state is RunState.TIMED_OUT
    assert run.cause == "Stopped at its limit of 60 s. Stopped after 3 of 24 instances."


def test_what_a_job_fails_with_is_kept_in_words(desk: Office) -> None:
    def fail() -> None:
        raise NotAvailable("The feed redis://:hunter2@feeds does not answer.", remedy="Wait.")

    work, broken = Work(before_end=fail), Work()
    broken.before_end = lambda: [][1]
    partly = Work(gives={"sources": 9, "failed": "1 source did not answer."})
    one = desk.scheduler("one", job(work, "a"), job(broken, "b"), job(partly, "c"))
    look(one)
    desk.wait(600)
    look(one)
    settle(one)
    found = {run.job: (run.state, run.cause, run.result) for run in runs(desk)}
    failed = RunState.FAILED
    assert found == {
        "a": (failed, "The feed redis://:***@feeds does not answer. Wait.", {}),
        "b": (failed, "IndexError: list index out of range", {}),
        "c": (failed, "1 source did not answer.", {"sources": 9}),
    }


def test_what_nobody_ran_in_time_is_skipped_once_with_its_reason(desk: Office) -> None:
    often, rare = Work(), Work()
    jobs = job(often, "often"), job(rare, "rare", misfire_s=86400)
    one = desk.scheduler("one", *jobs)
    look(one)
    one.leadership.release()
    desk.wait(5 * 3600)  # nobody runs anything
    two = desk.scheduler("two", *jobs)
    look(two)
    settle(two)
    assert (often.runs, rare.runs) == (0, 1)
    (skipped,) = runs(desk, "often")
    assert skipped.state is RunState.SKIPPED
    assert skipped.cause == (
        "No process ran it when it was due; 290 min later was too late (limit 10 min)."
    )
    desk.wait(600)
    look(two)
    settle(two)
    assert (often.runs, rare.runs) == (1, 2)


@pytest.mark.parametrize("schedule", ["every 10 min", "*/10 * * * *"])
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_an_hour_neither_piles_up_nor_stalls(
    desk: Office, schedule: str, hours: int
) -> None:
    work = Work()
    one = desk.scheduler("one", job(work, schedule=schedule))

    def an_hour() -> int:
        before = work.runs
        for _ in range(60):
            desk.wait(60)
            look(one)
            settle(one)
        return work.runs - before

    desk.wait(5)
    look(one)
    assert an_hour() == 6
    desk.wall.forward(hours=hours)
    assert an_hour() in (6, 7)
    assert one.leadership.token == 1, "nobody else was taken for the leader"
    assert an_hour() == 6


def test_paused_it_runs_only_when_asked(desk: Office) -> None:
    work = Work()
    one = desk.scheduler("one", job(work))
    look(one)
    desk.lab.store.jobs.set_paused("work", True, by(desk))
    for _ in range(5):
        desk.wait(600)
        look(one)
    assert work.runs == 0
    desk.lab.store.jobs.ask("work", by(desk))
    look(one)
    settle(one)
    assert work.runs == 1
    assert runs(desk)[0].asked_by == "ana"
    desk.lab.store.jobs.set_paused("work", False, by(desk))
    look(one)
    desk.wait(600)
    look(one)
    settle(one)
    assert work.runs == 2


def test_another_schedule_counts_from_the_next_look(desk: Office) -> None:
    work = Work()
    one = desk.scheduler("one", job(work, schedule="every 1 d"))
    look(one)
    desk.lab.store.jobs.set_schedule("work", "every 1 min", by(desk))
    look(one)
    desk.wait(60)
    look(one)
    settle(one)
    assert work.runs == 1


def test_others_wait_for_the_first_run_of_each_leader(desk: Office) -> None:
    first, other, probe = Work(held=True), Work(), Work()
    jobs = (
        job(first, FIRST_RUN, AT_START, limit_s=3600),
        job(other, "other", waits=True),
        job(probe, "probe"),
    )
    one = desk.scheduler("one", *jobs)
    look(one)
    look(one)
    assert first.at_work.wait(5)
    desk.wait(30)
    look(one)
    desk.wait(570)
    look(one)
    assert first.runs == 1
    assert other.runs == 0
    first.held = False
    settle(one)
    settle(one)
    assert (first.runs, other.runs, probe.runs) == (1, 1, 1)
    one.leadership.release()
    two = desk.scheduler("two", *jobs)
    look(two)
    settle(two)
    settle(two)
    assert first.runs == 2


def test_shut_down_it_says_what_became_of_its_runs_and_lets_go(desk: Office) -> None:
    heeds, deaf = Work(held=True), Work(held=True, heeds=False)
    one = desk.scheduler("one", job(heeds, "heeds"), job(deaf, "deaf"))
    look(one)
    desk.wait(600)
    look(one)
    assert heeds.at_work.wait(5)
    assert deaf.at_work.wait(5)
    one.start()
    one.stop(within_s=0.3)
    found = {run.job: (run.state, run.cause) for run in runs(desk)}
    assert found["heeds"] == (RunState.DONE, "")
    assert found["deaf"] == (
        RunState.CANCELLED,
        "The process is shutting down. The run had not ended; its later writes are rejected.",
    )
    two = desk.scheduler("two")
    look(two)
    assert two.leadership.token is not None
    deaf.go.set()


def test_a_leaving_process_cancels_its_runs_and_lets_another_lead_at_once(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = Leaving()
    for module in (job_run, scheduler):
        monkeypatch.setattr(module, "LEAVING", leaving)

    def stop() -> None:
        raise Cancelled("Stopped after 3 of 24 instances.")

    work = Work(held=True, before_end=stop)
    one = desk.scheduler("one", job(work))
    look(one)
    desk.wait(600)
    look(one)
    assert work.at_work.wait(5)
    leaving.ask()
    one.start()  # nobody calls stop: the server is still closing its connections
    one._thread.join(5)
    (run,) = runs(desk)
    assert run.state is RunState.CANCELLED
    assert run.cause == "The process is shutting down. Stopped after 3 of 24 instances."
    two = desk.scheduler("two")
    look(two)
    assert two.leadership.token is not None


def test_a_database_that_is_away_costs_no_outcome(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(gives={"decisions": 3})
    one = desk.scheduler("one", job(work))
    look(one)
    desk.wait(600)
    look(one)

    def down(*_: object) -> bool:
        raise DatabaseDown("The database does not answer.", remedy="Wait.")

    for run in list(one._running.values()):
        run.join(5)
    with monkeypatch.context() as patch:
        patch.setattr(type(desk.lab.store.jobs), "finish", down)
        for _ in range(3):
            desk.wait(1)
            one.leadership.step()
            with pytest.raises(DatabaseDown):
                one.tick()
    look(one)
    (run,) = runs(desk)
    assert (run.state, run.result) == (RunState.DONE, {"decisions": 3})


def test_due_times_keep_to_the_grid_whatever_the_jitter(desk: Office) -> None:
    work = Work()
    one = desk.scheduler("one", job(work, jitter_s=30))
    one._jitter = lambda most: most
    look(one)
    for _ in range(60):
        desk.wait(30)
        look(one)
        settle(one)
    after = [run.due_at - desk.wall.at.replace(hour=12, minute=0) for run in runs(desk)]
    assert after == [timedelta(minutes=10 * n, seconds=30) for n in range(1, len(after) + 1)]
