"""Column values: aware UTC times and JSON without NaN."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from spotlab.errors import InvalidInput


class UtcDateTime(TypeDecorator[datetime]):
    """A time: aware in, aware UTC out, to the microsecond, on SQLite and PostgreSQL alike.

    SQLite stores no time zone, so times are converted to UTC before the zone is dropped.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to the value that the driver stores."""
        if value is None:
            return None
        utc = _to_utc(require_aware(value))
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> datetime | None:
        """Convert a stored value to aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def require_aware(moment: datetime) -> datetime:
    """Return the time unchanged if it is aware.

    Raises:
        InvalidInput: it has no time zone, so it is ambiguous.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidInput(
            f"The time {moment.isoformat()} has no time zone.",
            remedy="Use an aware time, such as datetime.now(UTC).",
        )
    return moment


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(
            f"The time {moment.isoformat()} is before the year 1 or after 9999 in UTC.",
            remedy="Use a time in the years 1970 to 2999.",
        ) from None


_ENCODER: Final = json.JSONEncoder(allow_nan=False)


def to_json(value: object) -> str:
    """Serialise the value of a JSON column.

    Raises:
        InvalidInput: it contains NaN or infinity. They are not JSON: PostgreSQL rejects them, so
            SQLite must as well.
    """
    try:
        return _ENCODER.encode(value)
    except ValueError:
        raise InvalidInput(
            f"A number that is infinite or NaN cannot be stored: {value!r:.200}.",
            remedy="Use a finite number or null.",
        ) from None
