"""The online store in Redis or Valkey.

Scripts on the server (lua/) write, read, renew and clear, so that concurrent writers are safe. The
server works while this process encodes the next rows or decodes the last ones. In addition to the
rows (redis_rows.py) the store has indexes of their names, as sets:

    spotlab:views                 the names of the views
    spotlab:keys:{view}           the first parts of the view's keys
    spotlab:keys:{view}:{first}   the names with that first part ("" if a key has one part)

A name whose row has expired is removed when the view is read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from time import perf_counter
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import InvalidSetting, OnlineStoreDown
from spotlab.features.redis_rows import (
    begins_with,
    decode_hash,
    decode_rows,
    decode_string,
    encode_rows,
    key_of,
    name_of,
)
from spotlab.telemetry.logs import redact

T = TypeVar("T")
log = logging.getLogger("spotlab.features.online")
BATCH: Final = 1000
"""Rows per round trip. A script blocks the server: this many rows take 5 ms."""

_REMEDY: Final = (
    "Set SPOTLAB_REDIS_URL to a Redis or Valkey server with cluster mode disabled, or leave it "
    "empty for the embedded one."
)
_DATABASE_REMEDY: Final = (
    "Check the number at the end of SPOTLAB_REDIS_URL: in cluster mode, there is database 0 only."
)
_FIND: Final = "for _, key in ipairs(ARGV) do redis.call('EXISTS', key) end"
_OF_CLUSTERS: Final = re.compile("same slot|non local key|in cluster mode")
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
        self._read_hashes = client.register_script(_text_of("read_hashes"))
        self._clear = client.register_script(_text_of("clear"))
        self._write, self._read_all, self._renew = map(_text_of, ("write", "read_all", "renew"))

    def ping(self) -> float:
        """Round-trip time in seconds."""
        started = perf_counter()
        with _redis_errors_translated():
            self._probe.ping()
        return perf_counter() - started

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        """Write in batches; a row that is older than the stored one is not written."""
        head = "EVAL", self._write, 0, self._namespace, view.name, view.ttl_s * 1000, _kind(view)
        batches = list(_batches(rows))
        if not batches:
            return 0
        first = encode_rows(view, batches[0])  # refused before anything is sent

        def commands() -> Iterator[Sequence[Any]]:
            yield *head, first
            for batch in batches[1:]:
                yield *head, encode_rows(view, batch)

        return sum(self._pipelined(commands))

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

    def scan(self, view: OnlineView, firsts: Collection[str] | None = None) -> list[OnlineRow]:
        """All rows of a view, or those whose key begins with one of these parts."""
        parts = self._parts(view, firsts)
        commands = [("EVAL", self._read_all, 1, part, _kind(view)) for part in parts]
        found: list[OnlineRow] = []
        for part, packed in zip(parts, self._pipelined(lambda: commands), strict=True):
            try:
                found += decode_rows(view, packed)
            except ValueError:  # one of them is malformed, and is logged by `read`
                found += filter(None, self.read(view, self._keys(part)))
        if firsts is not None and len(view.entity) == 1:
            return [row for row in found if row.key[0] in firsts]
        return found

    def renew(self, view: OnlineView, name: str, text: str) -> int:
        """Renew the TTL of the rows whose value begins with a given text."""
        arguments = view.ttl_s * 1000, *begins_with(view, name, text)
        index = self._index(view)
        commands = [
            ("EVAL", self._renew, 2, part, index, *arguments) for part in self._parts(view, None)
        ]
        return sum(self._pipelined(lambda: commands))

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

    def limitations(self) -> tuple[str, ...]:
        """What does not work on this server, a sentence each; tried with keys of its own.

        The two keys are in different hash slots, as SpotLab's rows are.

        Raises:
            OnlineStoreDown: it does not answer.
        """
        self.ping()
        keys = [f"{self._namespace}:doctor:{name}" for name in ("a", "b")]
        client = self._client
        trials: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("one command with keys of different hash slots", lambda: client.mget(keys)),
            ("scripts with keys of different hash slots", lambda: self._read_hashes(keys)),
            ("scripts that find keys in an index", lambda: client.eval(_FIND, 0, *keys)),
            ("notifications between processes", lambda: client.publish(keys[0], "")),
        )
        refused = []
        for name, trial in trials:
            try:
                trial()
            except redis.ResponseError as exc:
                refused.append((name, _error_text(exc)))
            except (redis.RedisError, OSError) as exc:
                raise OnlineStoreDown(f"The online store does not answer: {exc}.") from exc
        cluster = _is_cluster(client)
        if not refused and not cluster:
            return ()
        listed = "; ".join(f"{name} ({error})" for name, error in refused)
        what = f"The online store does not support: {listed}. " if listed else ""
        why = "The server runs in cluster mode. " if cluster else ""
        return (f"{what}{why}{_REMEDY}",)

    def _index(self, view: OnlineView) -> str:
        return f"{self._namespace}:keys:{view.name}"

    def _parts(self, view: OnlineView, firsts: Collection[str] | None) -> list[str]:
        """The keys of the parts of a view's index."""
        index = self._index(view)
        if len(view.entity) == 1:
            return [f"{index}:"]
        if firsts is None:
            with _redis_errors_translated():
                members = cast("set[bytes]", self._client.smembers(index))
            firsts = [first.decode() for first in members]
        return [f"{index}:{first}" for first in firsts]

    def _keys(self, part: str) -> list[tuple[str, ...]]:
        with _redis_errors_translated():
            names = cast("set[bytes]", self._client.smembers(part))
        return [key_of(name.decode()) for name in names]

    def _pipelined(self, commands: Callable[[], Iterable[Sequence[Any]]]) -> Iterator[Any]:
        """Send commands as they are made, and yield the replies in order.

        redis-py's pipeline would make all of them first and return all replies at once, so that
        the server and this process would wait for each other. A lost connection is retried from
        the start, until the first reply was yielded.
        """
        pool, is_done = self._client.connection_pool, False
        with _redis_errors_translated():
            connection: Any = pool.get_connection()
            try:
                sent, first = connection.retry.call_with_retry(
                    lambda: _send(connection, commands()), lambda _: connection.disconnect()
                )
                if sent:
                    yield first
                for _ in range(sent - 1):
                    yield connection.read_response()
                is_done = True
            finally:
                if not is_done:  # replies may be left in it
                    connection.disconnect()
                pool.release(connection)


def _is_cluster(client: redis.Redis) -> bool:
    """Whether the server runs in cluster mode; a serverless one does."""
    try:
        facts = client.info()
    except redis.RedisError:
        return False
    return bool(facts.get("cluster_enabled")) or facts.get("redis_mode") == "cluster"


def _text_of(script: str) -> str:
    return files("spotlab.features").joinpath("lua", f"{script}.lua").read_text()


def _kind(view: OnlineView) -> str:
    return "hash" if view.as_hash else "string"


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


def _send(connection: Any, commands: Iterable[Sequence[Any]]) -> tuple[int, Any]:
    """Send commands; returns their number and the first reply."""
    sent = 0
    for command in commands:
        connection.send_command(*command)
        sent += 1
    return sent, connection.read_response() if sent else None


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
        text = _error_text(exc)
        in_cluster = isinstance(exc, redis.exceptions.MovedError) or _OF_CLUSTERS.search(text)
        remedy = _REMEDY if in_cluster else _DATABASE_REMEDY if "DB index" in text else ""
        message = f"The online store rejected a command: {text}."
        raise OnlineStoreDown(message, remedy=remedy) from exc
    except (redis.RedisError, OSError) as exc:
        raise OnlineStoreDown(f"The online store does not answer: {_error_text(exc)}.") from exc


def _error_text(exc: Exception) -> str:
    return redact(str(exc)).rstrip(".")
