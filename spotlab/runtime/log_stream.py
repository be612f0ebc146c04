"""The log lines of every process, in one capped stream of the online store.

spotlab:logs    a Redis stream; the field `line` of an entry is one log line, as on stderr
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import redis

from spotlab.errors import OnlineStoreDown
from spotlab.telemetry.redaction import redact

KEY: Final = "spotlab:logs"
START_ID: Final = "0-0"
Entry = tuple[str, bytes]
"""Id in the stream, and the log line."""


class LogStream:
    """Log lines in order of arrival; the oldest are deleted beyond the cap.

    Args:
        connect: opens a new client, or returns None if no server runs yet.
        cap: approximate number of stored lines.
    """

    def __init__(self, connect: Callable[[], redis.Redis | None], cap: int) -> None:
        self._connect = connect
        self._client: redis.Redis | None = None
        self._lock = threading.Lock()
        self.cap = cap

    @classmethod
    def disconnected(cls) -> LogStream:
        """For a lab without a server: every call raises OnlineStoreDown."""
        return cls(lambda: None, 1)

    def append(self, lines: Sequence[str]) -> None:
        """Store lines. Raises OnlineStoreDown."""
        with self._connected() as client:
            pipe = client.pipeline(transaction=False)
            for line in lines:
                pipe.xadd(KEY, {"line": line}, maxlen=self.cap, approximate=True)
            pipe.execute()

    def before(self, stream_id: str | None, count: int) -> list[Entry]:
        """The newest lines (before an id), newest first. Raises OnlineStoreDown."""
        newest = f"({stream_id}" if stream_id else "+"
        with self._connected() as client:
            return _entries(client.xrevrange(KEY, newest, "-", count))

    def after(self, stream_id: str, count: int) -> list[Entry]:
        """The lines after an id, oldest first. Raises OnlineStoreDown."""
        with self._connected() as client:
            return _entries(client.xrange(KEY, f"({stream_id}", "+", count))

    def newest_id(self) -> str:
        """Id of the newest line. Raises OnlineStoreDown."""
        newest = self.before(None, 1)
        return newest[0][0] if newest else START_ID

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    @contextmanager
    def _connected(self) -> Iterator[redis.Redis]:
        try:
            with self._lock:
                self._client = self._client or self._connect()
                client = self._client
            if client is None:
                raise OnlineStoreDown(
                    "The online store has not been started yet.",
                    remedy="It starts when the market is first read.",
                )
            yield client
        except (redis.RedisError, OSError) as exc:
            raise OnlineStoreDown(
                f"The online store does not answer: {redact(str(exc)).rstrip('.')}."
            ) from exc


def _entries(response: object) -> list[Entry]:
    pairs = cast("list[tuple[bytes, dict[bytes, Any]]]", response or [])
    return [(stream_id.decode(), fields.get(b"line", b"")) for stream_id, fields in pairs]
