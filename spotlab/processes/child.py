"""A child process that serves requests over pipes, with a timeout after which it can be killed."""

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

from spotlab.processes.frames import Buffer, PipeClosed, receive, send
from spotlab.processes.limits import child_environment

_EXIT_WAIT_S: Final = 1.0
"""Time from the end of a pipe to the exit of its process; a process that runs longer closed the
pipe deliberately."""


class Child:
    """A Python module in a child process that inherits only two pipes.

    Args:
        module: run with `-m`; its first argument is this process's id.
        arguments: further arguments.
    Raises:
        OSError: the process could not be started.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(os.getpid()), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def request(self, parts: Sequence[Buffer], max_bytes: int, within_s: float) -> memoryview:
        """Send one frame and receive one; without parts, only receive.

        Args:
            parts: the frame's parts.
            max_bytes: maximum size of the response, bytes.
            within_s: timeout for both, s.
        Raises:
            PipeError: the child is no longer usable.
        """
        until = time.monotonic() + within_s
        if parts:
            send(self._stdin.fileno(), parts, until)
        return receive(self._stdout.fileno(), max_bytes, until)

    def kill(self) -> None:
        """Kill it; its pipes stay open for a thread that is waiting for them."""
        self._process.kill()

    def end(self) -> str:
        """Kill it if it is running, and close its pipes.

        Returns:
            How it had ended on its own, such as "SIGSEGV" or "exit code 1"; "" if it was running.
        """
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()
        if code is None:
            return ""
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def end_after_error(self, error: Exception) -> str:
        """`end` after an error; if the pipe was closed, waits for a crash to finish."""
        if isinstance(error, PipeClosed):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_WAIT_S)
        return self.end()


class ChildStarter:
    """A thread that starts children, because each is killed when the thread that started it ends.

    Args:
        tidy: called every `every_s` seconds while there is no child to start.
        every_s: interval, s.
    """

    def __init__(self, tidy: Callable[[], None], every_s: float) -> None:
        self._tidy = tidy
        self._every_s = every_s
        self._requests: SimpleQueue[tuple[str, Sequence[str], Future[Child]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, module: str, arguments: Sequence[str], within_s: float) -> Child:
        """Have the thread start a child. Raises OSError."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
                self._thread.start()
        started: Future[Child] = Future()
        self._requests.put((module, arguments, started))
        return started.result(within_s)

    def close(self) -> None:
        """End the thread, and thereby its children."""
        self._requests.put(None)

    def _run(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=self._every_s)
            except Empty:
                self._tidy()
                continue
            if request is None:
                return
            module, arguments, started = request
            try:
                started.set_result(Child(module, arguments))
            except BaseException as exc:
                started.set_exception(exc)
