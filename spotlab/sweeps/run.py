"""Running sweeps on workers; each finished cell is stored, so that interrupted sweeps can resume.

The process that runs a sweep holds a lock on a file in the home. The kernel releases it however the
process ends, so that "running" in SQL can be checked against the lock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from spotlab.domain.ports import By
from spotlab.domain.ports.backtests import Sweeps
from spotlab.errors import Cancelled, NotAvailable, SpotlabError, SweepFailed
from spotlab.processes.dask_pool import DaskWorkers
from spotlab.processes.files import EXCLUSIVE, SHARED, acquire_lock, opened_lock, run_dir
from spotlab.processes.process_pool import ProcessWorkers, Workers
from spotlab.settings import Settings

Progress = Callable[[str, float], None]
Results = dict[str, dict[str, Any]]

_CANCEL_CHECK_S: Final = 1.0
"""Interval at which SQL is checked for a cancellation."""
_MAX_NAMED_CELLS: Final = 3
_BUILD_SHARE: Final = 0.1
"""Share of the progress bar for building the world."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything needed to run a sweep, in this process or another one, any number of times.

    Args:
        sweep_id: digest of everything that the results depend on.
        config: the specification, in plain values.
        cells: by key; arguments of `function`.
        build: builds the data that all cells share; called only if there are unfinished cells.
        function: (shared, cell) → result in plain values; importable by name.
    """

    sweep_id: str
    config: Mapping[str, Any]
    cells: Mapping[str, Any]
    build: Callable[[], Any]
    function: Callable[[Any, Any], dict[str, Any]]


def choose_workers(settings: Settings, processes: int | None = None) -> Workers:
    """The Dask cluster in the settings, or else processes of this machine.

    Raises:
        InvalidSetting: the scheduler's address is not valid.
    """
    if settings.dask_scheduler:
        return DaskWorkers(settings.dask_scheduler)
    return ProcessWorkers(processes)


def run_plan(
    plan: Plan,
    sweeps: Sweeps,
    workers: Workers,
    home: Path,
    now: datetime,
    progress: Progress,
    cancelled: Callable[[], bool],
    by: By | None = None,
) -> Results:
    """Run the unfinished cells, store each result, and return all results.

    The results are identical to those of a sweep that was never interrupted.

    Args:
        plan: to run.
        sweeps: records and results.
        workers: that run the cells.
        home: only one sweep at a time can run in it.
        now: aware UTC, for a new sweep.
        progress: called with the current step and the completed share, 0..1.
        cancelled: called every second; SQL is checked as well.
        by: the user, for the audit log; None: recorded already when the sweep was queued.
    Raises:
        Cancelled: finished cells are stored, and a later call resumes from there.
        SweepFailed: some cells failed; the others are stored.
        NotAvailable: another sweep is running in this home, or there are no workers.
    """
    if _unfinished(plan, sweeps):
        with exclusive_lock(home, plan.sweep_id):
            sweeps.open(plan.sweep_id, plan.config, len(plan.cells), now, by)
            sweeps.begin(plan.sweep_id)
            with _failure_recorded(plan, sweeps):
                _run(plan, _unfinished(plan, sweeps), sweeps, workers, progress, cancelled)
    sweeps.finish(plan.sweep_id, "done")
    progress("done", 1.0)
    return sweeps.finished(plan.sweep_id)


@contextmanager
def exclusive_lock(home: Path, sweep_id: str) -> Iterator[None]:
    """Hold the lock with which one sweep at a time runs in a home.

    Raises:
        NotAvailable: another sweep is running.
    """
    with opened_lock(_lock_file(home)) as handle:
        if not acquire_lock(handle, EXCLUSIVE, within_s=0.5):
            raise NotAvailable(
                f"Another sweep is running in this home ({_holder(handle) or 'just started'}).",
                remedy="Wait until it ends, or cancel it.",
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, sweep_id.encode(), 0)
        yield


def running_sweep(home: Path) -> str | None:
    """Id of the sweep that is running in this home, in any process; None if there is none."""
    with opened_lock(_lock_file(home)) as handle:
        return None if acquire_lock(handle, SHARED) else _holder(handle)


def _lock_file(home: Path) -> Path:
    return run_dir(home) / "sweep.lock"


def _holder(handle: int) -> str:
    return os.pread(handle, 200, 0).decode()


def _unfinished(plan: Plan, sweeps: Sweeps) -> dict[str, Any]:
    finished = sweeps.finished(plan.sweep_id)
    return {key: cell for key, cell in plan.cells.items() if key not in finished}


def _run(
    plan: Plan,
    unfinished: Mapping[str, Any],
    sweeps: Sweeps,
    workers: Workers,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> None:
    total = len(plan.cells)
    done = total - len(unfinished)
    stop_request = _StopRequest(plan.sweep_id, sweeps, cancelled)
    progress("preparing the world", 0.0)
    shared = plan.build()

    def store_result(key: str, result: dict[str, Any]) -> None:
        nonlocal done
        sweeps.store_cell(plan.sweep_id, key, result)
        done += 1
        progress(f"{done:,} of {total:,} cells", _BUILD_SHARE + (1.0 - _BUILD_SHARE) * done / total)

    if stop_request.is_set():
        raise Cancelled("Cancelled.")
    progress(f"{done:,} of {total:,} cells", _BUILD_SHARE + (1.0 - _BUILD_SHARE) * done / total)
    failed = workers.run(plan.function, shared, unfinished, store_result, stop_request.is_set)
    if failed:
        first = " ".join(f"{item.name}: {item.reason}" for item in failed[:_MAX_NAMED_CELLS])
        more = (
            f" And {len(failed) - _MAX_NAMED_CELLS} more." if len(failed) > _MAX_NAMED_CELLS else ""
        )
        raise SweepFailed(
            f"{len(failed)} of {total} cells failed. {first}{more}",
            remedy="The others are stored; the same command retries the failed ones.",
        )


@contextmanager
def _failure_recorded(plan: Plan, sweeps: Sweeps) -> Iterator[None]:
    """Record in SQL that a run was cancelled or failed."""
    try:
        yield
    except (Cancelled, KeyboardInterrupt):
        sweeps.finish(plan.sweep_id, "cancelled")
        done = sweeps.get(plan.sweep_id).done
        raise Cancelled(
            f"Stopped after {done:,} of {len(plan.cells):,} cells; these are stored.",
            remedy="The same command resumes from there.",
        ) from None
    except SpotlabError as exc:
        with suppress(NotAvailable):  # the database itself may be down
            sweeps.finish(plan.sweep_id, "failed", str(exc))
        raise


class _StopRequest:
    """Whether the sweep was cancelled, by the caller or in SQL, which is checked occasionally."""

    def __init__(self, sweep_id: str, sweeps: Sweeps, cancelled: Callable[[], bool]) -> None:
        self._sweep_id = sweep_id
        self._sweeps = sweeps
        self._cancelled = cancelled
        self._asked_at = time.monotonic()

    def is_set(self) -> bool:
        """True once the sweep was cancelled."""
        if self._cancelled():
            return True
        if time.monotonic() - self._asked_at < _CANCEL_CHECK_S:
            return False
        self._asked_at = time.monotonic()
        return self._sweeps.get(self._sweep_id).cancel_requested


def canonical(document: Any) -> str:
    """Canonical JSON of plain values: equal values give the same text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
