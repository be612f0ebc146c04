"""The scheduler with controlled clocks: what runs, what is skipped, who may write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.ports import By, JobRun, RunState
from spotlab.errors import Cancelled, DatabaseDown, Fenced, NotAvailable
from spotlab.runtime.shutdown import Shutdown
from spotlab.scheduling import job_run, scheduler
from spotlab.scheduling.first_run import FIRST_RUN
from spotlab.scheduling.job_catalogue import AT_START
from spotlab.scheduling.scheduler import GRACE_S, Scheduler
from spotlab.store import Store
from tests.support.jobs import TTL_S, SchedulerBench, Work, job, office, settle, step_and_tick


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Iterator[SchedulerBench]:
    made = office(store, tmp_path)
    yield made
    made.lab.close()


def runs(bench: SchedulerBench, name: str | None = None) -> list[JobRun]:
    return bench.lab.store.jobs.runs(name)[::-1]


def states(bench: SchedulerBench, name: str | None = None) -> list[RunState]:
    return [run.state for run in runs(bench, name)]


def by(bench: SchedulerBench) -> By:
    return By("ana", bench.wall.now(), "", "a test")


def test_a_due_job_runs_once_and_is_kept_with_what_it_gave(bench: SchedulerBench) -> None:
    work = Work(result={"decisions": 3, "note": "All decided."})
    one = bench.scheduler("one", job(work))
    step_and_tick(one)
    assert work.runs == 0, "it is planned first"
    bench.wait(600)
    step_and_tick(one)
    settle(one)
    step_and_tick(one)
    (run,) = runs(bench)
    assert work.runs == 1
    assert (run.state, run.cause, run.result) == (
        RunState.DONE,
        "All decided.",
        {"decisions": 3},
    )
    assert (run.holder, run.token, run.asked_by) == ("one", 1, "")
    assert run.correlation_id
    assert run.due_at == bench.wall.now()


def test_two_schedulers_run_each_due_time_once(bench: SchedulerBench) -> None:
    work = Work()
    both = [bench.scheduler(name, job(work)) for name in ("one", "two")]
    for _ in range(5):
        bench.wait(600)
        for each in both:
            step_and_tick(each)
            settle(each)
    assert work.runs == 4
    dues = [run.due_at for run in runs(bench)]
    assert len(set(dues)) == len(dues) == 4
    assert {run.holder for run in runs(bench)} == {"one"}


def test_a_delayed_old_leader_writes_nothing_and_its_run_is_lost(bench: SchedulerBench) -> None:
    refused: list[str] = []

    def write() -> None:
        try:
            bench.lab.store.health.note(
                "late", ok=True, at=bench.wall.now(), latency_ms=None, reason=""
            )
        except Fenced as exc:
            refused.append(str(exc))
            raise

    slow, fast = Work(held=True, stops_when_cancelled=False, before_end=write), Work()
    old, new = bench.scheduler("old", job(slow)), bench.scheduler("new", job(fast))
    step_and_tick(old)
    step_and_tick(new)
    bench.wait(600)
    step_and_tick(old)
    assert slow.started.wait(5)
    new.leadership.step()
    bench.wait(TTL_S + 1)  # the old leader sleeps
    step_and_tick(new)
    assert states(bench) == [RunState.LOST]
    slow.go.set()  # and wakes, amid its run
    settle(old)
    assert refused == [
        "Another process holds the lease scheduler now (token 2; this process had 1). "
        "Nothing was written; the leader does this work."
    ]
    assert bench.lab.store.health.last("late") is None
    assert states(bench) == [RunState.LOST]
    bench.wait(600)
    new.leadership.step()
    step_and_tick(new)
    settle(new)
    assert fast.runs == 1
    assert slow.runs == 1


def test_a_job_that_does_not_stop_at_its_limit_is_ended_from_outside(bench: SchedulerBench) -> None:
    refused: list[str] = []

    def write() -> None:
        try:
            bench.lab.store.archive.set_active_market(  # what a late run might still do
                bench.lab.choose_market(None)
            )
        except Fenced as exc:
            refused.append(str(exc))
            raise

    work = Work(held=True, stops_when_cancelled=False, before_end=write)
    one = bench.scheduler("one", job(work, limit_s=60))
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)
    assert work.started.wait(5)
    for seconds in (30, 30, GRACE_S):
        bench.wait(seconds)
        step_and_tick(one)
    assert states(bench) == [RunState.RUNNING]
    bench.wait(1)
    step_and_tick(one)
    (run,) = runs(bench)
    assert run.state is RunState.TIMED_OUT
    assert "Did not stop at its limit of 60 s" in run.cause
    assert run.duration_s == pytest.approx(60 + GRACE_S + 1)

    for _ in range(20):
        bench.wait(60)
        step_and_tick(one)
    assert work.runs == 1, "no second run beside a thread that is still there"
    assert states(bench)[1:] == [RunState.SKIPPED] * 2
    assert runs(bench)[1].cause == "The previous run had not ended."

    work.go.set()
    settle(one)
    assert refused == [f"Run {run.run_id} was ended by another process. Nothing more is written."]
    assert bench.lab.store.archive.active_market() is None
    work.held = False
    for _ in range(60):
        bench.wait(10)
        step_and_tick(one)
        settle(one)
    assert work.runs == 2


def test_a_job_that_is_longer_than_its_interval_is_not_reported_as_skipped(
    bench: SchedulerBench, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(held=True)
    one = bench.scheduler("one", job(work, schedule="every 10 s", limit_s=1800, misfire_s=30))
    step_and_tick(one)
    for _ in range(12):
        bench.wait(10)
        step_and_tick(one)
    assert states(bench) == [RunState.RUNNING], "no skipped runs beside it"
    assert "skipped" not in caplog.text
    work.go.set()
    settle(one)
    bench.wait(10)
    step_and_tick(one)
    settle(one)
    assert work.runs == 2, "it goes on at its next due time"


def test_a_job_that_heeds_its_limit_is_timed_out_in_its_own_words(bench: SchedulerBench) -> None:
    work = Work(held=True)
    one = bench.scheduler("one", job(work))

    def stop() -> None:
        raise Cancelled("Stopped after 3 of 24 instances.")

    work.before_end = stop
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)
    assert work.started.wait(5)
    for _ in range(31):
        bench.wait(2)
        step_and_tick(one)
    settle(one)
    (run,) = runs(bench)
    assert run.state is RunState.TIMED_OUT
    assert run.cause == "Stopped at its limit of 60 s. Stopped after 3 of 24 instances."


def test_what_a_job_fails_with_is_kept_in_words(bench: SchedulerBench) -> None:
    def fail() -> None:
        raise NotAvailable("The feed redis://:hunter2@feeds does not answer.", remedy="Wait.")

    work, broken = Work(before_end=fail), Work()
    broken.before_end = lambda: [][1]
    partly = Work(result={"sources": 9, "failed": "1 source did not answer."})
    one = bench.scheduler("one", job(work, "a"), job(broken, "b"), job(partly, "c"))
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)
    settle(one)
    found = {run.job: (run.state, run.cause, run.result) for run in runs(bench)}
    failed = RunState.FAILED
    assert found == {
        "a": (failed, "The feed redis://:***@feeds does not answer. Wait.", {}),
        "b": (failed, "IndexError: list index out of range", {}),
        "c": (failed, "1 source did not answer.", {"sources": 9}),
    }


def test_what_nobody_ran_in_time_is_skipped_once_with_its_reason(bench: SchedulerBench) -> None:
    often, rare = Work(), Work()
    jobs = job(often, "often"), job(rare, "rare", misfire_s=86400)
    one = bench.scheduler("one", *jobs)
    step_and_tick(one)
    one.leadership.release()
    bench.wait(5 * 3600)  # nobody runs anything
    two = bench.scheduler("two", *jobs)
    step_and_tick(two)
    settle(two)
    assert (often.runs, rare.runs) == (0, 1)
    (skipped,) = runs(bench, "often")
    assert skipped.state is RunState.SKIPPED
    assert skipped.cause == (
        "No process ran it when it was due; 290 min later was too late (limit 10 min)."
    )
    bench.wait(600)
    step_and_tick(two)
    settle(two)
    assert (often.runs, rare.runs) == (1, 2)


@pytest.mark.parametrize("schedule", ["every 10 min", "*/10 * * * *"])
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_an_hour_neither_piles_up_nor_stalls(
    bench: SchedulerBench, schedule: str, hours: int
) -> None:
    work = Work()
    one = bench.scheduler("one", job(work, schedule=schedule))

    def an_hour() -> int:
        before = work.runs
        for _ in range(60):
            bench.wait(60)
            step_and_tick(one)
            settle(one)
        return work.runs - before

    bench.wait(5)
    step_and_tick(one)
    assert an_hour() == 6
    bench.wall.forward(hours=hours)
    assert an_hour() in (6, 7)
    assert one.leadership.token == 1, "nobody else was taken for the leader"
    assert an_hour() == 6


def test_paused_it_runs_only_when_asked(bench: SchedulerBench) -> None:
    work = Work()
    one = bench.scheduler("one", job(work))
    step_and_tick(one)
    bench.lab.store.jobs.set_paused("work", True, by(bench))
    for _ in range(5):
        bench.wait(600)
        step_and_tick(one)
    assert work.runs == 0
    bench.lab.store.jobs.request_run("work", by(bench))
    step_and_tick(one)
    settle(one)
    assert work.runs == 1
    assert runs(bench)[0].asked_by == "ana"
    bench.lab.store.jobs.set_paused("work", False, by(bench))
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)
    settle(one)
    assert work.runs == 2


def test_another_schedule_counts_from_the_next_look(bench: SchedulerBench) -> None:
    work = Work()
    one = bench.scheduler("one", job(work, schedule="every 1 d"))
    step_and_tick(one)
    bench.lab.store.jobs.set_schedule("work", "every 1 min", by(bench))
    step_and_tick(one)
    bench.wait(60)
    step_and_tick(one)
    settle(one)
    assert work.runs == 1


def test_others_wait_for_the_first_run_of_each_leader(bench: SchedulerBench) -> None:
    first, other, probe = Work(held=True), Work(), Work()
    jobs = (
        job(first, FIRST_RUN, AT_START, limit_s=3600),
        job(other, "other", waits=True),
        job(probe, "probe"),
    )
    one = bench.scheduler("one", *jobs)
    step_and_tick(one)
    step_and_tick(one)
    assert first.started.wait(5)
    bench.wait(30)
    step_and_tick(one)
    bench.wait(570)
    step_and_tick(one)
    assert first.runs == 1
    assert other.runs == 0
    first.held = False
    settle(one)
    settle(one)
    assert (first.runs, other.runs, probe.runs) == (1, 1, 1)
    one.leadership.release()
    two = bench.scheduler("two", *jobs)
    step_and_tick(two)
    settle(two)
    settle(two)
    assert first.runs == 2


def test_a_frequent_job_that_waited_too_long_is_skipped_without_a_warning(
    bench: SchedulerBench, caplog: pytest.LogCaptureFixture
) -> None:
    first, drive, rare = Work(held=True), Work(), Work()
    often = {"schedule": "every 10 s", "misfire_s": 30, "waits": True}
    one = bench.scheduler(
        "one",
        job(first, FIRST_RUN, AT_START, limit_s=3600),
        job(drive, "drive", **often),
        job(rare, "rare", misfire_s=30, waits=True),
    )
    step_and_tick(one)
    step_and_tick(one)
    assert first.started.wait(5)
    bench.wait(640)
    step_and_tick(one)
    bench.wait(60)
    first.held = False
    settle(one)
    settle(one)
    (skipped,) = runs(bench, "drive")
    assert skipped.cause == "It waited; 12 min later was too late (limit 0.5 min)."
    assert "drive was skipped" not in caplog.text
    assert "rare was skipped: It waited" in caplog.text
    bench.wait(10)
    step_and_tick(one)
    settle(one)
    assert (drive.runs, rare.runs) == (1, 0)


def test_shut_down_it_says_what_became_of_its_runs_and_lets_go(bench: SchedulerBench) -> None:
    heeds, deaf = Work(held=True), Work(held=True, stops_when_cancelled=False)
    one = bench.scheduler("one", job(heeds, "heeds"), job(deaf, "deaf"))
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)
    assert heeds.started.wait(5)
    assert deaf.started.wait(5)
    one.start()
    one.stop(within_s=0.3)
    found = {run.job: (run.state, run.cause) for run in runs(bench)}
    assert found["heeds"] == (RunState.DONE, "")
    assert found["deaf"] == (
        RunState.CANCELLED,
        "The process is shutting down. The run had not ended; its later writes are rejected.",
    )
    two = bench.scheduler("two")
    step_and_tick(two)
    assert two.leadership.token is not None
    deaf.go.set()


def test_a_leaving_process_cancels_its_runs_and_lets_another_lead_at_once(
    bench: SchedulerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = Shutdown()
    for module in (job_run, scheduler):
        monkeypatch.setattr(module, "SHUTDOWN", leaving)

    def stop() -> None:
        raise Cancelled("Stopped after 3 of 24 instances.")

    work = Work(held=True, before_end=stop)
    one = bench.scheduler("one", job(work))
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)
    assert work.started.wait(5)
    leaving.request()
    one.start()  # nobody calls stop: the server is still closing its connections
    one._thread.join(5)
    (run,) = runs(bench)
    assert run.state is RunState.CANCELLED
    assert run.cause == "The process is shutting down. Stopped after 3 of 24 instances."
    two = bench.scheduler("two")
    step_and_tick(two)
    assert two.leadership.token is not None


def test_a_database_that_is_away_costs_no_outcome(
    bench: SchedulerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(result={"decisions": 3})
    one = bench.scheduler("one", job(work))
    step_and_tick(one)
    bench.wait(600)
    step_and_tick(one)

    def down(*_: object) -> bool:
        raise DatabaseDown("The database does not answer.", remedy="Wait.")

    for run in list(one._running.values()):
        run.join(5)
    with monkeypatch.context() as patch:
        patch.setattr(type(bench.lab.store.jobs), "finish", down)
        for _ in range(3):
            bench.wait(1)
            one.leadership.step()
            with pytest.raises(DatabaseDown):
                one.tick()
    step_and_tick(one)
    (run,) = runs(bench)
    assert (run.state, run.result) == (RunState.DONE, {"decisions": 3})


def test_due_times_keep_to_the_grid_whatever_the_jitter(bench: SchedulerBench) -> None:
    work = Work()
    one = bench.scheduler("one", job(work, jitter_s=30))
    one._jitter = lambda most: most
    step_and_tick(one)
    for _ in range(60):
        bench.wait(30)
        step_and_tick(one)
        settle(one)
    after = [run.due_at - bench.wall.at.replace(hour=12, minute=0) for run in runs(bench)]
    assert after == [timedelta(minutes=10 * n, seconds=30) for n in range(1, len(after) + 1)]


def test_a_leader_starts_its_first_job_without_waiting_for_ticks(
    bench: SchedulerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "TICK_EVERY_S", 600.0)
    work = Work()
    leader = Scheduler(bench.lab, "one", jobs=[job(work, schedule=AT_START)], ttl_s=1e6)
    leader.start()
    try:
        assert work.started.wait(60)
    finally:
        leader.stop()
