"""A worker process with two small jobs, for tests that kill and stop it.

python -m tests.support.job_worker URL FOLDER TTL_S: prints "ready", then "leads TOKEN" each time
that it becomes the leader. The job "often" adds a line to FOLDER/often. The job "slow" runs until
FOLDER/go exists, ignores cancellation, and then prints whether it could still write.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spotlab.errors import Fenced
from spotlab.pipeline.collect import Progress
from spotlab.runtime.lab import Lab
from spotlab.scheduling import schedules
from spotlab.scheduling.background import WORKER, ProcessHeartbeat, process_id
from spotlab.scheduling.job_catalogue import Job
from spotlab.scheduling.scheduler import Scheduler
from spotlab.store import open_store
from tests.support.jobs import lab_over


def say(text: str) -> None:
    print(text, flush=True)


def main(url: str, folder: Path, ttl_s: float) -> None:
    def often(_lab: Lab, _tell: Progress, _cancelled: Callable[[], bool]) -> Mapping[str, Any]:
        with (folder / "often").open("a") as lines:
            lines.write(f"{os.getpid()}\n")
        return {}

    def slow(lab: Lab, _tell: Progress, _cancelled: Callable[[], bool]) -> Mapping[str, Any]:
        say("slow began")
        while not (folder / "go").exists():
            time.sleep(0.01)
        try:
            lab.store.health.note("late", ok=True, at=lab.clock.now(), latency_ms=None, reason="")
        except Fenced:
            say("slow was refused")
            raise
        say("slow has written")
        return {}

    schedules.SHORTEST_S = 0.1
    jobs = (
        Job("often", "often", "", "every 0.5 s", 0.1, 30, 30, often, waits=False),
        Job("slow", "slow", "", "every 30 d", 0, 60, 60, slow, waits=False),
    )
    lab = lab_over(open_store(url or None, folder / "home" / "spotlab.db"), folder)
    ProcessHeartbeat(lab, WORKER).start()
    scheduler = Scheduler(lab, process_id(), jobs=jobs, ttl_s=ttl_s)
    scheduler.start()
    say("ready")
    led = None
    while True:
        token = scheduler.leadership.token
        if token != led and token is not None:
            say(f"leads {token}")
        led = token
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
