"""Running processes, by their heartbeats."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select

from spotlab.domain.ports import ProcessInfo
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.jobs import ProcessRow


class SqlProcesses(Repository):
    """Processes in SQL."""

    def record_heartbeat(self, process: ProcessInfo, forget_before: datetime) -> None:
        """Store a heartbeat, and delete processes without one since `forget_before`."""
        old = delete(ProcessRow).where(col(ProcessRow.seen_at) < forget_before)
        with writing(self._engine) as session:
            upsert(session, ProcessRow(**field_values(process)))
            session.connection().execute(old)

    def remove(self, process_id: str) -> None:
        """Delete a process that ends."""
        ended = delete(ProcessRow).where(col(ProcessRow.process_id) == process_id)
        with writing(self._engine) as session:
            session.connection().execute(ended)

    def list(self) -> list[ProcessInfo]:
        """Processes, ordered by role, host and pid."""
        query = select(ProcessRow).order_by(ProcessRow.role, ProcessRow.host, col(ProcessRow.pid))
        with reading(self._engine) as session:
            return [ProcessInfo(**row.model_dump()) for row in session.exec(query)]
