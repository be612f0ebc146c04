"""Real processes: a leader that is killed or frozen is replaced, and writes nothing more."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spotlab.domain.ports import By, RunState
from spotlab.runtime.bootstrap import SystemClock
from spotlab.store import Store
from tests.conftest import ROOT
from tests.support.databases import Database, database
from tests.support.online import wait_until

__all__ = ["database"]
TTL_S = 5.0


@dataclass
class Worker:
    """A process that contends for the lead."""

    process: subprocess.Popen[str]

    def hears(self, beginning: str) -> str:
        """Its next line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(beginning):
                return line.strip()
        raise AssertionError(f"the worker ended with {self.process.wait()}")


@contextmanager
def worker(database: Database, folder: Path) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.support.job_worker"]
    with subprocess.Popen(
        [*command, database.url or "", str(folder), str(TTL_S)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def freeze(one: Worker, database: Database) -> None:
    """Stop a process outside of its transactions: SQLite has one write lock for all."""
    while True:
        one.process.send_signal(signal.SIGSTOP)
        if database.url:
            return
        connection = sqlite3.connect(database.sqlite_path, timeout=0)
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            one.process.send_signal(signal.SIGCONT)
        finally:
            connection.close()


def ask_for_slow(store: Store) -> None:
    store.jobs.request_run("slow", By("ana", SystemClock().now(), "", "a test"))


def lines(folder: Path) -> int:
    return len((folder / "often").read_text().splitlines())


def test_a_frozen_and_a_killed_leader_are_replaced_and_nothing_runs_twice(
    database: Database, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(database.opened())
        one, two = (stack.enter_context(worker(database, tmp_path)) for _ in range(2))
        for each in (one, two):
            each.hears("ready")
        wait_until(lambda: (tmp_path / "often").exists(), "somebody leads and works")
        lease = store.leases.get("scheduler")
        assert lease is not None
        if f"-{two.process.pid}-" in lease.holder:
            one, two = two, one
        token = int(one.hears("leads").split()[1])
        ask_for_slow(store)
        one.hears("slow began")

        freeze(one, database)
        began = time.monotonic()
        assert two.hears("leads") == f"leads {token + 1}"
        assert time.monotonic() - began < 2 * TTL_S
        wait_until(lambda: store.jobs.runs("slow")[0].state is RunState.LOST, "its run is lost")
        before = lines(tmp_path)
        wait_until(lambda: lines(tmp_path) > before, "the new leader works")

        one.process.send_signal(signal.SIGCONT)
        (tmp_path / "go").touch()
        assert one.hears("slow") == "slow was refused"
        assert store.health.last("late") is None
        assert store.jobs.runs("slow")[0].state is RunState.LOST

        two.process.kill()
        began = time.monotonic()
        assert one.hears("leads") == f"leads {token + 2}"
        assert time.monotonic() - began < 2 * TTL_S
        before = lines(tmp_path)
        wait_until(lambda: lines(tmp_path) > before, "the old leader leads again, and works")

        one.process.kill()
        one.process.wait()
        started = [run for run in store.jobs.runs("often", limit=500) if run.started_at]
        assert len({run.due_at for run in started}) == len(started)
        assert lines(tmp_path) <= len(started), "what is written down once ran once"
