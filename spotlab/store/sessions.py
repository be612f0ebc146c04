"""Sessions of signed-in browsers, and the keys that signed them."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from spotlab.domain.ports import By, UserSession
from spotlab.errors import NotSignedIn
from spotlab.store.audit import append
from spotlab.store.engine import reading, writing
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.access import SecretKeyRow, SessionRow


class Renewal(StrEnum):
    """Result of a renewal."""

    ROTATED = "rotated"
    PARALLEL = "parallel"
    REUSED = "reused"
    ENDED = "ended"


class SqlSessions(Repository):
    """Sessions in SQL."""

    def get(self, session_id: str) -> UserSession | None:
        """One session; None: there is none."""
        with reading(self._engine) as transaction:
            row = transaction.get(SessionRow, session_id)
            return None if row is None else _session(row)

    def of(self, user: str, at: datetime) -> list[UserSession]:
        """A user's active sessions, newest first."""
        query = (
            select(SessionRow)
            .where(SessionRow.user == user, col(SessionRow.revoked_at).is_(None))
            .where(col(SessionRow.expires_at) > at)
            .order_by(col(SessionRow.created_at).desc())
        )
        with reading(self._engine) as transaction:
            return [_session(row) for row in transaction.exec(query)]

    def renew(
        self, session_id: str, given_hash: str, next_hash: str, by: By, grace: timedelta
    ) -> Renewal:
        """Exchange a renewal token for the next one.

        Args:
            session_id: of the session.
            given_hash, next_hash: hashes of the presented token and of the next one.
            by: who and when, for the audit log if the session is revoked.
            grace: for how long the former token counts as that of a tab renewing in parallel.
        Returns:
            ROTATED: the next token is valid from now on. PARALLEL: another tab has just rotated;
            the next token is not used. REUSED: an outdated token was presented, which only a thief
            or their victim can still have; the session is revoked. ENDED: the session has ended.
        """
        with writing(self._engine) as transaction:
            row = transaction.get(SessionRow, session_id, with_for_update=True)
            if row is None or row.revoked_at is not None or row.expires_at <= by.at:
                return Renewal.ENDED
            if hmac.compare_digest(row.refresh_hash, given_hash):
                row.former_hash, row.refresh_hash = row.refresh_hash, next_hash
                row.refreshed_at = row.seen_at = by.at
                return Renewal.ROTATED
            if hmac.compare_digest(row.former_hash, given_hash):
                if by.at - row.refreshed_at <= grace:
                    return Renewal.PARALLEL
                row.refresh_hash = next_hash  # the newest token was lost, or is not in use yet
                row.refreshed_at = row.seen_at = by.at
                return Renewal.ROTATED
            _revoke(transaction, row, by, "session.stolen")
            return Renewal.REUSED

    def mark_used(self, session_id: str, at: datetime) -> None:
        """Record when a session was last used."""
        with writing(self._engine) as transaction:
            transaction.connection().execute(
                update(SessionRow)
                .where(col(SessionRow.session_id) == session_id)
                .values(seen_at=at)
            )

    def revoke(self, session_id: str, by: By) -> bool:
        """End a session; False: there is none, or it has ended."""
        with writing(self._engine) as transaction:
            row = transaction.get(SessionRow, session_id, with_for_update=True)
            if row is None or row.revoked_at is not None:
                return False
            _revoke(transaction, row, by, "session.end")
            return True

    def revoke_all(self, user: str, by: By, keep: str = "") -> int:
        """End all sessions of a user, except `keep`; returns how many."""
        with writing(self._engine) as transaction:
            return revoke_sessions(transaction, user, by, keep)

    def note_key(self, fingerprint: str, at: datetime, since: datetime) -> list[str]:
        """Record that a process signs with this key; returns the other keys used since a time."""
        with writing(self._engine) as transaction:
            row = transaction.get(SecretKeyRow, fingerprint)
            if row is None:
                transaction.add(SecretKeyRow(fingerprint=fingerprint, seen_at=at))
            else:
                row.seen_at = at
            others = select(SecretKeyRow.fingerprint).where(
                SecretKeyRow.fingerprint != fingerprint, SecretKeyRow.seen_at >= since
            )
            return list(transaction.exec(others))


def begin_session(transaction: Session, session: UserSession, refresh_hash: str, by: By) -> None:
    """Start a session in an open transaction."""
    row = SessionRow(**field_values(session), refresh_hash=refresh_hash, former_hash="")
    transaction.add(row)
    append(transaction, by, "session.begin", session.session_id, None, _audit_values(row))


def require_active(transaction: Session, session_id: str) -> None:
    """Check that a session has not ended, and lock it until the transaction ends.

    Raises:
        NotSignedIn: it has ended.
    """
    row = transaction.get(SessionRow, session_id, with_for_update=True)
    if row is None or row.revoked_at is not None:
        raise NotSignedIn("This session was ended.", remedy="Sign in again.")


def revoke_sessions(transaction: Session, user: str, by: By, keep: str = "") -> int:
    """End all sessions of a user, except `keep`, in an open transaction; returns how many."""
    query = (
        select(SessionRow)
        .where(SessionRow.user == user, col(SessionRow.revoked_at).is_(None))
        .where(col(SessionRow.expires_at) > by.at)
        .order_by(SessionRow.session_id)  # always in the same order, to avoid deadlocks
        .with_for_update()
    )
    active = [row for row in transaction.exec(query).all() if row.session_id != keep]
    for row in active:
        _revoke(transaction, row, by, "session.end")
    return len(active)


def _revoke(transaction: Session, row: SessionRow, by: By, action: str) -> None:
    before, row.revoked_at = _audit_values(row), by.at
    append(transaction, by, action, row.session_id, before, None)


def _audit_values(row: SessionRow) -> dict[str, Any]:
    return {"user": row.user, "via": row.via, "address": row.address, "agent": row.agent}


def _session(row: SessionRow) -> UserSession:
    return UserSession(**row.model_dump(exclude={"refresh_hash", "former_hash"}))
