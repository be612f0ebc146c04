"""Rows as Redis holds them, and back.

A row is one key, `{view}:{part}:{part}`: a string of JSON, `{"event_time": "…", "value": {…}}`, or
for a view kept as hashes the field `event_time` and one field of JSON a value. Times are UTC with
six decimals, so that they sort as texts. NaN and infinity become null, as JSON has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import InvalidInput

_EVENT_TIME: Final = "event_time"


class _Stored(msgspec.Struct):
    event_time: Annotated[datetime, msgspec.Meta(tz=True)]
    value: dict[str, Any]


_STORED: Final = msgspec.json.Decoder(_Stored)
_FLAT: Final = msgspec.msgpack.Decoder(list[str])
_FIELD: Final = msgspec.json.Decoder()


def name_of(view: OnlineView, key: Sequence[str]) -> str:
    """The name of a row's key in Redis.

    Raises:
        InvalidInput: the key has not one part an entity, or a part holds a colon.
    """
    if len(key) != len(view.entity) or any(":" in part for part in key):
        raise InvalidInput(
            f"{key!r} is no key of {view.name}.",
            remedy=f"It has the parts {', '.join(view.entity)}, none with a colon.",
        )
    return ":".join((view.name, *key))


def key_of(name: bytes) -> tuple[str, ...]:
    """The key that has this name."""
    return tuple(name.decode().split(":")[1:])


def encoder(view: OnlineView) -> Callable[[OnlineRow], bytes]:
    """What the writing script takes for a row of this view.

    Raises (the encoder):
        InvalidInput: the event_time is naive, a hash's value is named event_time, or JSON has no
            such value.
    """
    encode = _hash if view.as_hash else _string

    def encoded(row: OnlineRow) -> bytes:
        try:
            return encode(row)
        except (TypeError, ValueError, msgspec.EncodeError) as exc:
            raise InvalidInput(f"A value of {row.key!r} is none that JSON has: {exc}.") from exc

    return encoded


def decode_string(key: tuple[str, ...], text: bytes) -> OnlineRow:
    """A row that is kept as a string.

    Raises:
        ValueError: it is none.
    """
    stored = _STORED.decode(text)
    return OnlineRow(key, stored.event_time, stored.value)


def decode_hash(key: tuple[str, ...], packed: bytes) -> OnlineRow:
    """A row that is kept as a hash: field, value, field, value, … in MessagePack.

    Raises:
        ValueError: it is none.
    """
    flat = _FLAT.decode(packed)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    event_time = datetime.fromisoformat(fields.pop(_EVENT_TIME, ""))
    if event_time.tzinfo is None:
        raise ValueError(f"{_EVENT_TIME} has no time zone")
    return OnlineRow(key, event_time, {name: _FIELD.decode(text) for name, text in fields.items()})


def _string(row: OnlineRow) -> bytes:
    return msgspec.json.encode({_EVENT_TIME: _text(row.event_time), "value": dict(row.value)})


def _hash(row: OnlineRow) -> bytes:
    if _EVENT_TIME in row.value:
        raise InvalidInput(f"A value of {row.key!r} is named {_EVENT_TIME}.")
    fields: list[str | bytes] = [_EVENT_TIME, _text(row.event_time)]
    for name, value in row.value.items():
        fields += [name, msgspec.json.encode(value).decode()]
    return msgspec.msgpack.encode(fields)


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidInput(f"The event_time {moment} is naive.", remedy="Give an aware UTC time.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
