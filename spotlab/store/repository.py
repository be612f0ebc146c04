"""Base class of the repositories, and conversion of domain values to columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine


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
