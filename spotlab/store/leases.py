"""Leases: one holder at a time, with a fencing token that grows.

Wall clocks play no role: a process that wants a lease observes its heartbeat with its own monotonic
clock (see runtime/leader_election.py), and takes it over only if it is still as last read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text, update
from sqlmodel import Session, col

from spotlab.domain.ports import Lease
from spotlab.store.engine import reading, upsert, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.jobs import LeaseRow

_LOCK: Final = text("SELECT token FROM leases WHERE name = :name FOR UPDATE")
"""Waits until a fenced holder has committed."""


class SqlLeases(Repository):
    """Leases in SQL."""

    def get(self, name: str) -> Lease | None:
        """The lease as it is now; None: it was never held."""
        with reading(self._engine) as session:
            row = session.get(LeaseRow, name)
            return None if row is None else Lease(**row.model_dump())

    def acquire(self, name: str, holder: str, seen: Lease | None, at: datetime) -> int | None:
        """Acquire a lease if it is still as last read.

        Args:
            name: of the lease.
            holder: the new holder.
            seen: the lease as read by `get`.
            at: now, for display only.
        Returns:
            The new token; None: another process was faster, or the holder is alive.
        """
        before = seen or Lease(name, "", 0, 0, True, at)
        with writing(self._engine) as session:
            if seen is None:
                _insert_free(session, name, at)
            _lock(session, name)
            takeover = (
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
            won = session.connection().execute(takeover).rowcount == 1
        return before.token + 1 if won else None

    def beat(self, name: str, token: int) -> bool:
        """Renew the lease; False: it is no longer held."""
        beat = (
            update(LeaseRow)
            .where(col(LeaseRow.name) == name, col(LeaseRow.token) == token)
            .values(beat=col(LeaseRow.beat) + 1)
        )
        with writing(self._engine) as session:
            return session.connection().execute(beat).rowcount == 1

    def release(self, name: str, token: int) -> None:
        """Release the lease if it is still held; later writes of its holder fail."""
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
