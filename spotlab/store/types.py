"""Column types that keep a promise SQL does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from spotlab.errors import InvalidInput


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware in, aware UTC out, microseconds kept, on SQLite and PostgreSQL alike.

    SQLite stores no zone, so the moment is turned to UTC before its zone is dropped.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To what the driver stores."""
        if value is None:
            return None
        moment = _in_utc(require_aware(value))
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> datetime | None:
        """To aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def require_aware(moment: datetime) -> datetime:
    """The moment itself.

    Raises:
        InvalidInput: it has no time zone, so nobody can say when it was.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidInput(
            f"The time {moment.isoformat()} has no time zone.",
            remedy="Give an aware time, such as datetime.now(UTC).",
        )
    return moment


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(
            f"The time {moment.isoformat()} is before the year 1 or after 9999 in UTC.",
            remedy="Give a time in the years 1970 to 2999.",
        ) from None


def to_json(value: object) -> str:
    """The text of a JSON column.

    Raises:
        InvalidInput: it holds NaN or infinity. They are no JSON: PostgreSQL refuses them, so
            SQLite must as well.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise InvalidInput(
            f"A number that is infinite or NaN cannot be stored: {value!r:.200}.",
            remedy="Give a finite number, or none.",
        ) from None
