"""Shipper of log lines to the store in which the lines of all processes are read.

It has a bounded queue and its own thread, so logging never waits for the store. If the queue is
full, the oldest line is dropped and counted; the count is reported once lines are sent again. Lines
logged by the thread itself are not shipped, which would cause an endless loop.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from spotlab.telemetry import logs, metrics

WAITING_LINES: Final = 5_000
BATCH: Final = 500
LINGER_S: Final = 0.1
"""Lines are batched for this long, and appear that much later."""
RETRY_AFTER_S: Final = 1.0
CLOSE_WITHIN_S: Final = 1.0
ADOPT_EVERY: Final = 60
Send = Callable[[Sequence[str]], None]


class Shipper(logging.Handler):
    """Sends log lines in the background.

    Args:
        send: stores a batch of lines; may raise any exception.
        waiting_lines: capacity of the queue.
    """

    def __init__(self, send: Send, *, waiting_lines: int = WAITING_LINES) -> None:
        super().__init__()
        self._send = send
        self._waiting: deque[str] = deque()
        self._max_waiting = waiting_lines
        self._dropped = 0
        self._arrived = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log lines", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Number of lines dropped since the last successful batch."""
        return self._dropped

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        if threading.current_thread() is self._thread:
            return
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        with self._locked():
            if len(self._waiting) >= self._max_waiting:
                self._waiting.popleft()
                self._count_dropped(1)
            self._waiting.append(line)
        self._arrived.set()

    def close(self) -> None:
        """Send the queued lines for at most CLOSE_WITHIN_S, and stop."""
        logs.stop_shipping(self)
        self._stop.set()
        self._arrived.set()
        self._thread.join(CLOSE_WITHIN_S)
        super().close()

    def _run(self) -> None:
        turns = 0
        while not self._stop.is_set():
            self._arrived.wait()
            if self._stop.wait(LINGER_S):
                break
            self._arrived.clear()
            if not self._send_waiting():
                self._arrived.set()
                self._stop.wait(RETRY_AFTER_S)
            turns += 1
            if turns % ADOPT_EVERY == 0:
                logs.adopt_newcomers()
        self._send_waiting()

    def _send_waiting(self) -> bool:
        """Send all queued lines; False: the store does not accept them now."""
        while self._waiting:
            with self._locked():
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            dropped = self._dropped
            notice = [_dropped_line(dropped)] if dropped else []
            try:
                self._send([*notice, *batch])
            except Exception:
                self._put_back(batch)
                return False
            with self._locked():
                self._dropped -= dropped
        return True

    def _put_back(self, batch: list[str]) -> None:
        with self._locked():
            room = max(0, self._max_waiting - len(self._waiting))
            kept = batch[len(batch) - min(room, len(batch)) :]
            self._count_dropped(len(batch) - len(kept))
            self._waiting.extendleft(reversed(kept))

    def _count_dropped(self, lines: int) -> None:
        if lines:
            self._dropped += lines
            metrics.LOG_LINES_DROPPED.inc(lines)

    def _locked(self) -> threading.RLock:
        assert self.lock is not None, "a logging handler has a lock"
        return self.lock


def _dropped_line(lines: int) -> str:
    """The shipper's own line about dropped lines; it is sent first, not logged."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "WARNING",
        "component": "telemetry.shipping",
        "message": f"{lines} log lines were dropped while the online store did not respond; they "
        "are on stderr.",
        "process": logs.process_id(),
        "role": logs.role(),
        "fields": {"dropped": lines},
    }
    return json.dumps(line)
