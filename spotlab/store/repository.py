"""Base class of the repositories, and conversion of domain values to columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from spotlab.errors import ChangedMeanwhile


class Repository:
    """One kind of record in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine


def field_values(value: Any) -> dict[str, Any]:
    """A dataclass's fields by name, for a row with columns of the same names; not recursive."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def next_version(subject: str, newest: int, expected: int | None) -> int:
    """The number of the next version of something that users change.

    Args:
        subject: of the error's sentence, such as "The guards are".
        newest: the newest version, 0: none.
        expected: the newest version when the change was prepared; None: any.
    Raises:
        ChangedMeanwhile: the newest version is another.
    """
    if expected is not None and expected != newest:
        raise ChangedMeanwhile(
            f"{subject} at version {newest}, not {expected}.", remedy="Read the newest version."
        )
    return newest + 1
