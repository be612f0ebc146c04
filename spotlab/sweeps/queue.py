"""Background queue of sweeps in a long-running process, such as the app.

Progress and cancellation are stored in SQL, so that any session or process can see the progress of
a sweep and cancel it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from spotlab.domain.ports import By, Clock
from spotlab.domain.ports.backtests import SweepRecord, Sweeps
from spotlab.errors import Cancelled, NotAvailable, SpotlabError
from spotlab.processes.process_pool import Workers
from spotlab.sweeps.run import Plan, run_plan, running_sweep

log = logging.getLogger("spotlab.sweeps.run")

_WAIT_S: Final = 0.5
"""Interval at which a queued sweep checks whether the sweep of another process has ended."""


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """Progress of a sweep.

    Args:
        record: in SQL.
        state: the record's state, but "interrupted" if it is "running" and no process runs it.
        share: of finished cells, 0..1.
        text: the current step if this process runs the sweep, else "".
    """

    record: SweepRecord
    state: Literal["queued", "running", "done", "cancelled", "failed", "interrupted"]
    share: float
    text: str


class SweepQueue:
    """A thread that runs sweeps in the order of their submission; safe to share between threads.

    Args:
        sweeps: records and results.
        workers: that run the cells.
        home: one sweep at a time runs in a home, across all processes.
        clock: current time.
    """

    def __init__(self, sweeps: Sweeps, workers: Workers, home: Path, clock: Clock) -> None:
        self._sweeps = sweeps
        self._workers = workers
        self._home = home
        self._clock = clock
        self._queue: deque[Plan] = deque()
        self._texts: dict[str, str] = {}
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, plan: Plan, by: By | None = None) -> SweepRecord:
        """Queue a sweep, unless it is already queued here or done."""
        now = self._clock.now()
        record = self._sweeps.open(plan.sweep_id, plan.config, len(plan.cells), now, by)
        with self._changed:
            if plan.sweep_id not in self._texts and record.state != "done":
                self._texts[plan.sweep_id] = "waiting"
                self._queue.append(plan)
                self._changed.notify_all()
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run_queue, name="sweeps", daemon=True)
                self._thread.start()
        return record

    def cancel(self, sweep_id: str, by: By | None = None) -> None:
        """Cancel a sweep in any process; finished cells stay stored. Raises NotFound."""
        self._sweeps.cancel(sweep_id, by)

    def progress(self, sweep_id: str) -> SweepProgress:
        """Progress of a sweep in any process. Raises NotFound."""
        record = self._sweeps.get(sweep_id)
        text = self._texts.get(sweep_id, "")
        is_alive = record.state != "running" or running_sweep(self._home) == sweep_id
        return SweepProgress(
            record,
            record.state if is_alive else "interrupted",
            record.done / record.total if record.total else 0.0,
            text,
        )

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until no sweep is queued or running here; False on timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._texts, timeout_s)

    def close(self) -> None:
        """Stop the running sweep, which can be resumed later, and end the thread."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run_queue(self) -> None:
        while not self._closed.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed.is_set())
                if self._closed.is_set():
                    return
                plan = self._queue.popleft()
            try:
                self._run_plan(plan)
            finally:
                with self._changed:
                    del self._texts[plan.sweep_id]
                    self._changed.notify_all()

    def _run_plan(self, plan: Plan) -> None:
        def progress(text: str, _share: float) -> None:
            self._texts[plan.sweep_id] = text

        while running_sweep(self._home) is not None:  # in another process
            if self._closed.wait(_WAIT_S) or not self._is_wanted(plan):
                return
        try:
            if self._is_wanted(plan):
                run_plan(
                    plan,
                    self._sweeps,
                    self._workers,
                    self._home,
                    self._clock.now(),
                    progress,
                    self._closed.is_set,
                )
        except Cancelled:
            log.info("sweep %s was cancelled", plan.sweep_id)
        except SpotlabError as exc:
            log.warning("sweep %s failed: %s", plan.sweep_id, exc)
        except Exception as exc:
            log.exception("sweep %s failed", plan.sweep_id)
            self._sweeps.finish(plan.sweep_id, "failed", f"{type(exc).__name__}: {exc}")

    def _is_wanted(self, plan: Plan) -> bool:
        """Whether it was not cancelled while it was queued."""
        try:
            return self._sweeps.get(plan.sweep_id).state != "cancelled"
        except NotAvailable as exc:
            log.warning("sweep %s is skipped: %s", plan.sweep_id, exc)
            return False
