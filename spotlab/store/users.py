"""Users and their passwords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Final

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.errors import Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.repository import Repository
from spotlab.store.sessions import require_active, revoke_sessions
from spotlab.store.tables.access import LinkRow, UserRow
from spotlab.store.tokens import revoke_tokens


@dataclass(frozen=True, slots=True)
class Credential:
    """A user with the password hash that a sign-in is checked against.

    Args:
        user: the user.
        password_hash: argon2id; None: no password chosen yet, or authenticated by a provider.
        failures: failed attempts since the last successful sign-in.
    """

    user: User
    password_hash: str | None
    failures: int


def credential_of(row: UserRow) -> Credential:
    """The credential of a row."""
    return Credential(user_of(row), row.password_hash, row.failures)


def row_of(user: User, password_hash: str | None) -> UserRow:
    """The row of a new user."""
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


def audit_values(row: UserRow) -> dict[str, Any]:
    """A user for the audit log, without the password."""
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


def require_administrator(session: Session, changed: UserRow, *, everywhere: bool) -> None:
    """Check that an administrator remains after a change.

    Users cannot grant rights that they do not have, so without an administrator of all accounts
    there could never be one again.

    Raises:
        Conflict: the change made in this transaction leaves none.
    """
    query = select(UserRow).where(UserRow.role == Role.ADMIN.value, col(UserRow.active))
    remaining = [row for row in session.exec(query) if row.accounts is None or not everywhere]
    if not remaining:  # the query has flushed the change
        raise Conflict(
            f"{changed.name} is the last active administrator.",
            remedy=f"Make another user administrator{' of all accounts' * everywhere} first.",
        )


USERS_LOCK: Final = "one change to the users"
Check = Callable[[User], None]
"""Raises if a user may not be changed; called in the transaction, before and after the change."""


def _no_check(_user: User) -> None:
    """No check."""


class SqlUsers(Repository):
    """Users in SQL. Once there is an active administrator, at least one always remains."""

    def any(self) -> bool:
        """Whether there are any users."""
        with reading(self._engine) as session:
            return session.exec(select(UserRow.name).limit(1)).first() is not None

    def list(self) -> list[User]:
        """All users, ordered by name."""
        with reading(self._engine) as session:
            rows = session.exec(select(UserRow).order_by(col(UserRow.name))).all()
            return [user_of(row) for row in rows]

    def get(self, name: str) -> User:
        """One user. Raises NotFound."""
        with reading(self._engine) as session:
            row = session.get(UserRow, name)
            if row is None:
                raise _not_found(name)
            return user_of(row)

    def find(self, name: str) -> Credential | None:
        """A user's credential; None: there is no such user."""
        with reading(self._engine) as session:
            row = session.get(UserRow, name)
            return None if row is None else credential_of(row)

    def with_subject(self, subject: str) -> User | None:
        """The user with this subject ("issuer|sub") at a provider; None: there is none."""
        with reading(self._engine) as session:
            row = session.exec(select(UserRow).where(UserRow.subject == subject)).first()
            return None if row is None else user_of(row)

    def with_email(self, email: str) -> Sequence[User]:
        """Users with this e-mail address, ignoring case."""
        query = select(UserRow).where(func.lower(col(UserRow.email)) == email.lower())
        with reading(self._engine) as session:
            return [user_of(row) for row in session.exec(query)]

    def add(
        self, user: User, by: By, password_hash: str | None = None, *, only_first: bool = False
    ) -> User:
        """Insert a new user.

        Args:
            user: the user.
            by: who adds them.
            password_hash: argon2id; None: to be chosen through a link.
            only_first: raise if any user exists.
        Raises:
            Conflict: the name or subject exists, or a user already exists.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, USERS_LOCK)
            if only_first:
                require_no_user(session)
            add_user(session, user, by, password_hash)
        return user

    def change(
        self,
        name: str,
        by: By,
        *,
        role: Role | None = None,
        accounts: tuple[str, ...] | EllipsisType | None = ...,
        email: str | None = None,
        subject: str | None = None,
        active: bool | None = None,
        check: Check = _no_check,
    ) -> User:
        """Change a user; deactivating one also ends their sessions.

        Args:
            name: of the user.
            by: who changes it.
            role, email, subject, active: new values; None: unchanged.
            accounts: the new accounts; None: all; ...: unchanged.
            check: called with the user before and after the change.
        Raises:
            NotFound: no such user.
            Conflict: no administrator would remain, or the subject belongs to another user.
        """

        def apply(session: Session, row: UserRow) -> None:
            was_administrator = row.role == Role.ADMIN.value and row.active
            all_accounts = row.accounts is None
            if subject is not None:
                _check_subject_unused(session, subject, name)
                if row.subject not in (None, subject):
                    raise Conflict(f"{name} is already linked to another account of the provider.")
                row.subject = subject
            if role is not None:
                row.role = role.value
            if accounts is not ...:
                row.accounts = None if accounts is None else list(accounts)
            if email is not None:
                row.email = email
            if active is not None:
                row.active = active
            if active is False:
                revoke_sessions(session, name, by)
            if was_administrator:  # other users can be changed even if there is no administrator
                require_administrator(session, row, everywhere=all_accounts)

        return self._change(name, by, "user.change", apply, check)

    def set_password(
        self, name: str, password_hash: str, by: By, *, checked: str, session_id: str
    ) -> User:
        """Set a user's password, and end all their other sessions.

        Args:
            name: of the user.
            password_hash: argon2id of the new password.
            by: who changes it.
            checked: hash of the old password, which the user has entered.
            session_id: of the session in which they change it, which continues.
        Raises:
            NotFound: no such user.
            NotSignedIn: that session has ended meanwhile.
            Conflict: the password was changed or reset meanwhile.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, USERS_LOCK)
            if _locked_row(session, name).password_hash != checked:
                raise Conflict("The password was changed meanwhile.", remedy="Sign in again.")
            revoke_sessions(session, name, by, session_id)
            require_active(session, session_id)
            return choose_password(session, name, password_hash, by)

    def reset_password(self, name: str, by: By, check: Check = _no_check) -> User:
        """Delete a user's password, and end their sessions, links and API tokens.

        They choose a new password through a link.

        Raises:
            NotFound: no such user.
        """

        def apply(session: Session, row: UserRow) -> None:
            row.password_hash, row.must_change = None, True
            _end_links(session, name, by)
            revoke_sessions(session, name, by)
            revoke_tokens(session, name, by)

        return self._change(name, by, "user.reset_password", apply, check)

    def unlock(self, name: str, by: By, check: Check = _no_check) -> User:
        """Reset failed attempts and the resulting lock. Raises NotFound."""

        def apply(_session: Session, row: UserRow) -> None:
            row.failures, row.locked_until = 0, None

        return self._change(name, by, "user.unlock", apply, check)

    def _change(
        self,
        name: str,
        by: By,
        action: str,
        apply: Callable[[Session, UserRow], None],
        check: Check,
    ) -> User:
        with writing(self._engine) as session:
            lock_until_commit(session, USERS_LOCK)
            row = _locked_row(session, name)
            check(user_of(row))
            changed = _changed(session, row, by, action, apply)
            check(changed)
            return changed


def require_no_user(session: Session) -> None:
    """Check that there are no users. Raises Conflict."""
    if session.exec(select(UserRow.name).limit(1)).first() is not None:
        raise Conflict("A user already exists.", remedy="Sign in, or ask an administrator.")


def add_user(session: Session, user: User, by: By, password_hash: str | None) -> None:
    """Insert a new user in an open transaction. Raises Conflict."""
    if session.get(UserRow, user.name) is not None:
        raise Conflict(f"A user {user.name!r} already exists.", remedy="Choose another name.")
    _check_subject_unused(session, user.subject, user.name)
    row = row_of(user, password_hash)
    session.add(row)
    session.flush()
    append(session, by, "user.add", user.name, None, audit_values(row))


def choose_password(session: Session, name: str, password_hash: str, by: By) -> User:
    """Set a password in an open transaction. Raises NotFound."""

    def apply(session: Session, row: UserRow) -> None:
        row.password_hash, row.must_change = password_hash, False
        row.failures, row.locked_until = 0, None
        _end_links(session, name, by)

    return _changed(session, _locked_row(session, name), by, "user.password", apply)


def _end_links(session: Session, name: str, by: By) -> None:
    """End unused links: an earlier one could undo this change."""
    unused = update(LinkRow).where(col(LinkRow.user) == name, col(LinkRow.used_at).is_(None))
    session.connection().execute(unused.values(used_at=by.at))


def _changed(
    session: Session,
    row: UserRow,
    by: By,
    action: str,
    apply: Callable[[Session, UserRow], None],
) -> User:
    before = audit_values(row)
    apply(session, row)
    session.flush()
    after = audit_values(row)
    if before != after or action == "user.password":  # the values do not show a new password
        append(session, by, action, row.name, before, after)
    return user_of(row)


def _locked_row(session: Session, name: str) -> UserRow:
    """The user's row, locked until the transaction ends.

    To avoid deadlocks, lock it before any session: sign-ins do so too.
    """
    row = session.get(UserRow, name, with_for_update=True)
    if row is None:
        raise _not_found(name)
    return row


def _not_found(name: str) -> NotFound:
    return NotFound(f"There is no user {name!r}.", remedy="`spotlab users list` lists them.")


def _check_subject_unused(session: Session, subject: str | None, name: str) -> None:
    if subject is None:
        return
    owner = session.exec(select(UserRow).where(UserRow.subject == subject)).first()
    if owner is not None and owner.name != name:
        raise Conflict(
            f"The provider's account already belongs to the user {owner.name!r}.",
            remedy="Each account can belong to one user only.",
        )
