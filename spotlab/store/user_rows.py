"""Users as rows, and as the audit log tells of them. Store floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from spotlab.domain.access import Role
from spotlab.domain.ports import User
from spotlab.errors import Conflict
from spotlab.store.tables_access import UserRow


@dataclass(frozen=True, slots=True)
class Credential:
    """What a sign-in is checked against.

    Args:
        user: whose it is.
        password_hash: argon2id; None: no password was chosen yet, or the provider vouches.
        failures: attempts to sign in since the last right one.
    """

    user: User
    password_hash: str | None
    failures: int


def credential_of(row: UserRow) -> Credential:
    """The credential of a row."""
    return Credential(user_of(row), row.password_hash, row.failures)


def row_of(user: User, password_hash: str | None) -> UserRow:
    """The row of somebody new."""
    return UserRow(
        name=user.name,
        role=user.role.value,
        accounts=None if user.accounts is None else list(user.accounts),
        email=user.email,
        subject=user.subject,
        password_hash=password_hash,
        active=user.active,
        must_change=user.must_change,
        failures=0,
        locked_until=user.locked_until,
        created_at=user.created_at,
        last_sign_in_at=user.last_sign_in_at,
    )


def told(row: UserRow) -> dict[str, Any]:
    """A user for the audit log: whether there is a password, not which."""
    return {
        "role": row.role,
        "accounts": row.accounts,
        "email": row.email,
        "subject": row.subject,
        "active": row.active,
        "must_change": row.must_change,
        "password": row.password_hash is not None,
        "locked": row.locked_until is not None,
    }


def user_of(row: UserRow) -> User:
    """The user of a row."""
    return User(
        name=row.name,
        role=Role(row.role),
        accounts=None if row.accounts is None else tuple(row.accounts),
        email=row.email,
        subject=row.subject,
        active=row.active,
        must_change=row.must_change,
        locked_until=row.locked_until,
        created_at=row.created_at,
        last_sign_in_at=row.last_sign_in_at,
    )


def refuse_no_administrator(session: Session, changed: UserRow, *, everywhere: bool) -> None:
    """Nobody gives what they do not have: without one of every account, nobody would ever be one.

    Raises:
        Conflict: the change that was made in this transaction leaves none.
    """
    query = select(UserRow).where(UserRow.role == Role.ADMIN.value, col(UserRow.active))
    left = [row for row in session.exec(query) if row.accounts is None or not everywhere]
    if not left:  # what was changed is flushed by the query
        raise Conflict(
            f"{changed.name} is the last active administrator.",
            remedy=f"Make somebody else administrator{' of every account' * everywhere} first.",
        )
