"""The online store in Redis or Valkey. Features floor: knows no feed and no screen.

A row is one key, `{view}:{part}:{part}`: a string of JSON, `{"event_time": …, "value": …}`, or for
a view stored as hashes one field a value (each JSON) and `event_time`. A script on the server lets
a row land only if it is not older than the stored one, so writers may race. Beside the rows stand
`spotlab:index:{view}`, a sorted set of the keys by when they expire, and `spotlab:views`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import msgspec
import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import InvalidInput, InvalidSetting, OnlineStoreDown
from spotlab.telemetry.logs import redact

T = TypeVar("T")
log = logging.getLogger("spotlab.features.online")
BATCH: Final = 1000
VIEWS: Final = "spotlab:views"
EVENT_TIME: Final = "event_time"
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_PREFIX: Final = len('{"event_time":"')

_WRITE_STRINGS: Final = f"""
local landed, now = 0, redis.call('TIME')[1]
local ttl, index = tonumber(ARGV[1]), KEYS[#KEYS]
for i = 1, #KEYS - 1 do
  local new = ARGV[i + 1]
  local old = redis.call('GETRANGE', KEYS[i], {_PREFIX}, {_PREFIX + 26})
  if old == '' or old <= string.sub(new, {_PREFIX + 1}, {_PREFIX + 27}) then
    redis.call('SET', KEYS[i], new, 'EX', ttl)
    redis.call('ZADD', index, now + ttl, KEYS[i])
    landed = landed + 1
  end
end
return landed
"""
_WRITE_HASHES: Final = """
local landed, now = 0, redis.call('TIME')[1]
local ttl, index = tonumber(ARGV[1]), KEYS[#KEYS]
for i = 1, #KEYS - 1 do
  local fields = cjson.decode(ARGV[i + 1])
  local old = redis.call('HGET', KEYS[i], 'event_time')
  if not old or old <= fields[2] then
    redis.call('DEL', KEYS[i])
    redis.call('HSET', KEYS[i], unpack(fields))
    redis.call('EXPIRE', KEYS[i], ttl)
    redis.call('ZADD', index, now + ttl, KEYS[i])
    landed = landed + 1
  end
end
return landed
"""


def connect(url: str) -> redis.Redis:
    """A client that gives up within about a second; nothing is opened before its first use.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
    Raises:
        InvalidSetting: no such address; it is never echoed: it may hold a password.
    """
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=0.5,
            socket_timeout=5.0,
            retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.1), 2),
        )
    except ValueError:
        raise InvalidSetting(
            "SPOTLAB_REDIS_URL is no server address.",
            remedy="Use redis://host:6379/0 or unix:///path, or leave it empty.",
        ) from None


class RedisOnlineStore:
    """ports.OnlineStore over one client.

    Args:
        client: see `connect`; replies as bytes.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._write_strings = client.register_script(_WRITE_STRINGS)
        self._write_hashes = client.register_script(_WRITE_HASHES)

    def ping(self) -> float:
        """Round trip in seconds."""
        began = datetime.now(UTC)
        with _translated():
            self._client.ping()
        return (datetime.now(UTC) - began).total_seconds()

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        """Write in bulk; older rows do not land."""
        script = self._write_hashes if view.as_hash else self._write_strings
        encode: Callable[[OnlineRow], bytes] = _hash_fields if view.as_hash else _json
        index = _index(view)
        landed = 0
        with _translated():
            for batch in batched(rows, BATCH):
                keys = [*(_key(view, row.key) for row in batch), index]
                landed += int(script(keys=keys, args=[view.ttl_s, *map(encode, batch)]))
            if rows:
                self._client.sadd(VIEWS, view.name)
                self._client.zremrangebyscore(index, "-inf", self._now_s())
        return landed

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        """Rows in the order and the length of `keys`."""
        found: list[OnlineRow | None] = []
        with _translated():
            for batch in batched(keys, BATCH):
                names = [_key(view, key) for key in batch]
                raws = self._hashes(names) if view.as_hash else self._client.mget(names)
                decode = _from_hash if view.as_hash else _from_json
                found += [
                    _decoded(name, key, raw, decode)
                    for name, key, raw in zip(names, batch, cast("list[Any]", raws), strict=True)
                ]
        return found

    def keys(self, view: OnlineView, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """Keys of rows that have not expired, sorted."""
        with _translated():
            members = cast(
                "list[bytes]",
                self._client.zrangebyscore(_index(view), f"({self._now_s()}", "+inf"),
            )
        keys = (tuple(member.decode().split(":")[1:]) for member in members)
        return sorted(key for key in keys if key[: len(prefix)] == prefix)

    def clear(self) -> None:
        """Remove every row, and the indexes that say which there are."""
        with _translated():
            for name in cast("set[bytes]", self._client.smembers(VIEWS)):
                index = f"spotlab:index:{name.decode()}"
                members = cast("list[bytes]", self._client.zrange(index, 0, -1))
                for batch in batched(members, BATCH):
                    self._client.unlink(*batch)
                self._client.unlink(index)
            self._client.unlink(VIEWS)

    def info(self) -> Mapping[str, str | int | float]:
        """Server, version, address without password, keys and memory."""
        with _translated():
            facts = self._client.info()
            keys = self._client.dbsize()
        where = self._client.connection_pool.connection_kwargs
        valkey = "valkey_version" in facts
        return {
            "server": "Valkey" if valkey else "Redis",
            "version": str(facts["valkey_version" if valkey else "redis_version"]),
            "address": str(where.get("path") or f"{where.get('host')}:{where.get('port')}"),
            "keys": keys,
            "memory_bytes": int(facts["used_memory"]),
        }

    def _hashes(self, names: Sequence[str]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        return pipe.execute(raise_on_error=False)

    def _now_s(self) -> int:
        return int(self._client.time()[0])


@contextmanager
def _translated() -> Iterator[None]:
    """The one place where redis-py's errors become SpotLab's."""
    try:
        yield
    except redis.AuthenticationError as exc:
        raise OnlineStoreDown(
            "The online store refused the user or password.", remedy="Check SPOTLAB_REDIS_URL."
        ) from exc
    except (redis.RedisError, OSError) as exc:
        raise OnlineStoreDown(
            f"The online store does not answer: {redact(str(exc)).rstrip('.')}."
        ) from exc


def batched(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices of at most `size` (itertools has it from Python 3.12 on)."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _key(view: OnlineView, key: tuple[str, ...]) -> str:
    if len(key) != len(view.entity) or any(":" in part for part in key):
        raise InvalidInput(
            f"{key!r} is no key of {view.name}.",
            remedy=f"It has {', '.join(view.entity)}, without ':'.",
        )
    return ":".join((view.name, *key))


def _index(view: OnlineView) -> str:
    return f"spotlab:index:{view.name}"


def _time_text(moment: datetime) -> str:
    """Fixed width, UTC: texts sort as the times do."""
    return moment.astimezone(UTC).strftime(_TIME_FORMAT)


def _time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _json(row: OnlineRow) -> bytes:
    return msgspec.json.encode({EVENT_TIME: _time_text(row.event_time), "value": dict(row.value)})


def _from_json(key: tuple[str, ...], raw: bytes) -> OnlineRow:
    stored = msgspec.json.decode(raw, type=dict[str, Any])
    value = stored["value"]
    if not isinstance(value, dict):
        raise TypeError("the value is no object")
    return OnlineRow(key, _time_of(stored[EVENT_TIME]), value)


def _hash_fields(row: OnlineRow) -> bytes:
    """event_time first, as the script expects."""
    fields = [EVENT_TIME, _time_text(row.event_time)]
    for name, value in row.value.items():
        fields += [name, msgspec.json.encode(value).decode()]
    return msgspec.json.encode(fields)


def _from_hash(key: tuple[str, ...], raw: dict[bytes, bytes]) -> OnlineRow:
    fields = {name.decode(): value for name, value in raw.items()}
    event_time = _time_of(fields.pop(EVENT_TIME).decode())
    return OnlineRow(key, event_time, {n: msgspec.json.decode(v) for n, v in fields.items()})


def _decoded(
    name: str,
    key: tuple[str, ...],
    raw: Any,
    decode: Callable[[tuple[str, ...], Any], OnlineRow],
) -> OnlineRow | None:
    """The row, or None where there is none or it is not one of ours."""
    if raw is None or raw == {}:
        return None
    try:
        if isinstance(raw, redis.ResponseError):
            raise TypeError(str(raw))
        return decode(key, raw)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as exc:
        log.warning("ignored a malformed row under %s: %s", name, exc)
        return None
