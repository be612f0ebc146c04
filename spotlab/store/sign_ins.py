"""Sign-in attempts, and the start of the sessions that follow.

Checking a password takes long, and the user may change meanwhile. So an attempt is counted as
failed before its password is checked, and the transaction that starts the session verifies that the
password hash is still the same and resets the count.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from spotlab.domain.ports import By, UserSession
from spotlab.store.engine import writing
from spotlab.store.repository import Repository
from spotlab.store.sessions import begin_session
from spotlab.store.tables.access import UserRow
from spotlab.store.users import Credential, credential_of


class SqlSignIns(Repository):
    """Sign-in attempts in SQL."""

    def attempt(
        self, name: str, at: datetime, locked_s: Callable[[int], float]
    ) -> Credential | None:
        """Count a sign-in attempt before its password is checked.

        Parallel attempts get no more tries than sequential ones: the attempt that reaches the limit
        locks the user, until its password proves to be correct.

        Args:
            name: of the user.
            at: now.
            locked_s: maps the number of attempts to the lock time in seconds; 0: no lock.
        Returns:
            The credential to check against, with the lock that this attempt has set, if any; None:
            there is no such user, or they are locked.
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
        """Start a session and reset the failed attempts.

        Args:
            session: the new session.
            refresh_hash: hash of its first renewal token.
            by: who and when, for the audit log.
            checked: password hash that was checked; None: authenticated by a provider.
            stronger: rehash of the same password with current parameters; None: unchanged.
        Returns:
            False: the user may not sign in (any more), or the password was changed meanwhile; no
            session was started.
        """
        with writing(self._engine) as transaction:
            row = transaction.get(UserRow, session.user, with_for_update=True)
            if row is None or not row.active or checked not in (None, row.password_hash):
                return False
            row.failures, row.locked_until, row.last_sign_in_at = 0, None, by.at
            row.password_hash = stronger or row.password_hash
            begin_session(transaction, session, refresh_hash, by)
            return True
