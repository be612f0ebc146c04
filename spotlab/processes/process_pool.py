"""Protocol of workers, and workers that are processes of this machine.

If a worker dies, its current item is retried; an item whose function raises an error is not.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Final, Protocol, TypeVar

from spotlab.errors import Cancelled, NotAvailable
from spotlab.processes.worker_process import Reply

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_DEATHS: Final = 3
"""An item whose workers died this often fails."""
POLL_S: Final = 0.1
"""Longest time until a cancellation is noticed."""
ONE_THREAD_ENVIRONMENT: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Environment of the processes: they share the cores, so more threads would only wait."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item without a result.

    Args:
        name: of the item.
        reason: one sentence.
    """

    name: str
    reason: str


class Workers(Protocol):
    """Runs the items of a long computation."""

    def run(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Mapping[str, Item],
        on_done: Callable[[str, Result], None],
        cancelled: Callable[[], bool],
    ) -> list[FailedItem]:
        """Call `function(shared, item)` for every item, in any order.

        Args:
            function: importable by name, and deterministic: it may be called again for an item.
            shared: data for all items; sent once to each worker, not with each item.
            items: by name.
            on_done: called in this thread with the name and result of each finished item.
            cancelled: called at least every second.
        Returns:
            The items that failed, sorted by name: the function raised an error, or the item's
            workers died repeatedly.
        Raises:
            Cancelled: `cancelled` returned True; finished items were delivered.
            NotAvailable: there are no workers, or they cannot be prepared.
        """
        ...


def core_count() -> int:
    """Number of processes that can run in parallel on this machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessWorkers:
    """Processes of this machine.

    They end with this process, even if it is killed, and do not receive its Ctrl-C.

    Args:
        processes: number of processes; None: one per core.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or core_count()

    def run(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Mapping[str, Item],
        on_done: Callable[[str, Result], None],
        cancelled: Callable[[], bool],
    ) -> list[FailedItem]:
        """Run all items; see `Workers.run`."""
        pool = _ProcessPool(pickle.dumps((function, shared)))
        try:
            pool.start(min(self._processes, len(items)))
            waiting = deque(items)
            deaths: Counter[str] = Counter()
            failed: list[FailedItem] = []
            while waiting or pool.busy():
                if cancelled():
                    raise Cancelled("Cancelled; finished items were delivered.")
                while waiting and (worker := pool.idle_worker()):
                    worker.start(waiting[0], items[waiting[0]])
                    waiting.popleft()
                for name, reply in pool.receive(POLL_S):
                    if reply is None:
                        deaths[name] += 1
                        if deaths[name] < MAX_DEATHS:
                            waiting.append(name)
                        else:
                            failed.append(FailedItem(name, f"Its worker died {MAX_DEATHS} times."))
                    elif reply[0] == "done":
                        on_done(name, reply[1])
                    else:
                        failed.append(FailedItem(name, reply[1]))
            return sorted(failed, key=lambda item: item.name)
        finally:
            pool.stop()


class _WorkerProcess:
    """One worker process, with its current item."""

    def __init__(self, preparation: bytes) -> None:
        self.connection, worker_end = Pipe()
        self.item: str | None = None
        self.ready = False
        with worker_end:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "spotlab.processes.worker_process",
                    str(worker_end.fileno()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=(worker_end.fileno(),),
                env={**os.environ, **ONE_THREAD_ENVIRONMENT},
                start_new_session=True,
            )
        self._preparation = preparation

    def prepare(self) -> None:
        """Send sys.path, the function and the shared data."""
        self._send(lambda: self.connection.send(sys.path))
        self._send(lambda: self.connection.send_bytes(self._preparation))

    def start(self, name: str, item: object) -> None:
        """Send an item."""
        self.item = name
        payload = pickle.dumps(item)
        self._send(lambda: self.connection.send_bytes(payload))

    def receive(self) -> Reply | None:
        """Its reply; None: it died."""
        try:
            reply: Reply = pickle.loads(self.connection.recv_bytes())  # noqa: S301  (our child's)
        except (EOFError, OSError):
            return None
        return reply

    def kill(self) -> int:
        """Kill it; returns its exit code."""
        self.process.kill()
        self.connection.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait()

    def _send(self, send: Callable[[], None]) -> None:
        try:
            send()
        except OSError:
            return  # it died: `receive` reports that


class _ProcessPool:
    """The worker processes of one run; processes that die are replaced."""

    def __init__(self, preparation: bytes) -> None:
        self._preparation = preparation
        self._workers: dict[Connection, _WorkerProcess] = {}
        self._failed_starts = 0

    def start(self, count: int) -> None:
        """Start worker processes."""
        started = []
        for _ in range(count):
            worker = _WorkerProcess(self._preparation)
            self._workers[worker.connection] = worker
            started.append(worker)
        for worker in started:
            worker.prepare()

    def busy(self) -> bool:
        """Whether any worker has an item."""
        return any(member.item is not None for member in self._workers.values())

    def idle_worker(self) -> _WorkerProcess | None:
        """A worker that is ready for an item, or None."""
        ready = (m for m in self._workers.values() if m.ready and m.item is None)
        return next(ready, None)

    def receive(self, within_s: float) -> list[tuple[str, Reply | None]]:
        """Items completed within that time, with the reply; None: the worker died."""
        replies = []
        for connection in wait(list(self._workers), within_s):
            assert isinstance(connection, Connection)
            worker = self._workers[connection]
            reply = worker.receive()
            if reply is None:
                self._replace(worker)
            elif reply[0] == "unprepared":
                raise NotAvailable(f"The worker processes cannot be prepared: {reply[1]}")
            elif reply[0] == "ready":
                worker.ready = True
                continue
            if worker.item is not None:
                replies.append((worker.item, reply))
                worker.item = None
        return replies

    def stop(self) -> None:
        """Kill all workers."""
        for worker in self._workers.values():
            worker.kill()
        self._workers.clear()

    def _replace(self, worker: _WorkerProcess) -> None:
        del self._workers[worker.connection]
        code = worker.kill()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_DEATHS:
                raise NotAvailable(f"Worker processes die at their start ({_exit_reason(code)}).")
        self.start(1)


def _exit_reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
