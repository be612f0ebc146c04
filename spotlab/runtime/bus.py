"""Change notifications between processes: Redis pub/sub, with SQL markers as a fallback.

A process starts to listen when it first reads a version; a command that never does only publishes.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

import redis

from spotlab.domain.ports import Topic
from spotlab.errors import SpotlabError

log = logging.getLogger("spotlab.runtime.bus")

Marks = Mapping[Topic, object]
"""A value in SQL for each topic that differs after each change."""

CHANNEL: Final = "spotlab:news"
MARKER_INTERVAL_S: Final = 1.0
"""How often a process reads the markers from SQL while Redis is down."""
CONNECTED_MARKER_INTERVAL_S: Final = 15.0
"""How often a process reads the markers while Redis is up: a message may have been lost."""
RETRY_PAUSE_S: Final = 1.0
"""Time without publishing after a failure, so that callers do not wait for each timeout."""
WAIT_S: Final = 0.5


class RedisBus:
    """ports.Bus over pub/sub.

    Args:
        connect: opens a new client, or returns None if no server runs yet.
        look: reads the markers; raises SpotlabError if the database does not respond.
    """

    def __init__(
        self, connect: Callable[[], redis.Redis | None], look: Callable[[], Marks]
    ) -> None:
        self._connect = connect
        self._look = look
        self._me = secrets.token_hex(6)
        self._versions = dict.fromkeys(Topic, 0)
        self._lock = threading.Lock()
        self._publishing = threading.Lock()
        self._publisher: redis.Redis | None = None
        self._paused_until = 0.0
        self._stop = threading.Event()
        self._listener: threading.Thread | None = None
        self._marks: dict[Topic, object] = {}
        self._counted: dict[Topic, int] = {}
        self._read_at = 0.0

    @property
    def listening(self) -> bool:
        """Whether this process listens to others."""
        return self._listener is not None

    def publish(self, topic: Topic) -> None:
        """Notify all processes; this one immediately, even if Redis is down."""
        self._count(topic)
        with self._publishing:
            if time.monotonic() < self._paused_until:
                return
            try:
                self._publisher = self._publisher or self._connect()
                if self._publisher is None:
                    return
                self._publisher.publish(_channel(self._publisher), f"{topic} {self._me}")
            except Exception as exc:
                self._paused_until = time.monotonic() + RETRY_PAUSE_S
                log.debug("change of %s not published: %s", topic, exc)

    def version(self, topic: Topic) -> int:
        """Number of known changes of a topic; the first call starts to listen."""
        if self._listener is None:
            self._listen()
        return self._versions[topic]

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._listener is not None:
            self._listener.join()
        if self._publisher is not None:
            self._publisher.close()

    def _count(self, topic: Topic) -> None:
        with self._lock:
            self._versions[topic] += 1

    def _listen(self) -> None:
        with self._lock:
            if self._listener is not None or self._stop.is_set():
                return
            self._listener = threading.Thread(target=self._run, name="news", daemon=True)
            self._listener.start()

    def _run(self) -> None:
        """Listen until stopped; after any failure, read the markers and connect again."""
        self._compare_markers(connected=False)
        while not self._stop.is_set():
            try:
                self._subscribe()
            except Exception as exc:
                log.debug("not listening: %s", exc)
            self._compare_markers(connected=False)
            self._stop.wait(MARKER_INTERVAL_S)

    def _subscribe(self) -> None:
        client = self._connect()
        if client is None:
            return
        with ExitStack() as resources:
            resources.callback(client.close)
            pubsub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            resources.callback(pubsub.close)
            pubsub.subscribe(_channel(client))
            # Wait for the server's confirmation: earlier changes are then seen in SQL.
            pubsub.get_message(timeout=WAIT_S)
            self._compare_markers(connected=False)
            while not self._stop.is_set():
                if message := pubsub.get_message(timeout=WAIT_S):
                    self._handle(message)
                if time.monotonic() - self._read_at >= CONNECTED_MARKER_INTERVAL_S:
                    client.ping()
                    self._compare_markers(connected=True)

    def _handle(self, message: Mapping[str, Any]) -> None:
        topic, _, sender = message["data"].decode(errors="replace").partition(" ")
        if sender != self._me and topic in self._versions:
            self._count(Topic(topic))

    def _compare_markers(self, *, connected: bool) -> None:
        """Count the topics whose marker changed; if `connected`, only those without a message."""
        self._read_at = time.monotonic()
        try:
            marks = self._look()
        except SpotlabError as exc:
            log.debug("markers not read: %s", exc)
            return
        for topic, mark in marks.items():
            known = self._marks.get(topic, mark)
            notified = connected and self._versions[topic] != self._counted.get(topic)
            if mark != known and not notified:
                self._count(topic)
            self._counted[topic] = self._versions[topic]
        self._marks = dict(marks)


def _channel(client: redis.Redis) -> str:
    """A channel for each Redis database: pub/sub itself does not separate them."""
    number = client.connection_pool.connection_kwargs.get("db") or 0
    return f"{CHANNEL}:{number}"
