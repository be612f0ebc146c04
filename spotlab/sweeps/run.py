"""Sweeps on workers, kept cell by cell, so that what was killed can go on.

Whoever runs a sweep holds a lock file of the home: the kernel lets go of it however the process
ends, so that "running" in SQL is never believed of a process that is gone.
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
from spotlab.processes.files import ALONE, SHARED, opened, run_dir, take
from spotlab.settings import Settings
from spotlab.sweeps.dask_pool import DaskWorkers
from spotlab.sweeps.process_pool import ProcessWorkers, Workers

Progress = Callable[[str, float], None]
Results = dict[str, dict[str, Any]]

_CANCEL_CHECK_S: Final = 1.0
"""How often SQL is asked whether somebody wants the sweep to stop."""
_MAX_NAMED_CELLS: Final = 3
_BUILD_SHARE: Final = 0.1
"""Share of the progress that making the world takes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep that can be run, here or elsewhere, as often as needed.

    Args:
        sweep_id: digest of everything the results depend on.
        config: what was asked for, in plain values.
        cells: by key; what `function` takes.
        build: makes what all cells share; called only when there are cells left.
        function: (shared, cell) → result in plain values; importable by name.
    """

    sweep_id: str
    config: Mapping[str, Any]
    cells: Mapping[str, Any]
    build: Callable[[], Any]
    function: Callable[[Any, Any], dict[str, Any]]


def choose_workers(settings: Settings, processes: int | None = None) -> Workers:
    """The Dask cluster of the settings, else processes of this machine.

    Raises:
        InvalidSetting: the scheduler's address is none.
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
    """Run the cells that are not finished, keep each as it finishes, and give all results.

    The results are those of a sweep that was never interrupted, to the last bit.

    Args:
        plan: what to run.
        sweeps: where cells are kept.
        workers: where they are run.
        home: of whose lock file one sweep at a time holds.
        now: aware UTC, for a sweep that is new.
        progress: called with what is being done and the share done.
        cancelled: asked every second; SQL is asked as well.
        by: who asks, for the audit log; None: that was said when it was queued.
    Raises:
        Cancelled: stopped; finished cells are kept, and a later call goes on from there.
        SweepFailed: cells without a result; the others are kept.
        NotAvailable: another sweep runs in this home, or there are no workers.
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
    """Run as the one sweep of this home.

    Raises:
        NotAvailable: another one runs.
    """
    with opened(_lock_file(home)) as handle:
        if not take(handle, ALONE, within_s=0.5):
            raise NotAvailable(
                f"Another sweep is running in this home ({_holder(handle) or 'it just began'}).",
                remedy="Wait for it, or cancel it.",
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, sweep_id.encode(), 0)
        yield


def running_sweep(home: Path) -> str | None:
    """The sweep that runs in this home now, in whichever process; None: none does."""
    with opened(_lock_file(home)) as handle:
        return None if take(handle, SHARED) else _holder(handle)


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
        sweeps.keep(plan.sweep_id, key, result)
        done += 1
        progress(f"{done:,} of {total:,} cells", _BUILD_SHARE + (1.0 - _BUILD_SHARE) * done / total)

    if stop_request.is_set():
        raise Cancelled("Stopped.")
    progress(f"{done:,} of {total:,} cells", _BUILD_SHARE + (1.0 - _BUILD_SHARE) * done / total)
    failed = workers.run(plan.function, shared, unfinished, store_result, stop_request.is_set)
    if failed:
        first = " ".join(f"{one.name}: {one.reason}" for one in failed[:_MAX_NAMED_CELLS])
        more = f" And {len(failed) - _MAX_NAMED_CELLS} more." if len(failed) > _MAX_NAMED_CELLS else ""
        raise SweepFailed(
            f"{len(failed)} of {total} cells failed. {first}{more}",
            remedy="The others are kept; the same command tries these again.",
        )


@contextmanager
def _failure_recorded(plan: Plan, sweeps: Sweeps) -> Iterator[None]:
    """Write down how a run ended that was not done, and say what is left."""
    try:
        yield
    except (Cancelled, KeyboardInterrupt):
        sweeps.finish(plan.sweep_id, "cancelled")
        done = sweeps.get(plan.sweep_id).done
        raise Cancelled(
            f"Stopped after {done:,} of {len(plan.cells):,} cells; they are kept.",
            remedy="The same command goes on from there.",
        ) from None
    except SpotlabError as exc:
        with suppress(NotAvailable):  # it may be the database that is gone
            sweeps.finish(plan.sweep_id, "failed", str(exc))
        raise


class _StopRequest:
    """Whether the sweep is still wanted; SQL is asked only now and then."""

    def __init__(self, sweep_id: str, sweeps: Sweeps, cancelled: Callable[[], bool]) -> None:
        self._sweep_id = sweep_id
        self._sweeps = sweeps
        self._cancelled = cancelled
        self._asked_at = time.monotonic()

    def is_set(self) -> bool:
        """True once somebody wants it to stop."""
        if self._cancelled():
            return True
        if time.monotonic() - self._asked_at < _CANCEL_CHECK_S:
            return False
        self._asked_at = time.monotonic()
        return self._sweeps.get(self._sweep_id).cancel_requested


def canonical(document: Any) -> str:
    """Plain values as one text: the same values give the same text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
