"""Encoding and decoding of rows in Redis.

A row is one key, `{view}:{part}:{part}`: a JSON string, `{"event_time": "…", "value": {…}}`, or for
a view stored as hashes, the field `event_time` and one JSON field per value. Times are UTC with six
decimals, so that they sort as text. NaN and infinity become null, since JSON lacks them.
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
        InvalidInput: the key does not have one part per entity, or a part contains a colon.
    """
    if len(key) != len(view.entity) or any(":" in part for part in key):
        raise InvalidInput(
            f"{key!r} is not a key of {view.name}.",
            remedy=f"Its keys have the parts {', '.join(view.entity)}, without colons.",
        )
    return ":".join((view.name, *key))


def key_of(name: bytes) -> tuple[str, ...]:
    """The key of a row with this name in Redis."""
    return tuple(name.decode().split(":")[1:])


def encoder(view: OnlineView) -> Callable[[OnlineRow], bytes]:
    """The encoder of a view's rows for the script that writes them.

    Raises (the encoder):
        InvalidInput: the event time is naive, a value of a hash is named event_time, or a value
            cannot be written as JSON.
    """
    encode = _hash if view.as_hash else _string

    def encoded(row: OnlineRow) -> bytes:
        try:
            return encode(row)
        except (TypeError, ValueError, msgspec.EncodeError) as exc:
            raise InvalidInput(f"A value of {row.key!r} cannot be written as JSON: {exc}.") from exc

    return encoded


def decode_string(key: tuple[str, ...], text: bytes) -> OnlineRow:
    """A row stored as a string.

    Raises:
        ValueError: the text is not a row.
    """
    stored = _STORED.decode(text)
    return OnlineRow(key, stored.event_time, stored.value)


def decode_hash(key: tuple[str, ...], packed: bytes) -> OnlineRow:
    """A row stored as a hash: field, value, field, value, … in MessagePack.

    Raises:
        ValueError: the fields are not a row.
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
        raise InvalidInput(f"A value of {row.key!r} must not be named {_EVENT_TIME}.")
    fields: list[str | bytes] = [_EVENT_TIME, _text(row.event_time)]
    for name, value in row.value.items():
        fields += [name, msgspec.json.encode(value).decode()]
    return msgspec.msgpack.encode(fields)


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidInput(
            f"The event_time {moment} has no time zone.", remedy="Use an aware UTC time."
        )
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
