"""One-time links: the first administrator's, and a user's to choose a password.

What a provider has signed begins one session too, and is noted here like a link that was used.

Using a link and what it is used for are one transaction: a link that did nothing is not used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, update
from sqlmodel import Session, col, select

from spotlab.domain.ports import By, User
from spotlab.errors import Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import insert_new, lock_until_commit, reading, writing
from spotlab.store.sessions import revoke_sessions
from spotlab.store.tables.access import LinkRow, UserRow
from spotlab.store.users import add_user, choose_password, user_of


class Purpose(StrEnum):
    """What a link is for."""

    FIRST_ADMINISTRATOR = "first-administrator"
    CHOOSE_PASSWORD = "choose-password"  # noqa: S105 (a purpose, not a password)
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that can be used.

    Args:
        purpose: what it is for.
        user: whose; "" of the first administrator's.
        expires_at: aware UTC.
        grantors: the users who made it, beside its own: it counts while each of them may do and
            see all that its user may, whatever that has become since.
    """

    purpose: Purpose
    user: str
    expires_at: datetime
    grantors: tuple[str, ...] = ()


class SqlLinks:
    """One-time links in SQL, as hashes.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, link: Link, link_hash: str, by: By, *, others_end: bool = False) -> None:
        """Insert a new one.

        Args:
            link: what it is for.
            link_hash: of its code.
            by: who makes it.
            others_end: whether the ones before, of the same purpose and user, end with it.
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
        """One that can be used now; None: there is none."""
        with reading(self._engine) as session:
            row = session.get(LinkRow, link_hash)
            return _link(row) if row is not None and _usable(session, row, purpose, at) else None

    def make_first_administrator(
        self, link_hash: str, user: User, password_hash: str, by: By
    ) -> None:
        """Use a link to add the first user.

        Raises:
            NotFound: the link cannot be used (any more).
            Conflict: there is a user already.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, "one change to the users")
            self._use(session, link_hash, Purpose.FIRST_ADMINISTRATOR, by)
            if session.exec(select(UserRow.name).limit(1)).first() is not None:
                raise Conflict("There is a user already.", remedy="Sign in, or ask one of them.")
            add_user(session, user, by, password_hash)

    def choose_password(self, link_hash: str, password_hash: str, by: By) -> User:
        """Use a link to set its user's password; all their sessions end.

        Raises:
            NotFound: the link cannot be used (any more).
        """
        with writing(self._engine) as session:
            lock_until_commit(session, "one change to the users")
            link = self._use(session, link_hash, Purpose.CHOOSE_PASSWORD, by)
            user = choose_password(session, link.user, password_hash, by)
            revoke_sessions(session, link.user, by)
            return user

    def use_signature(self, signature_hash: str, user: str, by: By, until: datetime) -> None:
        """Note that what a provider has signed is used, for good.

        Args:
            signature_hash: of what it says, which is never the same twice.
            user: whom it means.
            by: signs it.
            until: it counts for no sign-in after this.
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
                raise Conflict("This sign-in was used already.", remedy="Sign in again.")

    def _use(self, session: Session, link_hash: str, purpose: Purpose, by: By) -> LinkRow:
        row = session.get(LinkRow, link_hash, with_for_update=True)
        if row is None or not _usable(session, row, purpose, by.at):
            raise NotFound(
                "This link was used, has expired or was never made.", remedy="Ask for a new one."
            )
        row.used_at = by.at
        return row


def _usable(session: Session, row: LinkRow, purpose: Purpose, at: datetime) -> bool:
    if row.purpose != purpose.value or row.used_at is not None or row.expires_at <= at:
        return False
    return not row.grantors or _grantors_may_grant(session, row.user, row.grantors)


def _grantors_may_grant(session: Session, name: str, grantors: Sequence[str]) -> bool:
    """Whether each of them could still give a link to this user."""
    whose = session.get(UserRow, name)
    each = [session.get(UserRow, grantor) for grantor in grantors]
    return whose is not None and all(
        row is not None and row.active and user_of(row).reach.covers(user_of(whose).reach)
        for row in each
    )


def _link(row: LinkRow) -> Link:
    return Link(Purpose(row.purpose), row.user, row.expires_at, tuple(row.grantors or ()))
