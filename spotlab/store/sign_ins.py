"""Attempts to sign in, and the sessions that begin with them.

Checking a password takes long, so what was read before it may not hold after it. An attempt is
counted before its password is checked, as if it were wrong; what it was checked against is compared
again in the transaction that begins the session, which forgives the attempts before it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from spotlab.domain.ports import By, UserSession
from spotlab.store.engine import writing
from spotlab.store.sessions import begin_session
from spotlab.store.tables.access import UserRow
from spotlab.store.users import Credential, credential_of


class SqlSignIns:
    """Signing in, in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def attempt(
        self, name: str, at: datetime, locked_s: Callable[[int], float]
    ) -> Credential | None:
        """Count an attempt to sign in, before its password is checked.

        However many come at once, no more are let through than would be one after the other: the
        one that reaches the limit locks the user until it is found to be right.

        Args:
            name: whose password is to be checked.
            at: now.
            locked_s: from how many attempts there were, for how long to lock; 0: not at all.
        Returns:
            What to check against, with the lock that this attempt has set, if any; None: there is
            no such user, or they are locked.
        """
        with writing(self._engine) as transaction:
            row = transaction.get(UserRow, name, with_for_update=True)
            if row is None or (row.locked_until is not None and row.locked_until > at):
                return None
            row.failures += 1
            if (seconds := locked_s(row.failures)) > 0:
                row.locked_until = at + timedelta(seconds=seconds)
            return credential_of(row)

    def begin(
        self,
        session: UserSession,
        refresh_hash: str,
        by: By,
        *,
        checked: str | None = None,
        stronger: str | None = None,
    ) -> bool:
        """Begin a session, and forget the attempts before it.

        Args:
            session: of whom, and from where.
            refresh_hash: of its first renewal token.
            by: signs it.
            checked: the password hash that they were checked against; None: somebody else vouches.
            stronger: hash of the same password in today's strength, to keep instead; None: as it
                is.
        Returns:
            False: they may not sign in (any more), or the password is another by now; nothing
            began.
        """
        with writing(self._engine) as transaction:
            row = transaction.get(UserRow, session.user, with_for_update=True)
            if row is None or not row.active or checked not in (None, row.password_hash):
                return False
            row.failures, row.locked_until, row.last_sign_in_at = 0, None, by.at
            row.password_hash = stronger or row.password_hash
            begin_session(transaction, session, refresh_hash, by)
            return True
