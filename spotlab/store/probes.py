"""Recorded probes of components."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, insert
from sqlmodel import col, select

from spotlab.domain.components import HEALTHY
from spotlab.domain.ports import Probe
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.monitoring import ProbeRow


class SqlProbeLog(Repository):
    """Probes in SQL."""

    def record(self, probes: Sequence[Probe]) -> None:
        """Store probes, in one transaction."""
        if probes:
            with writing(self._engine) as session:
                session.connection().execute(insert(ProbeRow), [field_values(p) for p in probes])

    def record_missing(self, probes: Sequence[Probe], within: timedelta) -> int:
        """Store those probes that no other process recorded; returns how many."""
        if not probes:
            return 0
        first, last = min(p.at for p in probes) - within, max(p.at for p in probes) + within
        query = select(ProbeRow.component, ProbeRow.at).where(
            col(ProbeRow.at) >= first, col(ProbeRow.at) <= last
        )
        with writing(self._engine) as session:
            # After an outage, all processes do this at the same time.
            lock_until_commit(session, "probes")
            recorded: dict[str, list[datetime]] = {}
            for component, at in session.exec(query):
                recorded.setdefault(component, []).append(at)
            new = [
                p
                for p in probes
                if not any(abs(p.at - at) < within for at in recorded.get(p.component, ()))
            ]
            if new:
                session.connection().execute(insert(ProbeRow), [field_values(p) for p in new])
        return len(new)

    def since(self, moment: datetime, component: str | None = None) -> list[Probe]:
        """Probes since a time, oldest first; without reasons unless a component is named."""
        row = ProbeRow
        query = select(row.component, row.at, row.state, row.latency_ms).where(
            col(row.at) >= moment
        )
        with reading(self._engine) as session:
            if component is None:
                found = session.exec(query.order_by(col(row.at), col(row.id)))
                return [
                    Probe(name, at, state, latency_ms, "") for name, at, state, latency_ms in found
                ]
            with_reasons = select(row).where(row.component == component, col(row.at) >= moment)
            rows = session.exec(with_reasons.order_by(col(row.at), col(row.id)))
            return [_probe(each) for each in rows]

    def newest(self, since: datetime) -> dict[str, Probe]:
        """The newest probe of each component since a time, with its reason."""
        query = (
            select(ProbeRow)
            .where(col(ProbeRow.at) >= since)
            .order_by(col(ProbeRow.at), col(ProbeRow.id))
        )
        with reading(self._engine) as session:
            return {row.component: _probe(row) for row in session.exec(query)}

    def last_success(self, component: str) -> datetime | None:
        """When a component was last healthy; None: never recorded."""
        query = select(func.max(ProbeRow.at)).where(
            ProbeRow.component == component, ProbeRow.state == HEALTHY
        )
        with reading(self._engine) as session:
            return session.exec(query).one()


def _probe(row: ProbeRow) -> Probe:
    return Probe(row.component, row.at, row.state, row.latency_ms, row.reason)
