"""Who may sign in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Final

from sqlalchemy import Engine, func, update
from sqlmodel import Session, col, select

from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.errors import Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.sessions import require_active, revoke_sessions
from spotlab.store.tables.access import LinkRow, UserRow
from spotlab.store.tokens import revoke_tokens


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


def audit_values(row: UserRow) -> dict[str, Any]:
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


def require_administrator(session: Session, changed: UserRow, *, everywhere: bool) -> None:
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


USERS_LOCK: Final = "one change to the users"
Check = Callable[[User], None]
"""Raises where a user may not be changed; asked in the transaction, before and after."""


def _no_check(_user: User) -> None:
    """No check."""


class SqlUsers:
    """Users in SQL. One of them who is active is always administrator, once there is one.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def any(self) -> bool:
        """Whether there is a user at all."""
        with reading(self._engine) as session:
            return session.exec(select(UserRow.name).limit(1)).first() is not None

    def list(self) -> list[User]:
        """By name."""
        with reading(self._engine) as session:
            rows = session.exec(select(UserRow).order_by(col(UserRow.name))).all()
            return [user_of(row) for row in rows]

    def get(self, name: str) -> User:
        """One of them. Raises NotFound."""
        with reading(self._engine) as session:
            row = session.get(UserRow, name)
            if row is None:
                raise _not_found(name)
            return user_of(row)

    def find(self, name: str) -> Credential | None:
        """One with what a sign-in is checked against; None: there is no such user."""
        with reading(self._engine) as session:
            row = session.get(UserRow, name)
            return None if row is None else credential_of(row)

    def vouched_for(self, subject: str) -> User | None:
        """Who a provider means by "issuer|sub"."""
        with reading(self._engine) as session:
            row = session.exec(select(UserRow).where(UserRow.subject == subject)).first()
            return None if row is None else user_of(row)

    def with_email(self, email: str) -> Sequence[User]:
        """Who has this address, in whatever case it was written."""
        query = select(UserRow).where(func.lower(col(UserRow.email)) == email.lower())
        with reading(self._engine) as session:
            return [user_of(row) for row in session.exec(query)]

    def add(
        self, user: User, by: By, password_hash: str | None = None, *, only_first: bool = False
    ) -> User:
        """Insert somebody new.

        Args:
            user: who.
            by: who adds them.
            password_hash: argon2id; None: to be chosen by a link.
            only_first: refuse if there is any user already.
        Raises:
            Conflict: the name or subject exists, or there is a user already.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, USERS_LOCK)
            if only_first and session.exec(select(UserRow.name).limit(1)).first() is not None:
                raise Conflict("There is a user already.", remedy="Sign in, or ask one of them.")
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
        """Set what is given; what is not stays. Who may not sign in has no session either.

        Args:
            name: whose.
            by: who changes it.
            role, email, subject, active: None: as it is.
            accounts: None: all; ...: as it is.
        Raises:
            NotFound: no such user.
            Conflict: nobody would be administrator any more, or the subject is another's.
        """

        def apply(session: Session, row: UserRow) -> None:
            administered = row.role == Role.ADMIN.value and row.active
            everywhere = row.accounts is None
            if subject is not None:
                _check_subject_unused(session, subject, name)
                if row.subject not in (None, subject):
                    raise Conflict(f"{name} belongs to another account of the provider already.")
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
            if administered:  # where nobody is yet, others can be changed all the same
                require_administrator(session, row, everywhere=everywhere)

        return self._change(name, by, "user.change", apply, check)

    def set_password(
        self, name: str, password_hash: str, by: By, *, checked: str, session_id: str
    ) -> User:
        """Let this be the password from now on, and end every session of theirs but one.

        Args:
            name: whose.
            password_hash: argon2id of the new one.
            by: signs it.
            checked: hash of the one before, as it was compared with what they typed.
            session_id: of the session in which they do it, which goes on.
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

    def must_choose(self, name: str, by: By, check: Check = _no_check) -> User:
        """Forget the password, end their sessions, links and API tokens: they choose anew by a
        link.

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
        """Forget failures and the lock that came of them. Raises NotFound."""

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


def add_user(session: Session, user: User, by: By, password_hash: str | None) -> None:
    """Insert somebody new in an open transaction. Raises Conflict."""
    if session.get(UserRow, user.name) is not None:
        raise Conflict(f"There is a user {user.name!r} already.", remedy="Choose another name.")
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
    """One that was made before and not used yet would undo what is decided now."""
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
    if before != after or action == "user.password":  # the password itself is not told
        append(session, by, action, row.name, before, after)
    return user_of(row)


def _locked_row(session: Session, name: str) -> UserRow:
    """The user's row, which nobody else changes until the transaction ends. Sign-ins lock it before
    anything else, so whoever changes sessions too locks it first."""
    row = session.get(UserRow, name, with_for_update=True)
    if row is None:
        raise _not_found(name)
    return row


def _not_found(name: str) -> NotFound:
    return NotFound(f"There is no user {name!r}.", remedy="`spotlab users list` lists them.")


def _check_subject_unused(session: Session, subject: str | None, name: str) -> None:
    if subject is None:
        return
    known = session.exec(select(UserRow).where(UserRow.subject == subject)).first()
    if known is not None and known.name != name:
        raise Conflict(
            f"The provider's account belongs to the user {known.name!r} already.",
            remedy="One account is one user.",
        )
