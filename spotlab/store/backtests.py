"""Backtest sweeps and their finished cells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, literal, update
from sqlmodel import Session, col, select

from spotlab.domain.ports import By
from spotlab.domain.ports.backtests import SweepRecord, SweepState
from spotlab.errors import NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.repository import Repository
from spotlab.store.tables.core import SweepCellRow, SweepRow

_RESTARTABLE: Final = ("cancelled", "failed")
_STARTABLE: Final = (*_RESTARTABLE, "running")
"""States in which a start has an effect; "running" may be left over from a killed process."""
_STATE: Final = col(SweepRow.state)


class SqlSweeps(Repository):
    """Sweeps in SQL."""

    def open(
        self,
        sweep_id: str,
        config: Mapping[str, Any],
        total: int,
        at: datetime,
        by: By | None = None,
    ) -> SweepRecord:
        """Queue a sweep, or queue a cancelled or failed one again; its finished cells remain.

        Args:
            sweep_id, config, total, at: as in SweepRecord.
            by: who starts it, for the audit log; None: no audit entry.
        """
        row = SweepRow(
            sweep_id=sweep_id,
            created_at=at,
            state="queued",
            config=dict(config),
            total=total,
            error="",
            cancel_requested=False,
        )
        with writing(self._engine) as session:
            lock_until_commit(session, f"sweep:{sweep_id}")
            before = _state(session, sweep_id)
            upsert(session, row, update=("sweep_id",))  # an existing sweep is left unchanged
            session.connection().execute(
                update(SweepRow)
                .where(col(SweepRow.sweep_id) == sweep_id, _STATE.in_(_RESTARTABLE))
                .values(state="queued", error="", cancel_requested=False)
            )
            if by is not None and before in (None, *_STARTABLE):
                after = {"state": "running" if before == "running" else "queued", "cells": total}
                former = {"state": before} if before is not None else None
                append(session, by, "sweep.start", sweep_id, former, after)
        return self.get(sweep_id)

    def begin(self, sweep_id: str) -> None:
        """Mark a sweep as running and discard an earlier request to stop it. Raises NotFound."""
        self._change(sweep_id, state="running", error="", cancel_requested=False)

    def finish(self, sweep_id: str, state: SweepState, error: str = "") -> None:
        """Mark a sweep as ended. Raises NotFound."""
        self._change(sweep_id, state=state, error=error, cancel_requested=False)

    def cancel(self, sweep_id: str, by: By | None = None) -> None:
        """Cancel a queued sweep, or ask a running one to stop. Raises NotFound."""
        with writing(self._engine) as session:
            lock_until_commit(session, f"sweep:{sweep_id}")
            before = _state(session, sweep_id)
            if before is None:
                raise _not_found(sweep_id)
            queued, running = _STATE == "queued", _STATE == "running"
            session.connection().execute(
                update(SweepRow)
                .where(col(SweepRow.sweep_id) == sweep_id)
                .values(
                    state=case((queued, literal("cancelled")), else_=_STATE),
                    cancel_requested=running,
                )
            )
            if by is not None and before in ("queued", "running"):
                after = "cancelled" if before == "queued" else "asked to stop"
                append(session, by, "sweep.cancel", sweep_id, {"state": before}, {"state": after})

    def get(self, sweep_id: str) -> SweepRecord:
        """One sweep.

        Raises:
            NotFound: no such sweep.
        """
        with reading(self._engine) as session:
            found = session.exec(_records().where(col(SweepRow.sweep_id) == sweep_id)).first()
        if found is None:
            raise _not_found(sweep_id)
        return _record(*found)

    def list(self, limit: int = 100) -> list[SweepRecord]:
        """Sweeps, newest first."""
        newest = (col(SweepRow.created_at).desc(), col(SweepRow.sweep_id))
        with reading(self._engine) as session:
            found = session.exec(_records().order_by(*newest).limit(limit)).all()
        return [_record(row, done) for row, done in found]

    def store_cell(self, sweep_id: str, key: str, result: Mapping[str, Any]) -> None:
        """Store the result of a finished cell.

        Raises:
            InvalidInput: a number is infinite or NaN.
        """
        with writing(self._engine) as session:
            upsert(session, SweepCellRow(sweep_id=sweep_id, key=key, result=dict(result)))

    def finished(self, sweep_id: str) -> dict[str, dict[str, Any]]:
        """Results of the finished cells by key, ordered by key."""
        query = select(SweepCellRow.key, SweepCellRow.result).where(
            SweepCellRow.sweep_id == sweep_id
        )
        with reading(self._engine) as session:
            results = {key: dict(result) for key, result in session.exec(query)}
        return dict(sorted(results.items()))

    def _change(self, sweep_id: str, **values: Any) -> None:
        change = update(SweepRow).where(col(SweepRow.sweep_id) == sweep_id).values(**values)
        with writing(self._engine) as session:
            if not session.connection().execute(change).rowcount:
                raise _not_found(sweep_id)


def _state(session: Session, sweep_id: str) -> str | None:
    return session.exec(select(SweepRow.state).where(col(SweepRow.sweep_id) == sweep_id)).first()


def _records() -> Any:
    done = (
        select(func.count())
        .select_from(SweepCellRow)
        .where(col(SweepCellRow.sweep_id) == col(SweepRow.sweep_id))
        .scalar_subquery()
    )
    return select(SweepRow, done)


def _record(row: SweepRow, done: int) -> SweepRecord:
    return SweepRecord(**row.model_dump(), done=done)


def _not_found(sweep_id: str) -> NotFound:
    return NotFound(f"There is no backtest {sweep_id!r}.", remedy="List the backtests.")
