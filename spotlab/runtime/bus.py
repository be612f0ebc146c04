"""News between processes: Redis pub/sub, and a look at SQL where news may have been lost.

Nothing listens before somebody asks for a version, so that a
command that scores no market only ever tells.
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
"""What stands for each topic's state in SQL."""

CHANNEL: Final = "spotlab:news"
LOOK_ALONE_S: Final = 1.0
"""How often SQL is looked at while Redis is silent, by each process and not by each screen."""
LOOK_BESIDE_S: Final = 15.0
"""How often it is looked at beside Redis, whose news may be lost."""
REST_S: Final = 1.0
"""After a failure nothing is told for this long: whoever tells must not wait again and again."""
WAIT_S: Final = 0.5


class RedisBus:
    """ports.Bus over pub/sub.

    Args:
        connect: gives a client of its own for each use, or None where no server is there yet.
        look: reads the marks; raises SpotlabError where the database does not answer.
    """

    def __init__(
        self, connect: Callable[[], redis.Redis | None], look: Callable[[], Marks]
    ) -> None:
        self._connect = connect
        self._look = look
        self._me = secrets.token_hex(6)
        self._versions = dict.fromkeys(Topic, 0)
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._teller: redis.Redis | None = None
        self._rest_until = 0.0
        self._stop = threading.Event()
        self._listener: threading.Thread | None = None
        self._marks: dict[Topic, object] = {}
        self._told: dict[Topic, int] = {}
        self._looked_at = 0.0

    @property
    def listening(self) -> bool:
        """Whether this process hears others."""
        return self._listener is not None

    def publish(self, topic: Topic) -> None:
        """Tell everybody; this process at once, even where Redis is down."""
        self._count(topic)
        with self._telling:
            if time.monotonic() < self._rest_until:
                return
            try:
                self._teller = self._teller or self._connect()
                if self._teller is None:
                    return
                self._teller.publish(_channel(self._teller), f"{topic} {self._me}")
            except Exception as exc:
                self._rest_until = time.monotonic() + REST_S
                log.debug("no news of %s sent: %s", topic, exc)

    def version(self, topic: Topic) -> int:
        """How much news of a topic this process has heard; the first who asks starts listening."""
        if self._listener is None:
            self._listen()
        return self._versions[topic]

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._listener is not None:
            self._listener.join()
        if self._teller is not None:
            self._teller.close()

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
        """Hear until stopped; whatever goes wrong, look at SQL and try again."""
        self._note_marks(heard=False)
        while not self._stop.is_set():
            try:
                self._hear()
            except Exception as exc:
                log.debug("no news heard: %s", exc)
            self._note_marks(heard=False)
            self._stop.wait(LOOK_ALONE_S)

    def _hear(self) -> None:
        client = self._connect()
        if client is None:
            return
        with ExitStack() as held:
            held.callback(client.close)
            pubsub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            held.callback(pubsub.close)
            pubsub.subscribe(_channel(client))
            # What was told while nobody listened is in SQL; the server's answer comes first.
            pubsub.get_message(timeout=WAIT_S)
            self._note_marks(heard=False)
            while not self._stop.is_set():
                if message := pubsub.get_message(timeout=WAIT_S):
                    self._understand(message)
                if time.monotonic() - self._looked_at >= LOOK_BESIDE_S:
                    client.ping()
                    self._note_marks(heard=True)

    def _understand(self, message: Mapping[str, Any]) -> None:
        topic, _, teller = message["data"].decode(errors="replace").partition(" ")
        if teller != self._me and topic in self._versions:
            self._count(Topic(topic))

    def _note_marks(self, *, heard: bool) -> None:
        """Count the topics whose marks moved; with `heard`, not those that were told meanwhile."""
        self._looked_at = time.monotonic()
        try:
            marks = self._look()
        except SpotlabError as exc:
            log.debug("no marks read: %s", exc)
            return
        for topic, mark in marks.items():
            known = self._marks.get(topic, mark)
            told = heard and self._versions[topic] != self._told.get(topic)
            if mark != known and not told:
                self._count(topic)
            self._told[topic] = self._versions[topic]
        self._marks = dict(marks)


def _channel(client: redis.Redis) -> str:
    """Of this database alone: pub/sub knows no database numbers."""
    number = client.connection_pool.connection_kwargs.get("db") or 0
    return f"{CHANNEL}:{number}"
