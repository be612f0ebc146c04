"""Encoding and decoding of rows in Redis.

A row is one key, `{view}:{part}:{part}`: a JSON string, `{"event_time": "…", "value": {…}}`, or for
a view stored as hashes, the field `event_time` and one JSON field per value. Times are UTC with six
decimals, so that they sort as text. NaN and infinity become null, since JSON lacks them.

The scripts exchange many rows as one MessagePack list, name, row, name, row, …, since one argument
or reply costs as much as a whole row. In it, a hash is a list: field, value, field, value, … All
texts are strings there, since Redis does not read MessagePack's binary type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import msgspec

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import InvalidInput

_EVENT_TIME: Final = "event_time"
_CACHED_TIMES: Final = 4096


class _Stored(msgspec.Struct):
    event_time: str
    value: dict[str, Any]


_STORED: Final = msgspec.json.Decoder(_Stored)
_FLAT: Final = msgspec.msgpack.Decoder(list[str])
_FIELD: Final = msgspec.json.Decoder()
_STRINGS: Final = msgspec.msgpack.Decoder(list[str])
_HASHES: Final = msgspec.msgpack.Decoder(list[str | list[str]])
_JSON: Final = msgspec.json.Encoder()


def name_of(view: OnlineView, key: Sequence[str]) -> str:
    """The name of a row's key in Redis.

    Raises:
        InvalidInput: the key does not have one part per entity, or a part contains a colon.
    """
    name = ":".join((view.name, *key))
    if len(key) != len(view.entity) or name.count(":") != len(key):
        raise InvalidInput(
            f"{key!r} is not a key of {view.name}.",
            remedy=f"Its keys have the parts {', '.join(view.entity)}, without colons.",
        )
    return name


def key_of(name: str) -> tuple[str, ...]:
    """The key of a row with this name in Redis."""
    return tuple(name.split(":")[1:])


def encode_rows(view: OnlineView, rows: Sequence[OnlineRow]) -> bytes:
    """The rows for the script that writes them.

    Raises:
        InvalidInput: a key is not one of the view, an event time is naive, a value of a hash is
            named event_time, or a value cannot be written as JSON.
    """
    names = [name_of(view, row.key) for row in rows]
    encode = _hashes if view.as_hash else _strings
    try:
        texts = encode(rows)
        return msgspec.msgpack.encode(list(chain.from_iterable(zip(names, texts, strict=True))))
    except (TypeError, ValueError, msgspec.EncodeError) as exc:
        row = rows[0] if len(rows) == 1 else _first_refused(view, rows)
        raise InvalidInput(f"A value of {row.key!r} cannot be written as JSON: {exc}.") from exc


def decode_rows(view: OnlineView, packed: bytes) -> list[OnlineRow]:
    """The rows that the script read, in its order.

    Raises:
        ValueError: one of them is not a row.
    """
    flat: list[Any] = (_HASHES if view.as_hash else _STRINGS).decode(packed)
    decode = _from_fields if view.as_hash else decode_string
    return list(map(decode, map(key_of, flat[::2]), flat[1::2]))


def decode_string(key: tuple[str, ...], text: bytes | str) -> OnlineRow:
    """A row stored as a string.

    Raises:
        ValueError: the text is not a row.
    """
    stored = _STORED.decode(text)
    return OnlineRow(key, _moment(stored.event_time), stored.value)


def decode_hash(key: tuple[str, ...], packed: bytes) -> OnlineRow:
    """A row stored as a hash: field, value, field, value, … in MessagePack.

    Raises:
        ValueError: the fields are not a row.
    """
    return _from_fields(key, _FLAT.decode(packed))


def begins_with(view: OnlineView, name: str, text: str) -> tuple[str, bytes]:
    """What the script that renews rows compares: where a value begins, and how.

    Returns:
        The field of a hash or "", and the bytes that it holds or the value of a string begins with.
    """
    encoded = _JSON.encode(text)
    return (name, encoded) if view.as_hash else ("", b"{%b:%b" % (_JSON.encode(name), encoded))


def _from_fields(key: tuple[str, ...], flat: list[str]) -> OnlineRow:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    event_time = _moment(fields.pop(_EVENT_TIME, ""))
    decode = _FIELD.decode
    return OnlineRow(key, event_time, {name: decode(text) for name, text in fields.items()})


def _strings(rows: Sequence[OnlineRow]) -> list[str]:
    # A line break in a value is written as \n, so that there is one line per value.
    lines = _JSON.encode_lines([_as_dict(row.value) for row in rows]).decode().split("\n")
    return [
        f'{{"event_time":"{_text(row.event_time)}","value":{line}}}'
        for row, line in zip(rows, lines, strict=False)  # the last line is empty
    ]


def _hashes(rows: Sequence[OnlineRow]) -> list[list[str]]:
    encode = _JSON.encode
    texts: list[list[str]] = []
    for row in rows:
        if _EVENT_TIME in row.value:
            raise InvalidInput(f"A value of {row.key!r} must not be named {_EVENT_TIME}.")
        fields = [_EVENT_TIME, _text(row.event_time)]
        for name, value in row.value.items():
            fields += (name, encode(value).decode())
        texts.append(fields)
    return texts


def _as_dict(value: Mapping[str, Any]) -> dict[str, Any]:
    return value if type(value) is dict else dict(value)


def _first_refused(view: OnlineView, rows: Sequence[OnlineRow]) -> OnlineRow:
    for row in rows:
        encode_rows(view, [row])
    raise AssertionError("together they were refused")


@lru_cache(_CACHED_TIMES)
def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidInput(
            f"The event_time {moment} has no time zone.", remedy="Use an aware UTC time."
        )
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@lru_cache(_CACHED_TIMES)
def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{_EVENT_TIME} has no time zone")
    return moment
