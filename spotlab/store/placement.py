"""Placement scores as AWS returned them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine
from sqlmodel import col, select

from spotlab.domain.placement import PlacementAnswer
from spotlab.store.engine import reading, writing
from spotlab.store.tables.placement import PlacementRow


class SqlPlacement:
    """All responses in SQL; they also show how much of AWS's daily limit is used.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, answer: PlacementAnswer) -> None:
        """Store a response."""
        with writing(self._engine) as session:
            session.add(
                PlacementRow(
                    emulated=answer.emulated,
                    account=answer.account,
                    region=answer.region,
                    instance_types=list(answer.instance_types),
                    asked_at=answer.asked_at,
                    source=answer.source,
                    refused=answer.refused,
                    scores=dict(answer.scores),
                )
            )

    def since(self, moment: datetime, *, emulated: bool) -> list[PlacementAnswer]:
        """Responses since a time, of the emulated or the real AWS, oldest first."""
        query = (
            select(PlacementRow)
            .where(col(PlacementRow.asked_at) >= moment, col(PlacementRow.emulated).is_(emulated))
            .order_by(col(PlacementRow.asked_at), col(PlacementRow.id))
        )
        with reading(self._engine) as session:
            return [_answer(row) for row in session.exec(query)]


def _answer(row: PlacementRow) -> PlacementAnswer:
    return PlacementAnswer(
        emulated=row.emulated,
        account=row.account,
        region=row.region,
        instance_types=tuple(row.instance_types),
        asked_at=row.asked_at,
        source=row.source,
        refused=row.refused,
        scores=row.scores,
    )
