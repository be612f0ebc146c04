"""Dask plugin that holds the function and the shared data of a run on every worker."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from distributed import WorkerPlugin
from distributed.worker import get_worker

from spotlab.errors import one_line
from spotlab.processes.worker_process import READY, Reply, reply_to


class PreparedRun(WorkerPlugin):
    """Function and shared data of a run, set up once on each present and future worker.

    Args:
        name: of the run.
        preparation: the function and the shared data, pickled.
    """

    def __init__(self, name: str, preparation: bytes) -> None:
        self.name = name
        self._preparation = preparation
        self._status: Reply = READY
        self._function: Callable[[Any, Any], Any] | None = None
        self._shared: Any = None

    def setup(self, worker: Any) -> None:  # noqa: ARG002 (Dask's signature)
        """Unpickle the preparation; called on a worker before its first item."""
        try:
            self._function, self._shared = pickle.loads(self._preparation)  # noqa: S301
        except Exception as exc:
            self._status = ("unprepared", one_line(exc))

    def reply_to(self, payload: bytes) -> bytes:
        """One item's reply; see `worker_process.reply_to`."""
        if self._function is None:
            return pickle.dumps(self._status)
        return reply_to(self._function, self._shared, pickle.loads(payload))  # noqa: S301


def run_on_worker(name: str, payload: bytes) -> bytes:
    """The task of one item: its reply, pickled."""
    plugin = get_worker().plugins[name]
    assert isinstance(plugin, PreparedRun)
    return plugin.reply_to(payload)
