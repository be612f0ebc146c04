"""Launches into pools that lack capacity: one probe at a time, more after each success."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from spotlab.domain.market import Pool
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.switches import LaunchAllowanceRow, LaunchClaimRow, SwitchRow

FIRST_PAUSE: Final = timedelta(minutes=1)
"""After the first refusal of a pool; doubled after each further one."""
LONGEST_PAUSE: Final = timedelta(hours=1)
RECOVERED: Final = 16
"""With this allowance, a pool has capacity again and launches are not counted any more."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A pool that lacked capacity.

    Args:
        pool: the pool.
        allowance: launches that may be tried at once.
        refusals: in a row.
        code: of the last refusal, such as "InsufficientInstanceCapacity".
        refused_at: of the last refusal, aware UTC.
        next_at: the next launch is not tried before.
    """

    pool: Pool
    allowance: int
    refusals: int
    code: str
    refused_at: datetime
    next_at: datetime


class SqlLaunchAllowances(Repository):
    """Allowances and claims in SQL, shared by all drivers."""

    def claim(self, pool: Pool, switch_id: str, now: datetime) -> Allowance | None:
        """Claim a launch; it must be ended by `succeeded`, `refused` or `release`.

        A switch that already holds a claim keeps it.

        Returns:
            None: launch now. Otherwise why not: the pool's allowance is used up, or it is too
            early.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, f"launches:{pool.key}")
            row = session.get(LaunchAllowanceRow, pool.key)
            if row is None or session.get(LaunchClaimRow, (pool.key, switch_id)) is not None:
                return None
            # A clock that was set back must not keep a pool out for longer than its pause.
            pause = row.next_at - row.refused_at
            early = row.refused_at <= now < row.next_at and now - row.refused_at < pause
            if early or _claims(session, pool.key) >= row.allowance:
                return _allowance(row)
            session.add(LaunchClaimRow(pool=pool.key, switch_id=switch_id, claimed_at=now))
            return None

    def refused(self, pool: Pool, switch_id: str, code: str, now: datetime) -> None:
        """The pool had no capacity: one launch at a time, after a pause that doubles."""
        with writing(self._engine) as session:
            lock_until_commit(session, f"launches:{pool.key}")
            row = session.get(LaunchAllowanceRow, pool.key)
            refusals = 1 if row is None else row.refusals + 1
            pause = min(FIRST_PAUSE * 2 ** min(refusals - 1, 10), LONGEST_PAUSE)
            upsert(
                session,
                LaunchAllowanceRow(
                    pool=pool.key,
                    allowance=1,
                    refusals=refusals,
                    code=code,
                    refused_at=now,
                    next_at=now + pause,
                ),
            )
            _release(session, switch_id, pool.key)

    def succeeded(self, pool: Pool, switch_id: str, now: datetime) -> None:
        """A launch succeeded: twice as many may be tried at once, and without a pause."""
        with writing(self._engine) as session:
            lock_until_commit(session, f"launches:{pool.key}")
            row = session.get(LaunchAllowanceRow, pool.key)
            if row is not None:
                row.allowance, row.refusals, row.next_at = row.allowance * 2, 0, now
                if row.allowance >= RECOVERED:
                    session.delete(row)
            _release(session, switch_id, pool.key)

    def release(self, switch_id: str) -> None:
        """Give up the claims of a switch, without an outcome."""
        with writing(self._engine) as session:
            _release(session, switch_id)

    def list(self) -> list[Allowance]:
        """Pools that lacked capacity, by key."""
        query = select(LaunchAllowanceRow).order_by(col(LaunchAllowanceRow.pool))
        with reading(self._engine) as session:
            return [_allowance(row) for row in session.exec(query)]


def _claims(session: Session, pool: str) -> int:
    """Claims of open switches; one of a finished switch was left by a killed driver."""
    query = (
        select(func.count())
        .select_from(LaunchClaimRow)
        .join(SwitchRow, col(SwitchRow.switch_id) == col(LaunchClaimRow.switch_id))
        .where(LaunchClaimRow.pool == pool, col(SwitchRow.is_open).is_(True))
    )
    return int(session.exec(query).one())


def _release(session: Session, switch_id: str, pool: str | None = None) -> None:
    own = delete(LaunchClaimRow).where(col(LaunchClaimRow.switch_id) == switch_id)
    if pool is not None:
        own = own.where(col(LaunchClaimRow.pool) == pool)
    session.connection().execute(own)


def _allowance(row: LaunchAllowanceRow) -> Allowance:
    return Allowance(
        Pool.parse(row.pool), row.allowance, row.refusals, row.code, row.refused_at, row.next_at
    )
