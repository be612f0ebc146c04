"""Concurrent calls, for tests of operations of which only one may succeed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from spotlab.access.passwords import Passwords

T = TypeVar("T")
SOON_S = 20.0
"""Timeout for all threads to reach a barrier, on a busy machine; then the test fails."""


def call_concurrently(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Make each call in its own thread, all starting together.

    Returns:
        The result or exception of each call, in order.
    """
    start = threading.Barrier(len(calls))

    def make(call: Callable[[], T]) -> T | Exception:
        start.wait(SOON_S)
        try:
            return call()
        except Exception as exc:
            return exc

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))


def outcomes(results: Sequence[object]) -> Counter[str]:
    """Number of successes ("ok") and of each exception type."""
    return Counter(type(each).__name__ if isinstance(each, Exception) else "ok" for each in results)


def synchronise_first_calls(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, callers: int
) -> None:
    """Make the first calls of a function wait for each other, so that the values that each caller
    read before are as old as possible."""
    barrier, function = threading.Barrier(callers), getattr(owner, name)
    waiting = iter([barrier] * callers)

    def met(*args: Any, **kwargs: Any) -> Any:
        if met_at := next(waiting, None):
            met_at.wait(SOON_S)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, met)


class SynchronisedPasswords(Passwords):
    """Passwords whose checks start together; counts those that were compared with a user's hash.

    Args:
        callers: number of checks that wait for each other.
        quick: provides the hasher.
    """

    def __init__(self, callers: int, quick: Passwords) -> None:
        super().__init__(quick._hasher)
        self._barrier = threading.Barrier(callers)
        self._lock = threading.Lock()
        self.compared = 0

    def check(self, kept: str | None, password: str) -> bool:
        """Check the password after all callers have arrived."""
        with self._lock:
            self.compared += kept is not None
        self._barrier.wait(SOON_S)
        return super().check(kept, password)
