"""Placement scores as AWS returned them."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import col, select

from spotlab.domain.placement import PlacementResponse
from spotlab.store.engine import reading, writing
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.placement import PlacementRow


class SqlPlacement(Repository):
    """All responses in SQL; they also show how much of AWS's daily limit is used."""

    def record(self, answer: PlacementResponse) -> None:
        """Store a response."""
        lists = {"instance_types": list(answer.instance_types), "scores": dict(answer.scores)}
        with writing(self._engine) as session:
            session.add(PlacementRow(**field_values(answer) | lists))

    def since(self, moment: datetime, *, emulated: bool) -> list[PlacementResponse]:
        """Responses since a time, of the emulated or the real AWS, oldest first."""
        query = (
            select(PlacementRow)
            .where(col(PlacementRow.asked_at) >= moment, col(PlacementRow.emulated).is_(emulated))
            .order_by(col(PlacementRow.asked_at), col(PlacementRow.id))
        )
        with reading(self._engine) as session:
            return [_answer(row) for row in session.exec(query)]


def _answer(row: PlacementRow) -> PlacementResponse:
    values = row.model_dump(exclude={"id"})
    return PlacementResponse(**values | {"instance_types": tuple(row.instance_types)})
