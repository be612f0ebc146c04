"""Many items on many processes, each result as it comes.

A worker that dies loses only the item it was at, which is tried again; what a function raises is
its answer, and is not.
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
from spotlab.sweeps.worker_process import Said

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES: Final = 3
"""An item whose worker died this often is given up."""
POLL_S: Final = 0.1
"""Longest time until a wish to stop is noticed."""
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""The processes share the cores: threads within them would only wait for each other."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An item without a result.

    Args:
        name: the item's.
        reason: one sentence.
    """

    name: str
    reason: str


class Workers(Protocol):
    """Where the items of a long computation are worked on."""

    def run(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Mapping[str, Item],
        on_done: Callable[[str, Result], None],
        cancelled: Callable[[], bool],
    ) -> list[Failed]:
        """Call `function(shared, item)` for every item, in no order that is promised.

        Args:
            function: importable by name, and deterministic: it may be called again for an item.
            shared: what every item needs; sent once to each worker, not with each item.
            items: by name.
            on_done: called in this thread with a name and its result, as each finishes.
            cancelled: asked at least every second.
        Returns:
            The items that failed, by name: the function raised, or its workers died again and
            again.
        Raises:
            Cancelled: `cancelled` said so; what was done was delivered.
            NotAvailable: there are no workers, or they cannot be prepared.
        """
        ...


def cores() -> int:
    """How many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessWorkers:
    """Processes of this machine.

    They end with this process, even when it is killed, and do not hear its Ctrl-C.

    Args:
        processes: how many; None: one for each core.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or cores()

    def run(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Mapping[str, Item],
        on_done: Callable[[str, Result], None],
        cancelled: Callable[[], bool],
    ) -> list[Failed]:
        """See Workers.run."""
        crew = _Crew(pickle.dumps((function, shared)))
        try:
            crew.hire(min(self._processes, len(items)))
            waiting = deque(items)
            deaths: Counter[str] = Counter()
            failed: list[Failed] = []
            while waiting or crew.busy():
                if cancelled():
                    raise Cancelled("Stopped; what was finished is kept.")
                while waiting and (free := crew.free()):
                    free.start(waiting[0], items[waiting[0]])
                    waiting.popleft()
                for name, said in crew.heard(POLL_S):
                    if said is None:
                        deaths[name] += 1
                        if deaths[name] < TRIES:
                            waiting.append(name)
                        else:
                            failed.append(Failed(name, f"Its worker died {TRIES} times."))
                    elif said[0] == "done":
                        on_done(name, said[1])
                    else:
                        failed.append(Failed(name, said[1]))
            return sorted(failed, key=lambda one: one.name)
        finally:
            crew.dismiss()


class _Member:
    """One process, with the item it is at."""

    def __init__(self, preparation: bytes) -> None:
        self.connection, theirs = Pipe()
        self.item: str | None = None
        self.ready = False
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "spotlab.sweeps.worker_process", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **ONE_THREAD},
                start_new_session=True,
            )
        self._preparation = preparation

    def prepare(self) -> None:
        """Send what it needs before its first item."""
        self._send(lambda: self.connection.send(sys.path))
        self._send(lambda: self.connection.send_bytes(self._preparation))

    def start(self, name: str, item: object) -> None:
        """Give it an item."""
        self.item = name
        payload = pickle.dumps(item)
        self._send(lambda: self.connection.send_bytes(payload))

    def hear(self) -> Said | None:
        """What it says; None: it died."""
        try:
            said: Said = pickle.loads(self.connection.recv_bytes())  # noqa: S301  (our child's)
        except (EOFError, OSError):
            return None
        return said

    def end(self) -> int:
        """End it; its exit code."""
        self.process.kill()
        self.connection.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait()

    def _send(self, send: Callable[[], None]) -> None:
        try:
            send()
        except OSError:
            return  # it died: `hear` finds that out


class _Crew:
    """The processes of one run; those that die are replaced while there is work."""

    def __init__(self, preparation: bytes) -> None:
        self._preparation = preparation
        self._members: dict[Connection, _Member] = {}
        self._stillborn = 0

    def hire(self, count: int) -> None:
        """Start processes."""
        hired = []
        for _ in range(count):
            member = _Member(self._preparation)
            self._members[member.connection] = member
            hired.append(member)
        for member in hired:
            member.prepare()

    def busy(self) -> bool:
        """Whether any is at an item."""
        return any(member.item is not None for member in self._members.values())

    def free(self) -> _Member | None:
        """One that is ready for an item."""
        ready = (m for m in self._members.values() if m.ready and m.item is None)
        return next(ready, None)

    def heard(self, within_s: float) -> list[tuple[str, Said | None]]:
        """Items with what was said about them within that time; None: the worker died at it."""
        found = []
        for connection in wait(list(self._members), within_s):
            assert isinstance(connection, Connection)
            member = self._members[connection]
            said = member.hear()
            if said is None:
                self._replace(member)
            elif said[0] == "unprepared":
                raise NotAvailable(f"The worker processes cannot be prepared: {said[1]}")
            elif said[0] == "ready":
                member.ready = True
                continue
            if member.item is not None:
                found.append((member.item, said))
                member.item = None
        return found

    def dismiss(self) -> None:
        """End them all."""
        for member in self._members.values():
            member.end()
        self._members.clear()

    def _replace(self, member: _Member) -> None:
        del self._members[member.connection]
        code = member.end()
        if not member.ready:
            self._stillborn += 1
            if self._stillborn >= TRIES:
                raise NotAvailable(f"Worker processes die as they start ({_how(code)}).")
        self.hire(1)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
