"""Frames over pipes: a length, then as many bytes.

Whoever reads says how long a frame may be: what is at the other end may be hostile.
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


class Lost(Exception):
    """The other end of a pipe cannot be spoken with any longer."""


class Ended(Lost):
    """It closed its end."""


class Overran(Lost):
    """It took too long."""


class Garbled(Lost):
    """It sent what is no frame that was expected."""


def send(pipe: int, parts: Sequence[Buffer], until: float | None = None) -> None:
    """Write one frame.

    Args:
        pipe: a descriptor; one that does not block where `until` is given.
        parts: its content, in order.
        until: monotonic seconds; None: however long it takes.
    Raises:
        Ended, Overran: it was not read.
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
                raise Ended from None


def receive(pipe: int, most: int, until: float | None = None) -> memoryview:
    """Read one frame.

    Args:
        pipe, until: as for `send`.
        most: bytes that it may have.
    Raises:
        Ended, Overran: none came, or not all of it.
        Garbled: it is longer.
    """
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size, until))
    if length > most:
        raise Garbled(f"{length} bytes where {most} are the most")
    return _read(pipe, length, until)


def _read(pipe: int, count: int, until: float | None) -> memoryview:
    whole = memoryview(bytearray(count))
    rest = whole
    while len(rest):
        _wait(pipe, select.POLLIN, until)
        try:
            read = os.readv(pipe, [rest])
        except BlockingIOError:
            continue
        if read == 0:
            raise Ended
        rest = rest[read:]
    return whole


def _wait(pipe: int, what: int, until: float | None) -> None:
    if until is None:
        return
    poll = select.poll()
    poll.register(pipe, what)
    left_s = until - time.monotonic()
    if left_s <= 0 or not poll.poll(left_s * 1e3):
        raise Overran
