"""Workers on a Dask cluster."""

from __future__ import annotations

import logging
import pickle
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from spotlab.errors import Cancelled, InvalidSetting, NotAvailable, one_line
from spotlab.processes.process_pool import POLL_S, FailedItem, Item, Result, Shared
from spotlab.processes.worker_process import Reply

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_TIMEOUT_S: Final = 5.0
WORKER_TIMEOUT_S: Final = 30.0
"""How long a cluster may have no worker: one that died may be restarting."""
_SCHEMES: Final = ("tcp://", "tls://")


class DaskWorkers:
    """The workers of a Dask scheduler, which must have the same version of SpotLab installed.

    An item whose workers die is retried by the scheduler (`allowed-failures`), and then once more
    while nothing else runs, so that no item fails because of another one on the same worker.

    Args:
        address: of the scheduler, `tcp://host:port`.
        connect_timeout_s: longest wait for the scheduler's response.
        worker_timeout_s: longest time without a worker.
    Raises:
        InvalidSetting: the address is not that of a scheduler.
    """

    def __init__(
        self,
        address: str,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        worker_timeout_s: float = WORKER_TIMEOUT_S,
    ) -> None:
        if not address.startswith(_SCHEMES) or not address.rpartition(":")[2].isdigit():
            raise InvalidSetting(
                f"SPOTLAB_DASK_SCHEDULER: {address!r} is not the address of a Dask scheduler.",
                remedy="Use tcp://host:port, or leave it empty to use processes on this machine.",
            )
        self._address = address
        self._connect_timeout_s = connect_timeout_s
        self._worker_timeout_s = worker_timeout_s

    def run(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Mapping[str, Item],
        on_done: Callable[[str, Result], None],
        cancelled: Callable[[], bool],
    ) -> list[FailedItem]:
        """Run all items; see `Workers.run`."""
        if not items:
            return []
        with self._connected() as client, ExitStack() as cleanup:
            submissions = _Submissions(client, pickle.dumps((function, shared)))
            cleanup.callback(submissions.close)
            threads = _ThreadCount(client, self._worker_timeout_s, self._address)
            waiting, retries = deque(items), deque[str]()
            failed: list[FailedItem] = []
            while waiting or retries or submissions.pending:
                if cancelled():
                    raise Cancelled("Cancelled; finished items were delivered.")
                capacity = 2 * threads.count()  # per thread, one running item and one in transfer
                while waiting and len(submissions.pending) < capacity:
                    submissions.submit(waiting.popleft(), items)
                if (
                    retries and not submissions.pending
                ):  # alone: if its worker dies now, it is the cause
                    submissions.submit(retries.popleft(), items, last=True)
                for name, reply, last in submissions.receive(POLL_S):
                    if reply is None and not last:
                        retries.append(name)
                    elif reply is None:
                        failed.append(FailedItem(name, "Its workers died repeatedly."))
                    elif reply[0] == "done":
                        on_done(name, reply[1])
                    elif reply[0] == "unprepared":
                        raise NotAvailable(
                            f"A Dask worker of {self._address} cannot be prepared: {reply[1]}",
                            remedy="Install the same version of SpotLab on every worker.",
                        )
                    else:
                        failed.append(FailedItem(name, reply[1]))
            return sorted(failed, key=lambda item: item.name)

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        from distributed import Client

        # Our own errors report a lost cluster.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            client = Client(self._address, timeout=self._connect_timeout_s, set_as_default=False)
        except (OSError, ValueError) as exc:
            raise NotAvailable(
                f"No Dask scheduler answered at {self._address} within "
                f"{self._connect_timeout_s:g} s ({one_line(exc)}).",
                remedy="Start one with `dask scheduler`, or unset SPOTLAB_DASK_SCHEDULER.",
            ) from exc
        try:
            yield client
        finally:
            client.close(timeout=self._connect_timeout_s)


class _ThreadCount:
    """Number of worker threads in the cluster, updated at most once a second."""

    def __init__(self, client: Client, worker_timeout_s: float, address: str) -> None:
        self._client = client
        self._worker_timeout_s = worker_timeout_s
        self._address = address
        self._threads = 0
        self._asked_at = -1.0
        self._seen_at = time.monotonic()

    def count(self) -> int:
        """Threads of all present workers.

        Raises:
            NotAvailable: the connection to the scheduler is lost, or it had no worker for too long.
        """
        now = time.monotonic()
        if self._client.status != "running":
            raise NotAvailable(
                f"The connection to the Dask scheduler {self._address} was lost.",
                remedy="Restart it and repeat the command: finished cells are stored.",
            )
        if now - self._asked_at >= 1.0 or not self._threads:
            self._asked_at = now
            self._threads = self._count_threads()
        if self._threads:
            self._seen_at = now
        elif now - self._seen_at > self._worker_timeout_s:
            raise NotAvailable(
                f"The Dask scheduler {self._address} has no worker.",
                remedy=f"Start one with `dask worker {self._address} --nthreads 1`.",
            )
        return self._threads

    def _count_threads(self) -> int:
        try:
            return sum(self._client.nthreads().values())
        except OSError:
            return 0  # the connection is being lost: the next status check reports it


class _Submissions:
    """Submitted items, and the plugin with their shared data.

    Shared data is not a task that items depend on: Dask would send all items to the worker that has
    it.
    """

    def __init__(self, client: Client, preparation: bytes) -> None:
        from spotlab.processes.dask_plugin import PreparedRun

        self._client = client
        self._run = f"spotlab-{uuid.uuid4().hex}"
        self._completed: SimpleQueue[Future[Any]] = SimpleQueue()
        self._submitted = 0
        self.pending: dict[Future[Any], tuple[str, bool]] = {}
        client.register_plugin(PreparedRun(self._run, preparation), name=self._run)

    def submit(self, name: str, items: Mapping[str, Any], *, last: bool = False) -> None:
        """Submit an item; `last`: it will not be retried."""
        from spotlab.processes.dask_plugin import run_on_worker

        self._submitted += 1
        key = f"{self._run}-{self._submitted}"
        payload = pickle.dumps(items[name])
        future = self._client.submit(run_on_worker, self._run, payload, key=key, pure=False)
        self.pending[future] = (name, last)
        future.add_done_callback(self._completed.put)

    def receive(self, within_s: float) -> list[tuple[str, Reply | None, bool]]:
        """Items completed within that time, with the reply (None: its workers died) and `last`."""
        try:
            future = self._completed.get(timeout=within_s)
        except Empty:
            return []
        name, last = self.pending.pop(future)
        return [(name, reply_of(future), last)]

    def close(self) -> None:
        """Cancel the pending items, and remove the shared data from the workers."""
        with suppress(OSError, RuntimeError):  # the connection to the scheduler is lost
            if self.pending:
                self._client.cancel(list(self.pending), force=True)
            self._client.unregister_worker_plugin(self._run)


def reply_of(future: Future[Any]) -> Reply | None:
    """The reply of a completed item; None: its workers died."""
    from distributed.scheduler import KilledWorker

    if future.status == "finished":
        try:
            reply: Reply = pickle.loads(future.result())  # noqa: S301  (our own workers')
        except KilledWorker:  # the worker with the result died, and so did those that retried it
            return None
        return reply
    if future.status != "error":  # lost by the scheduler in a restart
        return None
    exc = future.exception()
    return None if isinstance(exc, KilledWorker) else ("unprepared", one_line(exc))
