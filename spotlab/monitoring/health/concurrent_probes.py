"""Concurrent calls with a time limit.

A call that hangs does not delay the others, and is not repeated before it has ended, so that a dead
server does not pile up threads.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class ConcurrentCalls(Generic[T]):
    """Makes several calls in parallel, each in its own thread.

    Args:
        limit_s: how long the results are waited for, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, questions: Mapping[str, Callable[[], T]]) -> dict[str, T | Exception | None]:
        """Make the calls and wait for their results.

        Returns:
            By name: the result, the exception that was raised, or None if there was no result in
            time or the previous call has not ended yet.
        """
        answers: dict[str, T | Exception | None] = dict.fromkeys(questions)
        arriving: queue.SimpleQueue[tuple[str, T | Exception]] = queue.SimpleQueue()
        deadline = time.monotonic() + self.limit_s
        waiting = 0
        for name, question in questions.items():
            if self._begin(name):
                waiting += 1
                context = contextvars.copy_context()
                args = (self._answer, name, question, arriving)
                threading.Thread(
                    target=context.run, args=args, name=f"probe {name}", daemon=True
                ).start()
        while waiting and (left_s := deadline - time.monotonic()) > 0:
            try:
                name, answer = arriving.get(timeout=left_s)
            except queue.Empty:
                break
            answers[name] = answer
            waiting -= 1
        return answers

    def _begin(self, name: str) -> bool:
        with self._lock:
            if name in self._busy:
                return False
            self._busy.add(name)
            return True

    def _answer(
        self,
        name: str,
        question: Callable[[], T],
        arriving: queue.SimpleQueue[tuple[str, T | Exception]],
    ) -> None:
        try:
            answer: T | Exception = question()
        except Exception as exc:
            answer = exc
        with self._lock:
            self._busy.discard(name)
        arriving.put((name, answer))
