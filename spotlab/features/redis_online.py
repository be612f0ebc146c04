"""The online store in Redis or Valkey.

Scripts on the server (lua/) write and clear, so that a batch is one round trip and concurrent
writers are safe. In addition to the rows (redis_rows.py) the store has indexes of them, sorted by
expiry:

    spotlab:views                  the names of the views
    spotlab:index:{view}           the first parts of the view's keys
    spotlab:index:{view}:{first}   the keys with that first part ("" if a key has one part)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from time import perf_counter
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import InvalidSetting, OnlineStoreDown
from spotlab.features.redis_rows import decode_hash, decode_string, encoder, key_of, name_of
from spotlab.telemetry.logs import redact

T = TypeVar("T")
log = logging.getLogger("spotlab.features.online")
BATCH: Final = 1000
"""Rows per round trip. A script blocks the server: this many rows take 5 ms."""

_OPTIONS: Final = {
    *("db", "username", "password", "client_name", "protocol", "max_connections"),
    *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval"),
}
"""Options allowed in an address, besides ssl_…: others could change the type of replies."""


def connect(url: str) -> redis.Redis:
    """A client with short timeouts: one second for a dead server, two for one that hangs.

    It connects at its first use.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
    Raises:
        InvalidSetting: the address is not valid; the error does not show it, since it may contain a
            password.
    """
    try:
        _validate_url(url)
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=0.5,
            socket_timeout=2.0,
            retry=Retry(
                ExponentialWithJitterBackoff(base=0.02, cap=0.1), 2, (redis.ConnectionError,)
            ),
        )
    except ValueError:
        raise InvalidSetting(
            "SPOTLAB_REDIS_URL is not a server address.",
            remedy="Use redis://host:6379/0 or unix:///path, or leave it empty; "
            "percent-encode special characters in a password.",
        ) from None


def connect_without_retries(url: str) -> redis.Redis:
    """A client as from `connect`, but without retries: for callers that retry themselves."""
    client = _without_retries(connect(url))
    # Closing the client closes its pool, which nothing else uses.
    client.auto_close_connection_pool = True
    return client


def _validate_url(url: str) -> None:
    """Reject mistakes that redis-py accepts: it reads "/15x" as database 0, and a missing host
    (from a # in the password) as localhost."""
    parts = urlsplit(url)
    unix, path = parts.scheme == "unix", parts.path.strip("/")
    unknown_options = {
        name for name in parse_qs(parts.query) if not name.startswith("ssl_")
    } - _OPTIONS
    if unknown_options or not (path if unix else parts.hostname and (not path or path.isdecimal())):
        raise ValueError


class RedisOnlineStore:
    """ports.OnlineStore over one client.

    Args:
        client: see `connect`; replies as bytes.
        namespace: first part of the keys of the indexes.
    """

    def __init__(self, client: redis.Redis, namespace: str = "spotlab") -> None:
        self._client = client
        self._probe = _without_retries(client)
        self._namespace = namespace
        self._write = _script(client, "write")
        self._read_hashes = _script(client, "read_hashes")
        self._clear = _script(client, "clear")

    def ping(self) -> float:
        """Round-trip time in seconds."""
        started = perf_counter()
        with _redis_errors_translated():
            self._probe.ping()
        return perf_counter() - started

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        """Write in batches; a row that is older than the stored one is not written."""
        encode = encoder(view)
        kind = "hash" if view.as_hash else "string"
        head: tuple[str | int | bytes, ...] = (self._namespace, view.name, view.ttl_s * 1000, kind)
        written = 0
        for batch in _batches(rows):
            names = [name_of(view, row.key) for row in batch]
            with _redis_errors_translated():
                written += int(self._write(names, [*head, *map(encode, batch)]))
        return written

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        """Rows in the order of `keys`, None for missing ones."""
        found: list[OnlineRow | None] = []
        fetch = self._read_hashes if view.as_hash else self._client.mget
        for batch in _batches(keys):
            names = [name_of(view, key) for key in batch]
            with _redis_errors_translated():
                raws = cast("list[Any]", fetch(names))
            found += [_row(view, key, raw) for key, raw in zip(batch, raws, strict=True)]
        return found

    def keys(self, view: OnlineView, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """Keys of rows that have not expired, sorted."""
        index = f"{self._namespace}:index:{view.name}"
        with _redis_errors_translated():
            seconds, micros = self._client.time()
            not_expired = f"({seconds * 1000 + micros // 1000}", "+inf"
            first_parts = cast("list[bytes]", self._client.zrangebyscore(index, *not_expired))
            if prefix and len(view.entity) > 1:
                first_parts = [first for first in first_parts if first.decode() == prefix[0]]
            pipe = self._client.pipeline(transaction=False)
            for first in first_parts:
                pipe.zrangebyscore(f"{index}:{first.decode()}", *not_expired)
            names = [name for part in pipe.execute() for name in part]
        return sorted(key for key in map(key_of, names) if key[: len(prefix)] == prefix)

    def clear(self) -> None:
        """Delete all rows and indexes."""
        with _redis_errors_translated():
            self._clear((), (self._namespace,))

    def info(self) -> Mapping[str, str | int | float]:
        """Server, version, address without password, number of keys and memory."""
        with _redis_errors_translated():
            facts = self._client.info()
            keys = self._client.dbsize()
        connection = self._client.connection_pool.connection_kwargs
        name = "valkey" if "valkey_version" in facts else "redis"
        return {
            "server": name.capitalize(),
            "version": str(facts[f"{name}_version"]),
            "address": str(
                connection.get("path") or f"{connection['host']}:{connection.get('port', 6379)}"
            ),
            "keys": int(keys),
            "memory_bytes": int(facts["used_memory"]),
        }


def _script(client: redis.Redis, name: str) -> Script:
    """A script that is sent once, and again if the server was restarted."""
    text = files("spotlab.features").joinpath("lua", f"{name}.lua").read_text()
    return client.register_script(text)


def _without_retries(client: redis.Redis) -> redis.Redis:
    original = client.connection_pool
    settings = original.connection_kwargs | {"retry": Retry(NoBackoff(), 0), "socket_timeout": 1.0}
    pool = redis.ConnectionPool(connection_class=original.connection_class, **settings)
    return redis.Redis(connection_pool=pool)


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _row(view: OnlineView, key: tuple[str, ...], raw: Any) -> OnlineRow | None:
    """The row, or None if it is missing or malformed."""
    if raw is None:
        return None
    try:
        return (decode_hash if view.as_hash else decode_string)(key, raw)
    except ValueError as exc:  # msgspec's errors are ValueErrors
        log.warning("ignored a malformed row under %s: %s", name_of(view, key), exc)
        return None


@contextmanager
def _redis_errors_translated() -> Iterator[None]:
    """Translates redis-py's errors into SpotLab's."""
    try:
        yield
    except redis.AuthenticationError as exc:
        raise OnlineStoreDown(
            "The online store rejected the user or password.", remedy="Check SPOTLAB_REDIS_URL."
        ) from exc
    except redis.ResponseError as exc:
        raise OnlineStoreDown(f"The online store rejected a command: {_error_text(exc)}.") from exc
    except (redis.RedisError, OSError) as exc:
        raise OnlineStoreDown(f"The online store does not answer: {_error_text(exc)}.") from exc


def _error_text(exc: Exception) -> str:
    return redact(str(exc)).rstrip(".")
