"""Request counts of app servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from spotlab.domain.request_stats import SLOT, RequestCounts
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.monitoring import RequestStatsRow


class SqlRequestStats(Repository):
    """Counts in SQL, one row per process and time slot."""

    def record(self, served: Sequence[RequestCounts]) -> None:
        """Store counts; they replace earlier counts of the same process and slot."""
        if not served:
            return
        with writing(self._engine) as session:
            for each in served:
                took = {str(latency): count for latency, count in each.took.items()}
                row = RequestStatsRow(
                    process_id=each.process_id, at=each.at, failed=each.failed, took=took
                )
                upsert(session, row)

    def since(self, moment: datetime) -> list[RequestCounts]:
        """Slots of all processes that end after a time, oldest first."""
        query = select(RequestStatsRow).where(col(RequestStatsRow.at) > moment - SLOT)
        with reading(self._engine) as session:
            return [
                RequestCounts(
                    row.process_id, row.at, row.failed, {int(k): n for k, n in row.took.items()}
                )
                for row in session.exec(query.order_by(col(RequestStatsRow.at)))
            ]
