"""Drivers that are killed with SIGKILL while they work on an emulated AWS and a real database."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotlab.demo.delays import FAST
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import Clock
from spotlab.domain.ports import By
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Phase, SwitchState
from spotlab.store import Store, open_store
from tests.switching.emulated_switch import EmulatedSwitch, Holdings, Seconds

KILLED_AT = (9, 21, 31)
"""After how many journal entries each driver is killed; the last one finishes."""
WAIT_S, LOOK_EVERY_S = 100.0, 0.02


class RealSeconds(Seconds):
    """The emulated world's clock, advanced by real time and by the test."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def __call__(self) -> float:
        return self.value + time.monotonic() - self._began

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.value)


SECONDS = RealSeconds()


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    clock = Clock(None, SECONDS)
    with serve_in_thread(7, clock=clock, delays=FAST.scaled(0.02)) as running:
        yield running


def test_killed_again_and_again_the_switch_is_finished_and_nothing_lost(
    served: RunningServer, tmp_path: Path
) -> None:
    holdings = Holdings(served, SECONDS, "killed")
    prepared = EmulatedSwitch(served, SECONDS, holdings.instance_id, Strategy.FROM_IMAGE)
    database = tmp_path / "spotlab.sqlite"
    store = open_store(None, database)
    switch = replace(prepared.store.switch, version=0)
    store.switches.create(switch, By("ana", datetime.now(UTC)))
    kills = 0
    *killed, last = [
        _start(database, served.endpoint_url, switch.switch_id) for _ in (*KILLED_AT, None)
    ]
    for process, entries in zip(killed, KILLED_AT, strict=True):
        kills += _kill_after(process, store, switch.switch_id, entries)
    last.communicate(b"drive", WAIT_S)
    assert last.returncode == 0
    done, journal = store.switches.get(switch.switch_id), store.switches.journal(switch.switch_id)
    story = "\n".join(f"{each.token} {each.phase.value} {each.action}" for each in journal)
    assert kills == len(KILLED_AT), story
    assert done.state is SwitchState.DONE, story
    assert holdings.problems(done) == [], story
    assert len({each.token for each in journal}) == kills + 1, "each driver has its own token"
    assert sum(each.phase is Phase.BEFORE for each in journal) >= 8
    store.close()


def _start(database: Path, endpoint_url: str, switch_id: str) -> subprocess.Popen[bytes]:
    module = "tests.switching.driving_process"
    command = [sys.executable, "-m", module, str(database), endpoint_url, switch_id]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def _kill_after(
    process: subprocess.Popen[bytes], store: Store, switch_id: str, entries: int
) -> bool:
    """Kill a driver once the journal has this many entries; False: it had ended before."""
    assert process.stdin is not None
    process.stdin.write(b"drive")
    process.stdin.close()
    deadline = time.monotonic() + WAIT_S
    reached = False
    while not reached and time.monotonic() < deadline:
        try:
            process.wait(LOOK_EVERY_S)
            break
        except subprocess.TimeoutExpired:
            reached = len(store.switches.journal(switch_id)) >= entries
    process.kill()
    process.wait()
    return reached
