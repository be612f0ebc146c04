"""Log lines on their way to where every process's lines are read.

A bounded queue and a thread of its own: whoever logs never waits, whatever the store does. When
the queue is full its oldest line is dropped and counted, and the count is told when lines arrive
again. What the thread itself logs is not shipped, so that no line begets another.
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
"""Lines that come together travel together; a reader sees them this much later."""
REST_S: Final = 1.0
FAREWELL_S: Final = 1.0
ADOPT_EVERY: Final = 60
Send = Callable[[Sequence[str]], None]


class Shipper(logging.Handler):
    """Hands lines over in the background.

    Args:
        send: stores a batch of lines; raises whatever it likes where it cannot.
        waiting_lines: how many may wait.
    """

    def __init__(self, send: Send, *, waiting_lines: int = WAITING_LINES) -> None:
        super().__init__()
        self._send = send
        self._waiting: deque[str] = deque()
        self._most = waiting_lines
        self._dropped = 0
        self._came = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log lines", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were dropped since the store was last heard of."""
        return self._dropped

    def emit(self, record: logging.LogRecord) -> None:
        """Let a line wait to be sent."""
        if threading.current_thread() is self._thread:
            return
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        with self._guard():
            if len(self._waiting) >= self._most:
                self._waiting.popleft()
                self._count_dropped(1)
            self._waiting.append(line)
        self._came.set()

    def close(self) -> None:
        """Send what waits, for a moment, and stop."""
        logs.stop_shipping(self)
        self._stop.set()
        self._came.set()
        self._thread.join(FAREWELL_S)
        super().close()

    def _run(self) -> None:
        turns = 0
        while not self._stop.is_set():
            self._came.wait()
            if self._stop.wait(LINGER_S):
                break
            self._came.clear()
            if not self._hand_over():
                self._came.set()
                self._stop.wait(REST_S)
            turns += 1
            if turns % ADOPT_EVERY == 0:
                logs.adopt_newcomers()
        self._hand_over()

    def _hand_over(self) -> bool:
        """Send all that waits; False: it cannot be sent now."""
        while self._waiting:
            with self._guard():
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            dropped = self._dropped
            told = [_dropped_line(dropped)] if dropped else []
            try:
                self._send([*told, *batch])
            except Exception:
                self._put_back(batch)
                return False
            with self._guard():
                self._dropped -= dropped
        return True

    def _put_back(self, batch: list[str]) -> None:
        with self._guard():
            room = max(0, self._most - len(self._waiting))
            kept = batch[len(batch) - min(room, len(batch)) :]
            self._count_dropped(len(batch) - len(kept))
            self._waiting.extendleft(reversed(kept))

    def _count_dropped(self, lines: int) -> None:
        if lines:
            self._dropped += lines
            metrics.LOG_LINES_DROPPED.inc(lines)

    def _guard(self) -> threading.RLock:
        assert self.lock is not None, "a logging handler has a lock"
        return self.lock


def _dropped_line(lines: int) -> str:
    """A line of the shipper's own: it is not logged, it is the first of what arrives again."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "WARNING",
        "component": "telemetry.shipping",
        "message": f"{lines} log lines were dropped here while the online store did not answer; "
        "they are on stderr.",
        "process": logs.process_id(),
        "role": logs.role(),
        "fields": {"dropped": lines},
    }
    return json.dumps(line)
