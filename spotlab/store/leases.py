"""Leases: one holder at a time, each with a token that grows.

No wall clock decides: whoever wants a lease watches its beat by their own monotonic clock (see
scheduling/leader_election.py) and takes it over exactly as they last saw it, or not at all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, text, update
from sqlmodel import Session, col

from spotlab.domain.ports import Lease
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.tables.jobs import LeaseRow

_LOCK: Final = text("SELECT token FROM leases WHERE name = :name FOR UPDATE")
"""Waits for whatever a fenced holder is just committing."""


class SqlLeases:
    """Leases in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, name: str) -> Lease | None:
        """As it is now; None: nobody ever took it."""
        with reading(self._engine) as session:
            row = session.get(LeaseRow, name)
            return None if row is None else Lease(**row.model_dump())

    def take(self, name: str, holder: str, seen: Lease | None, at: datetime) -> int | None:
        """Take it, if it is still as it was seen.

        Args:
            name: of the lease.
            holder: who takes it.
            seen: what `look` gave.
            at: now, to be shown.
        Returns:
            The new token; None: somebody else was faster, or its holder lives.
        """
        before = seen or Lease(name, "", 0, 0, True, at)
        with writing(self._engine) as session:
            if seen is None:
                _insert_free(session, name, at)
            _lock(session, name)
            taken = (
                update(LeaseRow)
                .where(
                    col(LeaseRow.name) == name,
                    col(LeaseRow.token) == before.token,
                    col(LeaseRow.beat) == before.beat,
                )
                .values(
                    holder=holder,
                    token=before.token + 1,
                    beat=before.beat + 1,
                    released=False,
                    since=at,
                )
            )
            won = session.connection().execute(taken).rowcount == 1
        return before.token + 1 if won else None

    def beat(self, name: str, token: int) -> bool:
        """Give a sign of life; False: it is held no longer."""
        beat = (
            update(LeaseRow)
            .where(col(LeaseRow.name) == name, col(LeaseRow.token) == token)
            .values(beat=col(LeaseRow.beat) + 1)
        )
        with writing(self._engine) as session:
            return session.connection().execute(beat).rowcount == 1

    def release(self, name: str, token: int) -> None:
        """Let go of it, if it is still held; what its holder writes from now on is refused."""
        with writing(self._engine) as session:
            _lock(session, name)
            session.connection().execute(
                update(LeaseRow)
                .where(col(LeaseRow.name) == name, col(LeaseRow.token) == token)
                .values(holder="", token=token + 1, released=True)
            )


def _insert_free(session: Session, name: str, at: datetime) -> None:
    row = LeaseRow(name=name, holder="", token=0, beat=0, released=True, since=at)
    upsert(session, row, update=())


def _lock(session: Session, name: str) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_LOCK, {"name": name})
