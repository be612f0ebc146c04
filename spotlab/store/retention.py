"""Deletes old rows in small batches.

On SQLite, a write transaction blocks all other writers, so each is short.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, and_, delete, func, select, tuple_
from sqlmodel import col

from spotlab.store import experiment_counts
from spotlab.store.engine import reading, writing
from spotlab.store.repository import Repository
from spotlab.store.retention_rules import Rule
from spotlab.store.tables.core import ExperimentRow
from spotlab.store.tables.outcomes import DriftRow

REFERENCE_DAYS: Final = 15
"""Drift compares with a model's first 14 days; one more in case a day is incomplete."""


class SqlRetention(Repository):
    """Counting and deleting old rows of a database."""

    def count(self, rule: Rule, before: datetime, now: datetime) -> int:
        """Number of rows that would be deleted."""
        query = select(func.count()).select_from(rule.row).where(rule.old(before, now))
        with reading(self._engine) as session:
            return int(session.connection().execute(query).scalar_one())

    def delete_batch(self, rule: Rule, before: datetime, now: datetime) -> int:
        """Delete a batch in a short transaction; returns how many, 0 when none is left.

        The batch is selected before the transaction, which blocks other writers on SQLite; a row
        that was used meanwhile is not deleted.
        """
        keys = list(rule.table.primary_key.columns)
        query: Select[Any] = select(*keys).select_from(rule.row).where(rule.old(before, now))
        with reading(self._engine) as session:
            rows = session.connection().execute(query.order_by(*keys).limit(rule.batch)).all()
        batch = [tuple(row) for row in rows]
        if not batch:
            return 0
        with writing(self._engine) as session:
            connection = session.connection()
            still_old = and_(tuple_(*keys).in_(batch), rule.old(before, now))
            counted = experiment_counts.GROUP if rule.row is ExperimentRow else ()
            removal = delete(rule.table).where(still_old).returning(*keys, *counted)
            deleted = connection.execute(removal).all()
            if counted:
                experiment_counts.add(session, (row[len(keys) :] for row in deleted), -1)
            for dependent, column in rule.dependents:
                connection.execute(delete(dependent).where(column.in_([key[0] for key in deleted])))
            return len(deleted)

    def old_drift_ids(self, before: datetime) -> list[int]:
        """Ids of old drift sketches that no comparison needs.

        A model's first days, which are the reference of drift, and its newest sketch are preserved.
        """
        query = select(DriftRow.id, DriftRow.market, DriftRow.model, DriftRow.at)  # type: ignore[call-overload]
        sketches_of: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
        with reading(self._engine) as session:
            for key, market, model, at in session.connection().execute(query):
                sketches_of.setdefault((market, model), []).append((at.astimezone(UTC), key))
        old: list[int] = []
        for sketches in sketches_of.values():
            sketches.sort()
            days = sorted({at.date() for at, _ in sketches})[:REFERENCE_DAYS]
            old += [
                key
                for at, key in sketches[:-1]
                if at < before and (not days or at.date() > days[-1])
            ]
        return old

    def delete_drift(self, ids: Sequence[int]) -> int:
        """Delete these sketches; returns how many."""
        with writing(self._engine) as session:
            old = delete(DriftRow).where(col(DriftRow.id).in_(ids))
            return int(session.connection().execute(old).rowcount)
