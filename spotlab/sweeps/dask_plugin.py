"""What the items of one run share, on every Dask worker."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from distributed import WorkerPlugin
from distributed.worker import get_worker

from spotlab.errors import one_line
from spotlab.sweeps.worker_process import READY, Reply, reply_to


class PreparedRun(WorkerPlugin):
    """Kept by the scheduler, and set up once on each worker: those of now and those to come.

    Args:
        name: of the run.
        preparation: the function and what its items share, pickled.
    """

    def __init__(self, name: str, preparation: bytes) -> None:
        self.name = name
        self._preparation = preparation
        self._error: Reply = READY
        self._function: Callable[[Any, Any], Any] | None = None
        self._shared: Any = None

    def setup(self, worker: Any) -> None:  # noqa: ARG002 (Dask's signature)
        """On a worker, before its first item."""
        try:
            self._function, self._shared = pickle.loads(self._preparation)  # noqa: S301
        except Exception as exc:
            self._error = ("unprepared", one_line(exc))

    def reply_to(self, payload: bytes) -> bytes:
        """One item's answer; see `worker.answer`."""
        if self._function is None:
            return pickle.dumps(self._error)
        return reply_to(self._function, self._shared, pickle.loads(payload))  # noqa: S301


def run_on_worker(name: str, payload: bytes) -> bytes:
    """The task that is sent for each item."""
    plugin = get_worker().plugins[name]
    assert isinstance(plugin, PreparedRun)
    return plugin.reply_to(payload)
