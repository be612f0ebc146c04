"""Calls to several regions at once: each has a time limit, and fails on its own."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from spotlab.errors import AwsError, AwsUnreachable, SpotlabError

REGION_LIMIT_S: Final = 30.0
"""Time limit of a region, seconds."""
_AT_ONCE: Final = 8

Result = TypeVar("Result")


def in_each_region(
    calls: Mapping[str, Callable[[], Result]], doing: str, limit_s: float = REGION_LIMIT_S
) -> dict[str, Result | SpotlabError]:
    """Make a call for each region, a few at a time.

    A call that exceeds the time limit is left alone: it ends on its own with the timeouts of its
    client, and its result is ignored.

    Args:
        calls: by region; each runs in a thread of its own.
        doing: what they do, as the start of a sentence: "Listing the instances of 'shop'".
        limit_s: time limit of each call, seconds.
    Returns:
        By region, in the given order: the result, or why there is none.
    Raises:
        Exception: what a call raised that is not a SpotlabError.
    """
    waiting = deque(calls.items())
    running: dict[str, float] = {}
    done: queue.SimpleQueue[tuple[str, Result | BaseException]] = queue.SimpleQueue()
    found: dict[str, Result | SpotlabError] = {}
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            region, call = waiting.popleft()
            running[region] = time.monotonic() + limit_s
            _start(region, call, done)
        try:
            region, result = done.get(timeout=max(0.0, min(running.values()) - time.monotonic()))
        except queue.Empty:
            now = time.monotonic()
            for region in [each for each, end in running.items() if end <= now]:
                del running[region]
                found[region] = _too_slow(f"{doing} in {region}", limit_s)
            continue
        if running.pop(region, None) is None:
            continue  # it had exceeded its limit
        if isinstance(result, BaseException) and not isinstance(result, SpotlabError):
            raise result
        found[region] = result
    return {region: found[region] for region in calls}


def _start(
    region: str,
    call: Callable[[], Result],
    done: queue.SimpleQueue[tuple[str, Result | BaseException]],
) -> None:
    def work() -> None:
        try:
            done.put((region, call()))
        except BaseException as exc:
            done.put((region, exc))

    context = contextvars.copy_context()  # log lines keep the fields of the caller
    threading.Thread(target=context.run, args=(work,), name=f"aws-{region}", daemon=True).start()


def _too_slow(doing: str, limit_s: float) -> AwsError:
    return AwsUnreachable(
        f"{doing} took longer than {limit_s:g} s.",
        remedy="The region may be disturbed; it is tried again at the next listing.",
    )
