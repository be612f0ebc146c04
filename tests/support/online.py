"""Online stores for tests: an in-memory store, and servers for a single test."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest
import redis

from spotlab.domain.ports import Clock, OnlineRow, OnlineStore, OnlineView
from spotlab.errors import OnlineStoreDown
from spotlab.features.embedded_valkey import join_server
from spotlab.features.redis_online import RedisOnlineStore, connect
from spotlab.features.redis_rows import decode_hash, decode_string, encode_rows, key_of, name_of
from spotlab.processes import Membership, socket_dir

REDIS_URL = os.environ.get("SPOTLAB_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


class SteppingClock:
    """A clock that advances only by calls of `step`."""

    def __init__(self, at: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def step(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)


class MemoryOnlineStore:
    """ports.OnlineStore in a dict, with rows encoded as in Redis. With `down`, calls fail.

    Args:
        clock: the clock for TTLs.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SteppingClock()
        self._rows: dict[str, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()
        self.down = False

    def ping(self) -> float:
        self._now()
        return 0.0

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        ends = self._now() + timedelta(seconds=view.ttl_s)
        landed = 0
        encoded = [(name_of(view, row.key), row, encode_rows(view, [row])) for row in rows]
        with self._lock:
            for name, row, packed in encoded:
                held = self._row(view, row.key)
                if held is None or held.event_time <= row.event_time:
                    self._rows[name] = packed, ends
                    landed += 1
        return landed

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        self._now()
        return [self._row(view, key) for key in keys]

    def scan(self, view: OnlineView, firsts: Collection[str] | None = None) -> list[OnlineRow]:
        self._now()
        keys = (key_of(name) for name in list(self._rows) if name.startswith(f"{view.name}:"))
        return [
            row
            for key in keys
            if firsts is None or key[0] in firsts
            if (row := self._row(view, key)) is not None
        ]

    def renew(self, view: OnlineView, name: str, text: str) -> int:
        ends = self._now() + timedelta(seconds=view.ttl_s)
        found = [row for row in self.scan(view) if next(iter(row.value.items()), 0) == (name, text)]
        for row in found:
            packed, _ = self._rows[name_of(view, row.key)]
            self._rows[name_of(view, row.key)] = packed, ends
        return len(found)

    def clear(self) -> None:
        self._now()
        self._rows.clear()

    def limitations(self) -> tuple[str, ...]:
        return ()

    def info(self) -> Mapping[str, str | int | float]:
        self._now()
        return {
            "server": "Memory",
            "version": "1",
            "address": "in this process",
            "keys": len(self._rows),
            "memory_bytes": sum(len(text) for text, _ in self._rows.values()),
        }

    def _row(self, view: OnlineView, key: tuple[str, ...]) -> OnlineRow | None:
        text, ends = self._rows.get(name_of(view, key), (b"", self._now()))
        if ends <= self._now():
            return None
        row = msgspec.msgpack.decode(text)[1]
        if view.as_hash:
            return decode_hash(key, msgspec.msgpack.encode(row))
        return decode_string(key, row)

    def _now(self) -> datetime:
        if self.down:
            raise OnlineStoreDown("The online store does not respond: it is down for a test.")
        return self._clock.now()


@dataclass(frozen=True)
class StoreUnderTest:
    """An empty store of one kind, with views that no other test uses.

    Args:
        store: the store under test.
        let_pass: advances the store's clock a little.
        suffix: suffix of every view's name.
    """

    store: OnlineStore
    let_pass: Callable[[], object]
    suffix: str

    def view(self, *entity: str, ttl_s: int = 600, as_hash: bool = False) -> OnlineView:
        name = f"test_{'_'.join(entity)}_{'hash_' if as_hash else ''}{self.suffix}"
        return OnlineView(name, entity, ttl_s, as_hash)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Let time pass until the condition holds; fails after 15 s."""
        wait_until(lambda: condition() or self.let_pass(), what)


@dataclass(frozen=True)
class ServerStoreUnderTest(StoreUnderTest):
    """A store on a server.

    Args:
        client: a client of that server.
        own: prefix of the store's internal keys.
    """

    client: redis.Redis
    own: str


def memory_shop() -> StoreUnderTest:
    clock = SteppingClock()
    return StoreUnderTest(MemoryOnlineStore(clock), lambda: clock.step(0.1), "memory")


@contextmanager
def redis_shop(url: str) -> Iterator[ServerStoreUnderTest]:
    """A store on a server that others may use as well; only its own rows are deleted."""
    suffix = secrets.token_hex(4)
    own = f"spotlab-test-{suffix}"
    with connect(url) as client:
        store = RedisOnlineStore(client, own)
        try:
            yield ServerStoreUnderTest(store, lambda: None, suffix, client, own)
        finally:
            store.clear()


@cache
def why_no_redis() -> str | None:
    try:
        with redis.Redis.from_url(REDIS_URL, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as exc:
        return f"no Redis server responds (SPOTLAB_TEST_REDIS_URL): {exc}"
    return None


@contextmanager
def embedded_server(home: Path, idle_s: float = 0.3) -> Iterator[tuple[str, Membership]]:
    """A server for this home only; at the end, it is ended and its folder is deleted."""
    url, membership = join_server(home, idle_s)
    try:
        yield url, membership
    finally:
        pid = membership.pid
        membership.close()
        wait_until(lambda: pid is None or not is_running(pid), "the server ends")
        folder = socket_dir(home)
        if folder.parent != home.resolve():
            folder.rmdir()


def keys(
    store: OnlineStore, view: OnlineView, firsts: Collection[str] | None = None
) -> list[tuple[str, ...]]:
    """Sorted keys of a view's rows."""
    return sorted(row.key for row in store.scan(view, firsts))


def wait_until(condition: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    """Wait until the condition holds; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"timed out after {within_s:g} s: {what}")
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process is running (a zombie is not)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
