"""Sweeps in the background of a process that lives on, such as the app.

Their progress and a wish to stop them are in SQL: any session, and any process, can see and say it.
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
from spotlab.sweeps.process_pool import Workers
from spotlab.sweeps.run import Plan, running_sweep, run_plan

log = logging.getLogger("spotlab.sweeps.run")

_WAIT_S: Final = 0.5
"""How often a queued sweep looks whether the one of another process has ended."""


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """How far a sweep is.

    Args:
        record: as SQL has it.
        state: the record's, but "interrupted" where it says that it runs and nobody runs it.
        share: 0..1 of its cells.
        text: what is being done, where it is this process that does it; else "".
    """

    record: SweepRecord
    state: Literal["queued", "running", "done", "cancelled", "failed", "interrupted"]
    share: float
    text: str


class SweepJobs:
    """A thread that works off sweeps in the order they were submitted; safe to share.

    Args:
        sweeps: where they are kept.
        workers: where their cells are run.
        home: in which one sweep at a time runs, over all processes.
        clock: the time.
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
        """Queue a sweep; one that is queued here already, or done, stays as it is."""
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
        """Stop a sweep, whichever process runs it; finished cells are kept. Raises NotFound."""
        self._sweeps.cancel(sweep_id, by)

    def progress(self, sweep_id: str) -> SweepProgress:
        """How far it is, whichever process runs it. Raises NotFound."""
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
        """Until nothing is queued or running here; False when that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._texts, timeout_s)

    def close(self) -> None:
        """Stop what runs; it can go on another time."""
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
        """Whether nobody cancelled it while it was queued."""
        try:
            return self._sweeps.get(plan.sweep_id).state != "cancelled"
        except NotAvailable as exc:
            log.warning("sweep %s is not run: %s", plan.sweep_id, exc)
            return False
