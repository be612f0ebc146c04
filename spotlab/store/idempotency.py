"""Responses to writes with an idempotency key, so that a repeated write gets the same response.

A write is claimed before it is carried out, and its response is stored afterwards. If the process
dies in between, the claim remains, and a repeated write learns that the result is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete
from sqlmodel import col

from spotlab.store.engine import insert_new, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.access import AnsweredWriteRow

IN_PROGRESS: Final = 0


@dataclass(frozen=True, slots=True)
class AnsweredWrite:
    """A write that was requested before.

    Args:
        request_hash: hash of the whole request.
        status: HTTP status of the response; IN_PROGRESS: no response yet.
        answer: the response, as passed to `settle`.
        created_at: when it was first requested, aware UTC.
    """

    request_hash: str
    status: int
    response: dict[str, Any]
    created_at: datetime


class SqlIdempotencyKeys(Repository):
    """Idempotency keys and stored responses in SQL."""

    def claim(
        self, user: str, key: str, route: str, request_hash: str, at: datetime
    ) -> AnsweredWrite | None:
        """Claim a write; if several callers claim it at once, exactly one gets None.

        Returns:
            None: the caller carries out the write. Otherwise the earlier write.
        """
        row = AnsweredWriteRow(
            user=user,
            key=key,
            route=route,
            request_hash=request_hash,
            status=IN_PROGRESS,
            body=None,
            created_at=at,
        )
        with writing(self._engine) as session:
            earlier = None
            while earlier is None:  # on PostgreSQL, the conflicting row may be released by now
                if insert_new(session, row):
                    return None
                earlier = session.get(AnsweredWriteRow, (user, key))
            return AnsweredWrite(
                earlier.request_hash, earlier.status, earlier.body or {}, earlier.created_at
            )

    def settle(self, user: str, key: str, status: int, answer: dict[str, Any]) -> None:
        """Store the response."""
        with writing(self._engine) as session:
            row = session.get(AnsweredWriteRow, (user, key))
            if row is not None:
                row.status, row.body = status, answer

    def release(self, user: str, key: str) -> None:
        """Delete the claim of a write that changed nothing, so that it can be requested again."""
        with writing(self._engine) as session:
            session.connection().execute(
                delete(AnsweredWriteRow).where(
                    col(AnsweredWriteRow.user) == user,
                    col(AnsweredWriteRow.key) == key,
                    col(AnsweredWriteRow.status) == IN_PROGRESS,
                )
            )
