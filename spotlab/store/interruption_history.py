"""Progress of reading past interruptions, saved with what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import col, select

from spotlab.domain.interruptions import InterruptionEvent
from spotlab.domain.spot_events import HistoryProgress
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.interruptions import EVIDENCE_LOCK, add_event
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.spot_events import InterruptionHistoryRow


class SqlInterruptionHistories(Repository):
    """Progress by account and region in SQL."""

    def list(self) -> list[HistoryProgress]:
        """All, ordered by account and region."""
        row = InterruptionHistoryRow
        query = select(row).order_by(col(row.account), col(row.region))
        with reading(self._engine) as session:
            return [_progress(each) for each in session.exec(query)]

    def save(
        self, progress: HistoryProgress, interruptions: Sequence[InterruptionEvent] = ()
    ) -> HistoryProgress:
        """Record interruptions and how far was read, both or neither.

        Args:
            progress: after these; `recorded` is increased by those that are new.
            interruptions: of one page.
        Returns:
            The progress as saved.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, EVIDENCE_LOCK)
            new = sum(add_event(session, each) for each in interruptions)
            saved = replace(progress, recorded=progress.recorded + new)
            values = field_values(saved) | {"boundary": list(saved.boundary)}
            upsert(session, InterruptionHistoryRow(**values))
        return saved


def _progress(row: InterruptionHistoryRow) -> HistoryProgress:
    return HistoryProgress(**row.model_dump() | {"boundary": tuple(row.boundary)})
