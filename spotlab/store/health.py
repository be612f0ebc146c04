"""Recorded successes and failures of components."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from spotlab.domain.ports import ComponentState, Work
from spotlab.store.engine import reading, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.core import HealthRow


class SqlHealthLog(Repository):
    """Outcomes in SQL."""

    def note(
        self, component: str, *, ok: bool, at: datetime, latency_ms: float | None, reason: str
    ) -> None:
        """Record one outcome."""
        outcome = HealthRow(component=component, at=at, ok=ok, latency_ms=latency_ms, reason=reason)
        with writing(self._engine) as session:
            session.add(outcome)

    def last(self, component: str, *, ok: bool | None = None) -> ComponentState | None:
        """The newest outcome (with ok=True: the newest success); None: there is none.

        Its state is "healthy" after a success and "down" after a failure.
        """
        query = select(HealthRow).where(HealthRow.component == component)
        if ok is not None:
            query = query.where(col(HealthRow.ok) == ok)
        successes = select(func.max(HealthRow.at)).where(
            HealthRow.component == component, col(HealthRow.ok)
        )
        newest = query.order_by(col(HealthRow.at).desc(), col(HealthRow.id).desc()).limit(1)
        with reading(self._engine) as session:
            row = session.exec(newest).first()
            if row is None:
                return None
            return ComponentState(
                name=component,
                state="healthy" if row.ok else "down",
                reason=row.reason,
                last_success_at=session.exec(successes).one(),
                latency_ms=row.latency_ms,
                checked_at=row.at,
            )

    def recent(self, component: str, since: datetime) -> Iterator[tuple[datetime, bool]]:
        """Outcomes of a component since a time, oldest first."""
        query = (
            select(HealthRow.at, HealthRow.ok)
            .where(HealthRow.component == component, HealthRow.at >= since)
            .order_by(col(HealthRow.at), col(HealthRow.id))
        )
        with reading(self._engine) as session:
            outcomes = session.exec(query).all()
        return iter(outcomes)

    def outcomes(self, since: datetime) -> list[Work]:
        """Outcomes of all components since a time, oldest first."""
        query = (
            select(HealthRow.component, HealthRow.at, HealthRow.ok, HealthRow.latency_ms)
            .where(HealthRow.at >= since)
            .order_by(col(HealthRow.at), col(HealthRow.id))
        )
        with reading(self._engine) as session:
            return [Work(*each) for each in session.exec(query)]
