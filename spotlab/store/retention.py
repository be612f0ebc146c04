"""Old rows go in small batches.

On SQLite everybody who writes waits for a transaction that does: each is short.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Engine, Select, delete, func, select, tuple_
from sqlmodel import col

from spotlab.store.engine import reading, writing
from spotlab.store.retention_rules import Rule
from spotlab.store.tables.outcomes import DriftRow

REFERENCE_DAYS: Final = 15
"""Drift compares with a model's first fourteen days: those stay, and one for a day cut short."""


class SqlRetention:
    """Old rows of a database.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self, rule: Rule, before: datetime, now: datetime) -> int:
        """How many rows would go."""
        query = select(func.count()).select_from(rule.row).where(rule.old(before, now))
        with reading(self._engine) as session:
            return int(session.connection().execute(query).scalar_one())

    def delete_some(self, rule: Rule, before: datetime, now: datetime) -> int:
        """Delete a batch in a short transaction; how many went, 0 when none is left.

        The batch is looked up before the transaction: on SQLite everybody who writes waits for
        it. A row that is old when it is looked up is still old when it is deleted.
        """
        keys = list(rule.table.primary_key.columns)
        query: Select[Any] = select(*keys).select_from(rule.row).where(rule.old(before, now))
        with reading(self._engine) as session:
            found = session.connection().execute(query.order_by(*keys).limit(rule.batch)).all()
        if not found:
            return 0
        chosen = [tuple(row) for row in found]
        with writing(self._engine) as session:
            connection = session.connection()
            for other, column in rule.dependents:
                connection.execute(delete(other).where(column.in_([key[0] for key in chosen])))
            named = tuple_(*keys).in_(chosen)
            return int(connection.execute(delete(rule.table).where(named)).rowcount)

    def drift_beyond(self, before: datetime) -> list[int]:
        """Ids of old sketches of scored markets that no comparison needs.

        The reference of drift is a model's first days, whenever they were; they and the newest
        stay.
        """
        query = select(DriftRow.id, DriftRow.market, DriftRow.model, DriftRow.at)  # type: ignore[call-overload]
        of_model: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
        with reading(self._engine) as session:
            for key, market, model, at in session.connection().execute(query):
                of_model.setdefault((market, model), []).append((at.astimezone(UTC), key))
        beyond: list[int] = []
        for sketches in of_model.values():
            sketches.sort()
            days = sorted({at.date() for at, _ in sketches})[:REFERENCE_DAYS]
            beyond += [
                key
                for at, key in sketches[:-1]
                if at < before and (not days or at.date() > days[-1])
            ]
        return beyond

    def delete_drift(self, ids: Sequence[int]) -> int:
        """Delete these sketches; how many went."""
        with writing(self._engine) as session:
            gone = session.connection().execute(delete(DriftRow).where(col(DriftRow.id).in_(ids)))
            return int(gone.rowcount)
