"""The first run of a lab, once, however many threads and processes start at once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Final

from spotlab.errors import Cancelled
from spotlab.pipeline.collect import Progress
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.runtime.shutdown import LEAVING
from spotlab.scheduling.leader_election import Leadership, alone
from spotlab.store.engine import Fence, fenced

LEASE: Final = "first run"
LOOK_EVERY_S: Final = 0.2
Asked = Callable[[], bool] | None


def get_ready(lab: Lab, progress: Progress | None = None, cancelled: Asked = None) -> None:
    """List the fleet, collect when old, and decide about what was never decided.

    Of several processes and threads that start at once, one does it while the others wait.

    Args:
        lab: what is to be ready.
        progress: called with what is being done and the share done.
        cancelled: asked between steps.
    Raises:
        Cancelled: what was done until then is kept.
    """
    lab.process_state(FirstRun).run(lab, progress or (lambda _text, _share: None), cancelled)


class FirstRun:
    """Lets one thread of this process get the lab ready; the others see its progress."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said = ("starting", 0.0)

    def run(self, lab: Lab, tell: Progress, cancelled: Asked) -> None:
        """See `get_ready`."""
        while not self._lock.acquire(timeout=LOOK_EVERY_S):
            tell(*self._said)
            _stop_if(cancelled)
        try:
            self._get_ready(lab, self._telling(tell), cancelled)
        finally:
            self._lock.release()

    def _telling(self, tell: Progress) -> Progress:
        def told(text: str, share: float) -> None:
            self._said = (text, share)
            tell(text, share)

        return told

    def _get_ready(self, lab: Lab, tell: Progress, cancelled: Asked) -> None:
        if lab.must_list() or lab.must_collect() or _never_decided(lab):
            me = f"{socket.gethostname()}:{os.getpid()}"
            ttl_s = lab.settings.lease_ttl_s
            lease = Leadership(lab.store.leases, LEASE, me, ttl_s, lab.clock)
            waiting = lambda: tell("another process is at it", 0.0)  # noqa: E731
            with (
                LEAVING.at_work(cancelled) as stop,
                alone(lease, waiting, stop) as token,
                fenced(Fence(LEASE, token)),
            ):
                _do(lab, tell, stop)
        tell("ready", 1.0)


def _do(lab: Lab, tell: Progress, cancelled: Asked) -> None:
    if lab.must_list():
        tell("listing the fleet", 0.05)
        lab.sync_fleet(cancelled)
    _stop_if(cancelled)
    if lab.must_collect():
        lab.collect(lambda text, share: tell(text, 0.1 + 0.6 * share), cancelled)
    if new := _never_decided(lab):
        evaluate_instances(lab, new, lambda text, share: tell(text, 0.7 + 0.3 * share), cancelled)


def _never_decided(lab: Lab) -> list[str]:
    return [i.instance_id for i in lab.evaluated() if i.last_evaluated_at is None]


def _stop_if(cancelled: Asked) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("Getting ready was stopped.")
