"""Answers to writes with an idempotency key, so that a repeated one gets the same.

A write is claimed before it is carried out and its answer kept afterwards. Between the two a
process may die: the claim stays, and whoever repeats the write learns that nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, delete
from sqlmodel import col

from spotlab.store.engine import insert_new, writing
from spotlab.store.tables.access import AnsweredWriteRow

AT_WORK: Final = 0


@dataclass(frozen=True, slots=True)
class AnsweredWrite:
    """A write that was asked before.

    Args:
        request_hash: of everything that was asked.
        status: HTTP status that was answered; AT_WORK: none yet.
        answer: what was answered, as `settle` was given it.
        created_at: when it was first asked, aware UTC.
    """

    request_hash: str
    status: int
    answer: dict[str, Any]
    created_at: datetime


class SqlIdempotencyKeys:
    """Answered writes in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(
        self, user: str, key: str, route: str, request_hash: str, at: datetime
    ) -> AnsweredWrite | None:
        """Begin a write; of several at once, one gets None and goes on.

        Returns:
            None: it is this caller's to carry out. Else what is known of the first one.
        """
        row = AnsweredWriteRow(
            user=user,
            key=key,
            route=route,
            request_hash=request_hash,
            status=AT_WORK,
            body=None,
            created_at=at,
        )
        with writing(self._engine) as session:
            found = None
            while found is None:  # on PostgreSQL, what the insert met may be released by now
                if insert_new(session, row):
                    return None
                found = session.get(AnsweredWriteRow, (user, key))
            return AnsweredWrite(
                found.request_hash, found.status, found.body or {}, found.created_at
            )

    def settle(self, user: str, key: str, status: int, answer: dict[str, Any]) -> None:
        """Keep what was answered."""
        with writing(self._engine) as session:
            row = session.get(AnsweredWriteRow, (user, key))
            if row is not None:
                row.status, row.body = status, answer

    def release(self, user: str, key: str) -> None:
        """Forget a write that changed nothing, so that it can be asked again."""
        with writing(self._engine) as session:
            session.connection().execute(
                delete(AnsweredWriteRow).where(
                    col(AnsweredWriteRow.user) == user,
                    col(AnsweredWriteRow.key) == key,
                    col(AnsweredWriteRow.status) == AT_WORK,
                )
            )

    def forget_before(self, moment: datetime) -> int:
        """Forget what was asked before a moment; returns how many."""
        with writing(self._engine) as session:
            gone = delete(AnsweredWriteRow).where(col(AnsweredWriteRow.created_at) < moment)
            return int(session.connection().execute(gone).rowcount)
