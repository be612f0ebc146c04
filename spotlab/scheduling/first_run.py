"""The first run of a lab, done once even if several threads and processes start together."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from spotlab.errors import Cancelled
from spotlab.pipeline.collect import Progress
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.leader_election import Leadership, hold_lease
from spotlab.runtime.shutdown import SHUTDOWN
from spotlab.scheduling.job_process import JobProcess
from spotlab.store.engine import Fence, fenced

FIRST_RUN: Final = "first-run"
"""Name of the job."""
LEASE: Final = "first run"
POLL_EVERY_S: Final = 0.2
CancelCheck = Callable[[], bool] | None


def get_ready(lab: Lab, progress: Progress | None = None, cancelled: CancelCheck = None) -> None:
    """List the fleet, collect a stale market, and evaluate instances without a decision.

    If several processes or threads start together, one does the work and the others wait for it.

    Args:
        lab: the lab to prepare.
        progress: called with the current step and the share done.
        cancelled: called between steps; True stops.
    Raises:
        Cancelled: the steps completed until then remain.
    """
    lab.process_state(FirstRun).run(lab, progress or (lambda _text, _share: None), cancelled)


class FirstRun:
    """Lets one thread of this process prepare the lab, while the others show its progress."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress = ("starting", 0.0)

    def run(self, lab: Lab, tell: Progress, cancelled: CancelCheck) -> None:
        """See `get_ready`."""
        while not self._lock.acquire(timeout=POLL_EVERY_S):
            tell(*self._progress)
            _raise_if(cancelled)
        try:
            self._get_ready(lab, self._recording(tell), cancelled)
        finally:
            self._lock.release()

    def _recording(self, tell: Progress) -> Progress:
        def record(text: str, share: float) -> None:
            self._progress = (text, share)
            tell(text, share)

        return record

    def _get_ready(self, lab: Lab, tell: Progress, cancelled: CancelCheck) -> None:
        if not _is_ready(lab):
            process = lab.process_state(JobProcess)
            if process.enabled:
                process.run(FIRST_RUN, tell, cancelled or (lambda: False))
            else:
                prepare(lab, tell, cancelled)
        tell("ready", 1.0)


def _is_ready(lab: Lab) -> bool:
    return not (lab.fleet_is_stale() or lab.market_is_stale() or _undecided(lab))


def prepare(lab: Lab, tell: Progress, cancelled: CancelCheck) -> Mapping[str, Any]:
    """Do what is missing, in this process, while no other does. Raises Cancelled."""
    me = f"{socket.gethostname()}:{os.getpid()}"
    lease = Leadership(lab.store.leases, LEASE, me, lab.settings.lease_ttl_s, lab.clock)
    waiting = lambda: tell("waiting for another process", 0.0)  # noqa: E731
    with (
        SHUTDOWN.uninterrupted(cancelled) as stop,
        hold_lease(lease, waiting, stop) as token,
        fenced(Fence(LEASE, token)),
    ):
        _run_steps(lab, tell, stop)
    return {}


def _run_steps(lab: Lab, tell: Progress, cancelled: CancelCheck) -> None:
    if lab.fleet_is_stale():
        tell("listing the fleet", 0.05)
        lab.sync_fleet(cancelled)
    _raise_if(cancelled)
    if lab.market_is_stale():
        lab.collect(lambda text, share: tell(text, 0.1 + 0.6 * share), cancelled)
    if new := _undecided(lab):
        evaluate_instances(lab, new, lambda text, share: tell(text, 0.7 + 0.3 * share), cancelled)


def _undecided(lab: Lab) -> list[str]:
    return [i.instance_id for i in lab.evaluated_instances() if i.last_evaluated_at is None]


def _raise_if(cancelled: CancelCheck) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("The first run was stopped.")
