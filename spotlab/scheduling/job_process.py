"""The process that runs heavy jobs for an app server or worker, while there are any.

What a collection or an evaluation needs of memory goes back when it ends, and its computations do
not hold the interpreter of the screens. The scheduler stays where it is: it holds the lease, starts
and stops runs, and records how they ended (docs/adr/0038-job-process.md).
"""

from __future__ import annotations

import logging
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal

from spotlab.errors import NotAvailable
from spotlab.telemetry import logs, metrics, traces

if TYPE_CHECKING:
    from spotlab.pipeline.collect import Progress
    from spotlab.settings import Settings
    from spotlab.store.engine import Fence
    from spotlab.telemetry.metrics import Observation

log = logging.getLogger("spotlab.scheduling")

IDLE_S: Final = 20.0
"""The process ends this long after its last run."""
CHECK_EVERY_S: Final = 0.1
"""How often a run checks whether it must stop."""
END_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run of a job.

    Args:
        number: of the run in this process.
        job: its name in the catalogue.
        fences: that each of its writes must pass.
        context: of its log lines.
        position: of its span, see `traces.position`.
    """

    number: int
    job: str
    fences: tuple[Fence, ...]
    context: Mapping[str, str]
    position: Mapping[str, str]


Message = tuple[Literal["prepare", "run", "stop", "end"], Any]
"""To the process: the settings and the role, a `RunRequest`, the number of a run, or nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """From the process.

    Args:
        number: of the run.
        kind: "progress", "done" or "error".
        value: text and share done, the result, or the error.
        observations: metrics since the last reply.
    """

    number: int
    kind: Literal["progress", "done", "error"]
    value: Any
    observations: tuple[Observation, ...] = ()


class JobProcess:
    """Runs jobs in a process that is started for the first and ends when there are none.

    Until `enable`, `enabled` is False, and jobs run in the process of their scheduler.
    """

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._child: _Child | None = None
        self._lock = threading.Lock()
        self._number = 0

    @property
    def enabled(self) -> bool:
        """Whether jobs may run in a process of their own."""
        return self._settings is not None

    @property
    def pid(self) -> int | None:
        """Id of the process; None: there is none."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def enable(self, settings: Settings) -> None:
        """Run jobs in a process from now on, with these settings; in the prestarted one first."""
        self._settings = settings
        if _prestarted:
            self._child = _prestarted.pop()
            self._child.end_if_idle = self._end_if_idle

    def run(self, job: str, tell: Progress, cancelled: Callable[[], bool]) -> Mapping[str, Any]:
        """Run a job with the fences and the log context of the caller.

        Args:
            job: its name in the catalogue.
            tell: called in this thread.
            cancelled: called in this thread; once it is True, the run is asked to stop.
        Returns:
            The job's result.
        Raises:
            SpotlabError: as the job raised it; another error is logged there, and is raised as a
                SpotlabError with its text.
            NotAvailable: the process cannot be started, or ended before the run did.
        """
        from spotlab.store.engine import fences

        replies: SimpleQueue[Reply] = SimpleQueue()
        with self._lock:
            self._number += 1
            number = self._number
            child = self._started()
            child.runs[number] = replies
        try:
            child.send(
                "run", RunRequest(number, job, fences(), logs.current_context(), traces.position())
            )
            stopping = False
            while True:
                if not stopping and cancelled():
                    stopping = True
                    child.send("stop", number)
                try:
                    reply = replies.get(timeout=CHECK_EVERY_S)
                except Empty:
                    continue
                metrics.report(reply.observations)
                if reply.kind == "progress":
                    tell(*reply.value)
                elif reply.kind == "error":
                    raise reply.value
                else:
                    result: Mapping[str, Any] = reply.value
                    return result
        finally:
            child.forget(number)

    def close(self) -> None:
        """End the process; runs that do not stop within END_WITHIN_S are killed."""
        with self._lock:
            self._settings = None
            child, self._child = self._child, None
        if child is not None:
            child.end(END_WITHIN_S)

    def _started(self) -> _Child:
        if self._settings is None:
            raise NotAvailable("The process of jobs was closed.")
        if self._child is None or not self._child.alive:
            try:
                self._child = _Child(self._settings, logs.role(), self._end_if_idle)
            except OSError as exc:
                raise NotAvailable(
                    f"The process of jobs cannot be started: {exc.strerror}."
                ) from exc
        return self._child

    def _end_if_idle(self, child: _Child) -> bool:
        with self._lock:
            if child.runs or time.monotonic() - child.used_at < IDLE_S:
                return False
            if self._child is child:
                self._child = None
        child.end(END_WITHIN_S)
        return True


@dataclass
class _Child:
    """The process and the thread that receives its replies."""

    settings: Settings
    role: str
    end_if_idle: Callable[[_Child], bool]
    runs: dict[int, SimpleQueue[Reply]] = field(default_factory=dict)
    used_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._connection, theirs = Pipe()
        self._sending = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "spotlab.scheduling.job_runs", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.alive = True
        self.send("prepare", (self.settings, self.role))
        threading.Thread(target=self._receive, name="job process", daemon=True).start()

    def send(self, kind: Literal["prepare", "run", "stop", "end"], value: Any) -> None:
        """Send a message; if the process has ended, the receiving thread reports it."""
        try:
            with self._sending:
                self._connection.send((kind, value))
        except OSError:
            return

    def forget(self, number: int) -> None:
        """A run is over."""
        self.used_at = time.monotonic()
        self.runs.pop(number, None)

    def end(self, within_s: float) -> None:
        """Ask it to end, then kill it."""
        self.send("end", None)
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self) -> None:
        while self._wait():
            try:
                reply: Reply = self._connection.recv()
            except (EOFError, OSError, pickle.UnpicklingError):
                break
            if (replies := self.runs.get(reply.number)) is not None:
                replies.put(reply)
        self.alive = False
        self._process.kill()  # if it closed the pipe and did not end
        code = self._process.wait()
        self._connection.close()
        for number, replies in list(self.runs.items()):
            error = NotAvailable(
                f"The process of jobs ended before the run did ({_reason(code)}).",
                remedy="The next run starts a new one.",
            )
            replies.put(Reply(number, "error", error))

    def _wait(self) -> bool:
        """Wait for a reply; False: it has ended because it was idle."""
        try:
            while not self._connection.poll(1.0):
                if self.end_if_idle(self):
                    return False
        except OSError:
            return False
        return True


_prestarted: Final[list[_Child]] = []


def prestart(settings: Settings, role: str) -> None:
    """Start the process while the rest of this one is imported; the first `enable` takes it over.

    A failure is not reported: the first run tries again, and reports its own.

    Args:
        settings: as the lab will have them.
        role: of this process, see `logs.configure`.
    """
    with suppress(OSError):
        _prestarted.append(_Child(settings, role, lambda _child: False))


def _reason(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def connection_of(argument: str) -> Connection:
    """The process's end of the pipe, from its command line."""
    return Connection(int(argument))
