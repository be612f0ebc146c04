"""Frames over pipes: a length, followed by that number of bytes.

The reader sets the maximum length of a frame, because the other end is untrusted.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Final

_LENGTH: Final = struct.Struct("<Q")
Buffer = bytes | bytearray | memoryview


class PipeError(Exception):
    """The pipe is no longer usable."""


class PipeClosed(PipeError):
    """The other end was closed."""


class PipeTimeout(PipeError):
    """The other end did not respond in time."""


class InvalidFrame(PipeError):
    """The other end sent an unexpected frame."""


def send(pipe: int, parts: Sequence[Buffer], until: float | None = None) -> None:
    """Write one frame.

    Args:
        pipe: a descriptor, non-blocking if `until` is set.
        parts: the content, in order.
        until: deadline, monotonic seconds; None: no deadline.
    Raises:
        PipeClosed, PipeTimeout: the frame was not read.
    """
    views = [memoryview(part).cast("B") for part in parts]
    length = _LENGTH.pack(sum(len(view) for view in views))
    for view in (memoryview(length), *views):
        while len(view):
            _wait(pipe, select.POLLOUT, until)
            try:
                view = view[os.write(pipe, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise PipeClosed from None


def receive(pipe: int, max_bytes: int, until: float | None = None) -> memoryview:
    """Read one frame.

    Args:
        pipe, until: as for `send`.
        max_bytes: maximum length, bytes.
    Raises:
        PipeClosed, PipeTimeout: no complete frame was received.
        InvalidFrame: the frame is longer.
    """
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size, until))
    if length > max_bytes:
        raise InvalidFrame(f"{length} bytes, but at most {max_bytes} are accepted")
    return _read(pipe, length, until)


def _read(pipe: int, count: int, until: float | None) -> memoryview:
    content = memoryview(bytearray(count))
    rest = content
    while len(rest):
        _wait(pipe, select.POLLIN, until)
        try:
            read = os.readv(pipe, [rest])
        except BlockingIOError:
            continue
        if read == 0:
            raise PipeClosed
        rest = rest[read:]
    return content


def _wait(pipe: int, event: int, until: float | None) -> None:
    if until is None:
        return
    poll = select.poll()
    poll.register(pipe, event)
    left_s = until - time.monotonic()
    if left_s <= 0 or not poll.poll(left_s * 1e3):
        raise PipeTimeout
