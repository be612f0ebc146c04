"""API tokens, stored as hashes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from spotlab.domain.access import Right
from spotlab.domain.ports import ApiToken, By
from spotlab.errors import NotFound
from spotlab.store.audit import append
from spotlab.store.engine import reading, writing
from spotlab.store.repository import Repository
from spotlab.store.sessions import require_active
from spotlab.store.tables.access import ApiTokenRow


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token with the hash that its secret is compared with."""

    token: ApiToken
    token_hash: str


class SqlTokens(Repository):
    """API tokens in SQL."""

    def add(self, token: ApiToken, token_hash: str, by: By, session_id: str = "") -> None:
        """Store a new token.

        Args:
            token: the token.
            token_hash: hash of its secret.
            by: who creates it.
            session_id: of the session in which they create it; "": no session.
        Raises:
            NotSignedIn: that session has ended meanwhile.
        """
        row = ApiTokenRow(
            token_id=token.token_id,
            user=token.user,
            name=token.name,
            token_hash=token_hash,
            scopes=sorted(scope.value for scope in token.scopes),
            created_at=token.created_at,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            revoked_at=token.revoked_at,
            grantors=list(token.grantors) or None,
        )
        with writing(self._engine) as session:
            if session_id:
                require_active(session, session_id)
            session.add(row)
            append(session, by, "token.create", token.token_id, None, _audit_values(row))

    def find(self, token_id: str) -> StoredToken | None:
        """One token with its hash; None: there is none."""
        with reading(self._engine) as session:
            row = session.get(ApiTokenRow, token_id)
            return None if row is None else StoredToken(_token(row), row.token_hash)

    def list(self, user: str | None = None) -> list[ApiToken]:
        """Tokens (of a user), newest first, including those that have ended."""
        query = select(ApiTokenRow).order_by(col(ApiTokenRow.created_at).desc())
        if user is not None:
            query = query.where(ApiTokenRow.user == user)
        with reading(self._engine) as session:
            return [_token(row) for row in session.exec(query)]

    def mark_used(self, token_id: str, at: datetime) -> None:
        """Record when a token was last used."""
        with writing(self._engine) as session:
            session.connection().execute(
                update(ApiTokenRow)
                .where(col(ApiTokenRow.token_id) == token_id)
                .values(last_used_at=at)
            )

    def revoke(self, token_id: str, by: By, user: str | None = None) -> ApiToken:
        """Revoke a token (of a user).

        Raises:
            NotFound: there is no such token, or it belongs to another user.
        """
        with writing(self._engine) as session:
            row = session.get(ApiTokenRow, token_id, with_for_update=True)
            if row is None or (user is not None and row.user != user):
                raise NotFound(
                    f"There is no token {token_id!r}.", remedy="`spotlab tokens list` lists them."
                )
            if row.revoked_at is None:
                _revoke(session, row, by)
            return _token(row)


def revoke_tokens(session: Session, user: str, by: By) -> int:
    """Revoke all tokens of a user in an open transaction; returns how many."""
    query = select(ApiTokenRow).where(
        ApiTokenRow.user == user, col(ApiTokenRow.revoked_at).is_(None)
    )
    rows = session.exec(query.with_for_update()).all()
    for row in rows:
        _revoke(session, row, by)
    return len(rows)


def _revoke(session: Session, row: ApiTokenRow, by: By) -> None:
    before, row.revoked_at = _audit_values(row), by.at
    append(session, by, "token.revoke", row.token_id, before, None)


def _audit_values(row: ApiTokenRow) -> dict[str, Any]:
    return {
        "user": row.user,
        "name": row.name,
        "scopes": row.scopes,
        "expires_at": row.expires_at.isoformat(),
        "grantors": row.grantors or [],
    }


def _token(row: ApiTokenRow) -> ApiToken:
    return ApiToken(
        token_id=row.token_id,
        user=row.user,
        name=row.name,
        scopes=frozenset(Right(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        grantors=tuple(row.grantors or ()),
    )
