"""Runs of jobs in their own process: `python -P -m spotlab.scheduling.job_runs FD`.

Started by job_process.JobProcess, which communicates with it over FD. It ends when that end of the
pipe is closed, also by kill -9.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
from contextlib import ExitStack
from typing import Any, Final

from spotlab.errors import SpotlabError, one_line
from spotlab.processes.memory import limit_arenas
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.lab import Lab
from spotlab.runtime.shutdown import SHUTDOWN
from spotlab.scheduling import first_run
from spotlab.scheduling.job_catalogue import Work, job
from spotlab.scheduling.job_process import Message, Reply, RunRequest, connection_of
from spotlab.settings import Settings
from spotlab.store.engine import fenced
from spotlab.telemetry import logs, metrics, traces
from spotlab.telemetry.redaction import redact

log = logging.getLogger("spotlab.scheduling")
NICENESS: Final = 5
"""Screens and API come first where processors are short."""


class _Runs:
    """Runs, each in a thread, and the lab that they share.

    The lab is opened once; if that fails, the run that needed it fails, and the next tries again.
    """

    def __init__(self, send: Any, settings: Settings) -> None:
        self._send, self._settings = send, settings
        self._stops: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._opening = threading.Lock()
        self._lab: Lab | None = None

    def open(self) -> Lab:
        """The lab. Raises what `bootstrap` raises."""
        with self._opening:
            if self._lab is None:
                self._lab = bootstrap(self._settings)
            return self._lab

    def start(self, request: RunRequest) -> None:
        """Start a thread for a run."""
        stop = self._stops[request.number] = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(request, stop), name=f"job {request.job}", daemon=True
        )
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def stop(self, number: int) -> None:
        """Ask a run to stop."""
        if (stop := self._stops.get(number)) is not None:
            stop.set()

    def close(self) -> None:
        """Ask all runs to stop, wait for them and close the lab."""
        SHUTDOWN.request()
        for stop in self._stops.values():
            stop.set()
        for thread in self._threads:
            thread.join()
        if self._lab is not None:
            self._lab.close()

    def _run(self, request: RunRequest, stop: threading.Event) -> None:
        def tell(text: str, share: float) -> None:
            self._send(Reply(request.number, "progress", (text, share)))

        with ExitStack() as inside:
            inside.enter_context(logs.log_context(**request.context))
            inside.enter_context(traces.continued(request.position))
            for fence in request.fences:
                inside.enter_context(fenced(fence))
            try:
                result = dict(_work(request.job)(self.open(), tell, stop.is_set))
                reply = Reply(request.number, "done", result, _observations())
            except Exception as exc:
                if not isinstance(exc, SpotlabError):
                    log.exception("%s failed", request.job)
                reply = Reply(request.number, "error", portable(exc), _observations())
        self._stops.pop(request.number, None)
        self._send(reply)


def _work(name: str) -> Work:
    if name == first_run.FIRST_RUN:
        return first_run.prepare
    found = job(name)
    if found is None:
        raise SpotlabError(f"There is no job {name!r}.")
    return found.run


def _observations() -> tuple[metrics.Observation, ...]:
    return tuple(metrics.take_relayed())


def portable(exc: Exception) -> SpotlabError:
    """An error that another process can raise: itself, or its text in one line."""
    if isinstance(exc, SpotlabError):
        try:
            copy = pickle.loads(pickle.dumps(exc))  # noqa: S301
        except Exception:
            copy = None
        if isinstance(copy, SpotlabError) and str(copy) == str(exc):
            return copy
    return SpotlabError(redact(one_line(exc)))


def main(arguments: list[str]) -> None:
    """Receive the settings, then runs, until told to end."""
    limit_arenas()
    os.nice(NICENESS)
    connection = connection_of(arguments[0])
    sending = threading.Lock()

    def send(reply: Reply) -> None:
        with sending:
            connection.send(reply)

    try:
        _, (settings, role) = connection.recv()
        logs.configure(settings.log_level, role=role)
        logs.adopt()
        metrics.relay()
        runs = _Runs(send, settings)
        threading.Thread(target=_prepare, args=(runs,), name="prepare", daemon=True).start()
        while True:
            message: Message = connection.recv()
            kind, value = message
            if kind == "run":
                runs.start(value)
            elif kind == "stop":
                runs.stop(value)
            else:
                break
    except (EOFError, OSError):
        os._exit(1)  # the scheduler's process is gone: its runs end as it did
    runs.close()
    os._exit(0)  # nothing is left to do, and imports need not be taken down


def _prepare(runs: _Runs) -> None:
    """Open the lab before the first run needs it."""
    try:
        runs.open()
    except SpotlabError as exc:
        log.debug("the lab cannot be opened yet: %s", exc)


if __name__ == "__main__":
    main(sys.argv[1:])
