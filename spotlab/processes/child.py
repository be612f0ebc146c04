"""A child process that is asked over pipes, within a time, and killed when it does not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from spotlab.processes.frames import Buffer, Ended, receive, send
from spotlab.processes.limits import environment

_REAPED_WITHIN_S: Final = 1.0
"""From the end of a pipe to the end of its process; one that stays longer closed it on purpose."""


class Child:
    """A program of this Python, with nothing of this process but two pipes.

    Args:
        module: run with `-m`; its first argument is this process's id.
        arguments: the others.
    Raises:
        OSError: no process could be started.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(os.getpid()), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._answers = self._process.stdin, self._process.stdout
        for pipe in (self._questions, self._answers):
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def ask(self, question: Sequence[Buffer], most: int, within_s: float) -> memoryview:
        """One frame for another; an empty question only listens.

        Args:
            question: the frame's parts.
            most: bytes that the answer may have.
            within_s: seconds for both.
        Raises:
            Lost: Ended, Overran or Garbled; it is of no more use.
        """
        until = time.monotonic() + within_s
        if question:
            send(self._questions.fileno(), question, until)
        return receive(self._answers.fileno(), most, until)

    def kill(self) -> None:
        """Kill it, and leave its pipes to whoever waits at them."""
        self._process.kill()

    def end(self) -> str:
        """Kill it if it lives; how it had ended by itself, in words, "" where it had not."""
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        for pipe in (self._questions, self._answers):
            with suppress(OSError):
                pipe.close()
        if code is None:
            return ""
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def end_after(self, why: Exception) -> str:
        """`end`, after a pipe was lost: a process that crashed is given the time to be gone."""
        if isinstance(why, Ended):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAPED_WITHIN_S)
        return self.end()


class Keeper:
    """A thread that starts children, since each is killed when the thread that started it ends.

    Args:
        tidy: called every `every_s` seconds while there is nothing to start.
        every_s: seconds.
    """

    def __init__(self, tidy: Callable[[], None], every_s: float) -> None:
        self._tidy = tidy
        self._every_s = every_s
        self._wanted: SimpleQueue[tuple[str, Sequence[str], Future[Child]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, module: str, arguments: Sequence[str], within_s: float) -> Child:
        """A child, started by the thread. Raises OSError."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
                self._thread.start()
        started: Future[Child] = Future()
        self._wanted.put((module, arguments, started))
        return started.result(within_s)

    def close(self) -> None:
        """End the thread, and so its children."""
        self._wanted.put(None)

    def _run(self) -> None:
        while True:
            try:
                wanted = self._wanted.get(timeout=self._every_s)
            except Empty:
                self._tidy()
                continue
            if wanted is None:
                return
            module, arguments, started = wanted
            try:
                started.set_result(Child(module, arguments))
            except BaseException as exc:
                started.set_exception(exc)
