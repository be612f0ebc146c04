"""Sign-in with a password, a one-time link or an identity provider.

The error message is the same for a wrong name, a wrong password and a locked user.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from spotlab.access.api_tokens import hash_secret
from spotlab.access.known_devices import Devices
from spotlab.access.passwords import passwords, reject_weak
from spotlab.access.sessions import Sessions, SignedIn, Visit
from spotlab.access.sign_in_throttle import PER_ADDRESS, PER_BROWSER, FailureCounter
from spotlab.access.usernames import typed_name, validated_name
from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.errors import InvalidInput, NotSignedIn, SpotlabError
from spotlab.store.users import Credential

log = logging.getLogger("spotlab.access")

FREE_FAILURES: Final = 5
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 900.0
REJECTED: Final = NotSignedIn(
    "The name or password is wrong, or sign-in is locked for now.",
    remedy="After several failures in a row a user is locked for some time, except in browsers in "
    "which they have signed in before; an administrator can unlock the user.",
)


class SignIn(Sessions):
    """Signs users in.

    Args:
        lab: its stores, settings and clock.
    """

    def by_password(self, name: str, password: str, visit: Visit) -> SignedIn:
        """Start a session.

        Raises:
            NotSignedIn: rejected, without a reason.
            TooManyRequests: too many attempts from this address have failed.
        """
        name, failures = typed_name(name), FailureCounter(self._lab)
        device = Devices(self._lab).known(visit.device, name)
        trusted = device != "" and failures.count(PER_BROWSER, device)
        counter = (PER_BROWSER, device) if trusted else (PER_ADDRESS, visit.address)
        if not trusted:
            failures.refuse(*counter)
        try:
            signed_in = self._session_if_right(name, password, visit, trusted)
        except SpotlabError:  # such as a database that does not answer
            failures.forgive(*counter)
            raise
        if signed_in is None:
            if trusted:
                failures.count(PER_ADDRESS, visit.address)
            log.warning("a sign-in failed from %s", visit.address)
            raise REJECTED
        failures.forgive(*counter)
        return signed_in

    def _session_if_right(
        self, name: str, password: str, visit: Visit, trusted: bool
    ) -> SignedIn | None:
        """A session if the password is right at its start; None: it is wrong, or the user is
        locked.

        An attempt from a known browser (`trusted`) does not count for the user's lock.
        """
        store, now = self._lab.store, self._lab.clock.now()
        found = store.users.find(name) if trusted else store.sign_ins.attempt(name, now, lock_s)
        tried = found
        while passwords().check(tried.password_hash if tried else None, password):
            assert tried is not None, "without a user no password is right"
            if signed_in := self.begin(name, "password", visit, tried.password_hash, password):
                return signed_in
            before, tried = tried, store.users.find(name)
            if tried is None or tried.password_hash == before.password_hash:
                break  # else it was hashed again by a parallel sign-in, or changed: check again
        if found is not None and not trusted and _is_after(found.user.locked_until, now):
            self._record_lock(found, visit)
        return None

    def by_first_link(self, code: str, name: str, password: str, visit: Visit) -> SignedIn:
        """Create the first administrator with a link, and start a session.

        Raises:
            InvalidInput: the name or password is invalid.
            NotFound, Conflict: the link is invalid or was used.
            NotSignedIn: the user was disabled meanwhile.
        """
        name, now = validated_name(name), self._lab.clock.now()
        reject_weak(password, name)
        user = new_user(name, Role.ADMIN, None, "", now)
        by = By(name, now, "the first administrator", "one-time link")
        password_hash = passwords().hash(password)
        self._lab.store.links.make_first_administrator(hash_secret(code), user, password_hash, by)
        return self._begin_or_raise(name, "link", visit, password_hash)

    def by_password_link(self, code: str, name: str, password: str, visit: Visit) -> SignedIn:
        """Set a user's password with a link, and start a session.

        Args:
            code: of the link.
            name: of the link's user; the password must not be made of it.
            password: the new password.
            visit: origin of the request.
        Raises:
            InvalidInput: the password is weak.
            NotFound: the link is invalid or was used.
            NotSignedIn: the user may not sign in.
        """
        reject_weak(password, name)
        by = By(name, self._lab.clock.now(), "", "one-time link")
        password_hash = passwords().hash(password)
        user = self._lab.store.links.choose_password(hash_secret(code), password_hash, by)
        self._gate.forget()
        return self._begin_or_raise(user.name, "link", visit, password_hash)

    def change_password(self, name: str, old: str, new: str, session_id: str, via: str) -> None:
        """Change the password of a signed-in user; the user's other sessions end.

        Raises:
            InvalidInput: the old password is wrong, or the new one is weak.
            TooManyRequests: too many attempts have failed.
            Conflict: the password was changed or reset meanwhile.
            NotSignedIn: the session has ended meanwhile.
        """
        reject_weak(new, name)
        failures = FailureCounter(self._lab)
        failures.refuse(PER_BROWSER, session_id)
        found = self._lab.store.users.find(name)
        old_hash = found.password_hash if found is not None else None
        if not passwords().check(old_hash, old) or old_hash is None:
            raise InvalidInput("The old password is wrong.", remedy="Type it again.")
        failures.forgive(PER_BROWSER, session_id)
        by = By(name, self._lab.clock.now(), "", via)
        new_hash = passwords().hash(new)
        self._lab.store.users.set_password(
            name, new_hash, by, checked=old_hash, session_id=session_id
        )
        self._gate.forget()

    def by_provider(self, user: User, visit: Visit) -> SignedIn:
        """Start a session of a user authenticated by the identity provider; see oidc_users.py.

        Raises:
            NotSignedIn: the user may not sign in any more.
        """
        return self._begin_or_raise(user.name, "oidc", visit)

    def _begin_or_raise(
        self, name: str, via: str, visit: Visit, checked: str | None = None
    ) -> SignedIn:
        """A session. Raises NotSignedIn: the user may not sign in, or not this way any more."""
        if signed_in := self.begin(name, via, visit, checked):
            return signed_in
        raise NotSignedIn(f"{name} may not sign in.", remedy="Ask an administrator.")

    def _record_lock(self, locked: Credential, visit: Visit) -> None:
        """Record in the audit log that a failed attempt locked the user."""
        now, until = self._lab.clock.now(), locked.user.locked_until
        by = By(locked.user.name, now, f"wrong passwords from {visit.address}", "sign-in")
        after = {"failures": locked.failures, "locked_until": until and until.isoformat()}
        self._lab.store.audit.add(by, "user.lock", locked.user.name, None, after)
        self._gate.forget()


def lock_s(failures: int) -> float:
    """How long a number of wrong passwords in a row locks a user, in seconds."""
    if failures < FREE_FAILURES:
        return 0.0
    return min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0 ** min(failures - FREE_FAILURES, 16))


def new_user(
    name: str, role: Role, accounts: tuple[str, ...] | None, email: str, now: datetime
) -> User:
    """A new user, who has not signed in yet."""
    return User(
        name=name,
        role=role,
        accounts=accounts,
        email=email,
        subject=None,
        active=True,
        must_change=False,
        locked_until=None,
        created_at=now,
        last_sign_in_at=None,
    )


def _is_after(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now
