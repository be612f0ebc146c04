"""A worker process and its replies.

`python -P -m spotlab.processes.worker_process FD`: started by process_pool.ProcessWorkers, which
communicates with it over FD.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from spotlab.errors import one_line

Reply = tuple[Literal["ready", "done", "failed", "unprepared"], Any]
"""Reply of a worker: the result if "done", else one sentence."""

READY: Final[Reply] = ("ready", "")


def reply_to(function: Callable[[Any, Any], Any], shared: Any, item: Any) -> bytes:
    """One item's result or error: a `Reply`, pickled."""
    try:
        return pickle.dumps(("done", function(shared, item)))
    except Exception as exc:
        return pickle.dumps(("failed", one_line(exc)))


def main(argv: list[str]) -> None:
    """Receive sys.path, then the function with its shared data, then items until the end."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection = Connection(int(argv[0]))
    sys.path[:] = connection.recv()
    function, shared = _receive_preparation(connection)
    while True:
        try:
            item = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(reply_to(_unpickling(function), shared, item))


def _receive_preparation(connection: Connection) -> tuple[Callable[[Any, Any], Any], Any]:
    try:
        function, shared = pickle.loads(connection.recv_bytes())  # noqa: S301  (our parent's)
    except Exception as exc:
        connection.send_bytes(pickle.dumps(("unprepared", one_line(exc))))
        sys.exit(1)
    connection.send_bytes(pickle.dumps(READY))
    return function, shared


def _unpickling(function: Callable[[Any, Any], Any]) -> Callable[[Any, bytes], Any]:
    return lambda shared, item: function(shared, pickle.loads(item))  # noqa: S301


def _end_with_parent() -> None:
    """Exit when stdin closes: only the parent has the other end, which closes even on kill -9."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
