"""Many items on a Dask cluster, each result as it comes."""

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
from spotlab.sweeps.process_pool import POLL_S, FailedItem, Item, Result, Shared
from spotlab.sweeps.worker_process import Reply

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_TIMEOUT_S: Final = 5.0
WORKER_TIMEOUT_S: Final = 30.0
"""How long a cluster may be without any worker: one that died may be starting again."""
_SCHEMES: Final = ("tcp://", "tls://")


class DaskWorkers:
    """The workers of a Dask scheduler, which must have this SpotLab installed.

    An item whose workers die is tried again by the scheduler (`allowed-failures`), then once more
    by itself, so that no item is given up for what another one did to a worker they shared.

    Args:
        address: of the scheduler, `tcp://host:port`.
        connect_timeout_s: longest wait for the scheduler's answer.
        worker_timeout_s: longest time without a worker.
    Raises:
        InvalidSetting: this is no address of a scheduler.
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
                f"SPOTLAB_DASK_SCHEDULER: {address!r} is no address of a Dask scheduler.",
                remedy="Use tcp://host:port, or leave it empty for processes of this machine.",
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
        """See Workers.run."""
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
                    raise Cancelled("Stopped; what was finished is kept.")
                capacity = 2 * threads.count()  # one at work, one on its way
                while waiting and len(submissions.pending) < capacity:
                    submissions.submit(waiting.popleft(), items)
                if retries and not submissions.pending:  # alone: if a worker dies now, it is its doing
                    submissions.submit(retries.popleft(), items, last=True)
                for name, reply, last in submissions.receive(POLL_S):
                    if reply is None and not last:
                        retries.append(name)
                    elif reply is None:
                        failed.append(FailedItem(name, "Its workers died again and again."))
                    elif reply[0] == "done":
                        on_done(name, reply[1])
                    elif reply[0] == "unprepared":
                        raise NotAvailable(
                            f"A Dask worker of {self._address} cannot be prepared: {reply[1]}",
                            remedy="Run the same SpotLab on every worker.",
                        )
                    else:
                        failed.append(FailedItem(name, reply[1]))
            return sorted(failed, key=lambda one: one.name)

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        from distributed import Client

        # What it logs about a cluster that goes away is said by our own errors.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            client = Client(self._address, timeout=self._connect_timeout_s, set_as_default=False)
        except (OSError, ValueError) as exc:
            raise NotAvailable(
                f"No Dask scheduler answers at {self._address} within "
                f"{self._connect_timeout_s:g} s ({one_line(exc)}).",
                remedy="Start one with `dask scheduler`, or unset SPOTLAB_DASK_SCHEDULER.",
            ) from exc
        try:
            yield client
        finally:
            client.close(timeout=self._connect_timeout_s)


class _ThreadCount:
    """How many items the cluster can be at, asked now and then."""

    def __init__(self, client: Client, worker_timeout_s: float, address: str) -> None:
        self._client = client
        self._worker_timeout_s = worker_timeout_s
        self._address = address
        self._threads = 0
        self._asked_at = -1.0
        self._seen_at = time.monotonic()

    def count(self) -> int:
        """Threads of the workers there are.

        Raises:
            NotAvailable: the scheduler is gone, or has had no worker for too long.
        """
        now = time.monotonic()
        if self._client.status != "running":
            raise NotAvailable(
                f"The Dask scheduler {self._address} went away.",
                remedy="Start it again and repeat the command: what was finished is kept.",
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
            return 0  # it is going away: the status says so next


class _Submissions:
    """The items that the cluster is at, and what they need to share.

    The shared part is no task that items depend on: Dask would send them all to the worker that
    holds it.
    """

    def __init__(self, client: Client, preparation: bytes) -> None:
        from spotlab.sweeps.dask_plugin import PreparedRun

        self._client = client
        self._run = f"spotlab-{uuid.uuid4().hex}"
        self._completed: SimpleQueue[Future[Any]] = SimpleQueue()
        self._submitted = 0
        self.pending: dict[Future[Any], tuple[str, bool]] = {}
        client.register_plugin(PreparedRun(self._run, preparation), name=self._run)

    def submit(self, name: str, items: Mapping[str, Any], *, last: bool = False) -> None:
        """Send an item; `last`: it is not tried again after this."""
        from spotlab.sweeps.dask_plugin import run_on_worker

        self._submitted += 1
        key = f"{self._run}-{self._submitted}"
        payload = pickle.dumps(items[name])
        future = self._client.submit(run_on_worker, self._run, payload, key=key, pure=False)
        self.pending[future] = (name, last)
        future.add_done_callback(self._completed.put)

    def receive(self, within_s: float) -> list[tuple[str, Reply | None, bool]]:
        """Items with what was said about them within that time; None: their workers died."""
        try:
            future = self._completed.get(timeout=within_s)
        except Empty:
            return []
        name, last = self.pending.pop(future)
        return [(name, reply_of(future), last)]

    def close(self) -> None:
        """Take back what has not begun, and let the workers forget what was shared."""
        with suppress(OSError, RuntimeError):  # the scheduler, or the client that lost it, is gone
            if self.pending:
                self._client.cancel(list(self.pending), force=True)
            self._client.unregister_worker_plugin(self._run)


def reply_of(future: Future[Any]) -> Reply | None:
    """What was said about an item; None: its workers died."""
    from distributed.scheduler import KilledWorker

    if future.status == "finished":
        try:
            reply: Reply = pickle.loads(future.result())  # noqa: S301  (our own workers')
        except KilledWorker:  # the one that held the result died, and the next one at it, too
            return None
        return reply
    if future.status != "error":  # the scheduler forgot it: it was restarted
        return None
    exc = future.exception()
    return None if isinstance(exc, KilledWorker) else ("unprepared", one_line(exc))
