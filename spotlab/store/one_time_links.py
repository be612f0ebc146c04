"""One-time links: to create the first administrator, and to choose a password.

A sign-in signed by an identity provider is also valid once; it is stored here as a used link.

A link is used in the same transaction as the change that it allows: if the change fails, the link
remains valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import update
from sqlmodel import Session, col

from spotlab.domain.ports import By, User
from spotlab.errors import Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import insert_new, lock_until_commit, reading, writing
from spotlab.store.repository import Repository
from spotlab.store.sessions import revoke_sessions
from spotlab.store.tables.access import LinkRow, UserRow
from spotlab.store.users import USERS_LOCK, add_user, choose_password, require_no_user, user_of


class Purpose(StrEnum):
    """Purpose of a link."""

    FIRST_ADMINISTRATOR = "first-administrator"
    CHOOSE_PASSWORD = "choose-password"  # noqa: S105 (a purpose, not a password)
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that can be used.

    Args:
        purpose: what it allows.
        user: for whom; "" for the first administrator.
        expires_at: aware UTC.
        grantors: the other users who created it. It is valid while each of them may do and see
            everything that its user may, by their current rights.
    """

    purpose: Purpose
    user: str
    expires_at: datetime
    grantors: tuple[str, ...] = ()


class SqlLinks(Repository):
    """One-time links in SQL, as hashes."""

    def add(self, link: Link, link_hash: str, by: By, *, others_end: bool = False) -> None:
        """Store a new link.

        Args:
            link: the link.
            link_hash: hash of its code.
            by: who creates it.
            others_end: whether earlier links of the same purpose and user become invalid.
        """
        with writing(self._engine) as session:
            if others_end:
                same = update(LinkRow).where(
                    col(LinkRow.purpose) == link.purpose.value, col(LinkRow.user) == link.user
                )
                session.connection().execute(
                    same.where(col(LinkRow.used_at).is_(None)).values(used_at=by.at)
                )
            session.add(
                LinkRow(
                    link_hash=link_hash,
                    purpose=link.purpose.value,
                    user=link.user,
                    created_at=by.at,
                    expires_at=link.expires_at,
                    used_at=None,
                    grantors=list(link.grantors) or None,
                )
            )
            after = {"purpose": link.purpose.value, "expires_at": link.expires_at.isoformat()}
            append(session, by, "link.create", link.user, None, after)

    def find(self, link_hash: str, purpose: Purpose, at: datetime) -> Link | None:
        """A link that can be used now; None: there is none."""
        with reading(self._engine) as session:
            row = session.get(LinkRow, link_hash)
            return _link(row) if row is not None and _usable(session, row, purpose, at) else None

    def make_first_administrator(
        self, link_hash: str, user: User, password_hash: str, by: By
    ) -> None:
        """Use a link to add the first user.

        Raises:
            NotFound: the link is not valid (any more).
            Conflict: a user already exists.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, USERS_LOCK)
            self._use(session, link_hash, Purpose.FIRST_ADMINISTRATOR, by)
            require_no_user(session)
            add_user(session, user, by, password_hash)

    def choose_password(self, link_hash: str, password_hash: str, by: By) -> User:
        """Use a link to set its user's password and end all their sessions.

        Raises:
            NotFound: the link is not valid (any more).
        """
        with writing(self._engine) as session:
            lock_until_commit(session, USERS_LOCK)
            link = self._use(session, link_hash, Purpose.CHOOSE_PASSWORD, by)
            user = choose_password(session, link.user, password_hash, by)
            revoke_sessions(session, link.user, by)
            return user

    def use_signature(self, signature_hash: str, user: str, by: By, until: datetime) -> None:
        """Record that a sign-in signed by an identity provider is used.

        Args:
            signature_hash: hash of the signed sign-in, which is unique.
            user: who signs in.
            by: for the time of use.
            until: end of the sign-in's validity.
        Raises:
            Conflict: it was used before.
        """
        row = LinkRow(
            link_hash=signature_hash,
            purpose=Purpose.PROVIDER.value,
            grantors=None,
            user=user,
            created_at=by.at,
            expires_at=until,
            used_at=by.at,
        )
        with writing(self._engine) as session:
            if not insert_new(session, row):
                raise Conflict("This sign-in was already used.", remedy="Sign in again.")

    def _use(self, session: Session, link_hash: str, purpose: Purpose, by: By) -> LinkRow:
        row = session.get(LinkRow, link_hash, with_for_update=True)
        if row is None or not _usable(session, row, purpose, by.at):
            raise NotFound(
                "This link was used, has expired or never existed.", remedy="Ask for a new one."
            )
        row.used_at = by.at
        return row


def _usable(session: Session, row: LinkRow, purpose: Purpose, at: datetime) -> bool:
    if row.purpose != purpose.value or row.used_at is not None or row.expires_at <= at:
        return False
    return not row.grantors or _grantors_may_grant(session, row.user, row.grantors)


def _grantors_may_grant(session: Session, name: str, grantors: Sequence[str]) -> bool:
    """Whether each grantor could still create a link for this user."""
    user = session.get(UserRow, name)
    rows = [session.get(UserRow, grantor) for grantor in grantors]
    return user is not None and all(
        row is not None and row.active and user_of(row).reach.covers(user_of(user).reach)
        for row in rows
    )


def _link(row: LinkRow) -> Link:
    return Link(Purpose(row.purpose), row.user, row.expires_at, tuple(row.grantors or ()))
