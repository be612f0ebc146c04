"""Running processes, by their heartbeats."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete
from sqlmodel import col, select

from spotlab.domain.ports import ProcessInfo
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.tables.jobs import ProcessRow


class SqlProcesses:
    """Processes in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def beat(self, process: ProcessInfo, forget_before: datetime) -> None:
        """Store a heartbeat, and delete processes without one since `forget_before`."""
        old = delete(ProcessRow).where(col(ProcessRow.seen_at) < forget_before)
        with writing(self._engine) as session:
            upsert(session, ProcessRow(**_values(process)))
            session.connection().execute(old)

    def leave(self, process_id: str) -> None:
        """Delete a process that ends."""
        ended = delete(ProcessRow).where(col(ProcessRow.process_id) == process_id)
        with writing(self._engine) as session:
            session.connection().execute(ended)

    def list(self) -> list[ProcessInfo]:
        """Processes, ordered by role, host and pid."""
        query = select(ProcessRow).order_by(ProcessRow.role, ProcessRow.host, col(ProcessRow.pid))
        with reading(self._engine) as session:
            return [ProcessInfo(**row.model_dump()) for row in session.exec(query)]


def _values(process: ProcessInfo) -> dict[str, Any]:
    return {name: getattr(process, name) for name in ProcessInfo.__slots__}
