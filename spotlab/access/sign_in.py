"""Signing in: by password, one-time link or provider.

Whoever fails is told the same, whether the name, the password or the moment was wrong.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from spotlab.access.api_tokens import hashed
from spotlab.access.known_devices import Devices
from spotlab.access.passwords import passwords, refuse_weak
from spotlab.access.sessions import Sessions, SignedIn, Visit
from spotlab.access.sign_in_throttle import PER_ADDRESS, PER_BROWSER, Failures
from spotlab.access.usernames import checked_name, typed_name
from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.errors import InvalidInput, NotSignedIn, SpotlabError
from spotlab.store.users import Credential

log = logging.getLogger("spotlab.access")

FREE_FAILURES: Final = 5
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 900.0
REFUSED: Final = NotSignedIn(
    "That name and password do not go together, or are not accepted for now.",
    remedy="After several failures in a row a user is locked for a while, but for browsers that "
    "they have signed in with before; an administrator can unlock them.",
)


class SignIn(Sessions):
    """Signs in.

    Args:
        lab: everything there is.
    """

    def by_password(self, name: str, password: str, visit: Visit) -> SignedIn:
        """Begin a session.

        Raises:
            NotSignedIn: they may not, without saying why.
            TooManyRequests: too many have failed from this address.
        """
        name, failures = typed_name(name), Failures(self._lab)
        device = Devices(self._lab).known(visit.device, name)
        trusted = device != "" and failures.count(PER_BROWSER, device)
        counted = (PER_BROWSER, device) if trusted else (PER_ADDRESS, visit.address)
        if not trusted:
            failures.refuse(*counted)
        try:
            signed_in = self._checked(name, password, visit, trusted)
        except SpotlabError:  # such as a database that does not answer
            failures.forgive(*counted)
            raise
        if signed_in is None:
            if trusted:
                failures.count(PER_ADDRESS, visit.address)
            log.warning("a sign-in failed from %s", visit.address)
            raise REFUSED
        failures.forgive(*counted)
        return signed_in

    def _checked(self, name: str, password: str, visit: Visit, trusted: bool) -> SignedIn | None:
        """A session, if the password is right when it begins; None: it is not, or does not count.

        An attempt from a browser that is known (`trusted`) is not the name's to count.
        """
        store, now = self._lab.store, self._lab.clock.now()
        found = store.users.find(name) if trusted else store.sign_ins.attempt(name, now, lock_s)
        tried = found
        while passwords().check(tried.password_hash if tried else None, password):
            assert tried is not None, "nobody's password is right"
            if signed_in := self.begin(name, "password", visit, tried.password_hash, password):
                return signed_in
            before, tried = tried, store.users.find(name)
            if tried is None or tried.password_hash == before.password_hash:
                break  # else it was made stronger, by another sign-in of theirs, or is another
        if found is not None and not trusted and _is_after(found.user.locked_until, now):
            self._tell_lock(found, visit)
        return None

    def by_first_link(self, code: str, name: str, password: str, visit: Visit) -> SignedIn:
        """Use the first administrator's link, and begin their session.

        Raises:
            InvalidInput: a name or password that cannot be.
            NotFound, Conflict: the link cannot be used (any more).
            NotSignedIn: somebody has taken it back meanwhile.
        """
        name, now = checked_name(name), self._lab.clock.now()
        refuse_weak(password, name)
        user = new_user(name, Role.ADMIN, None, "", now)
        by = By(name, now, "the first administrator", "one-time link")
        kept = passwords().hash(password)
        self._lab.store.links.make_first_administrator(hashed(code), user, kept, by)
        return self._begun(name, "link", visit, kept)

    def by_password_link(self, code: str, name: str, password: str, visit: Visit) -> SignedIn:
        """Use a user's link to choose a password, and begin their session.

        Args:
            code: of the link.
            name: whose link it is, which the password may not be built around.
            password: what they chose.
            visit: where they come from.
        Raises:
            InvalidInput: a password that cannot be.
            NotFound: the link cannot be used (any more).
            NotSignedIn: the user may not sign in.
        """
        refuse_weak(password, name)
        by = By(name, self._lab.clock.now(), "", "one-time link")
        kept = passwords().hash(password)
        user = self._lab.store.links.choose_password(hashed(code), kept, by)
        self._gate.forget()
        return self._begun(user.name, "link", visit, kept)

    def change_password(self, name: str, old: str, new: str, session_id: str, via: str) -> None:
        """Let somebody who is signed in choose another password; their other sessions end.

        Raises:
            InvalidInput: the old one is wrong, or the new one cannot be.
            TooManyRequests: too many have failed.
            Conflict: it was changed or reset meanwhile.
            NotSignedIn: their session has ended meanwhile.
        """
        refuse_weak(new, name)
        failures = Failures(self._lab)
        failures.refuse(PER_BROWSER, session_id)
        found = self._lab.store.users.find(name)
        kept = found.password_hash if found is not None else None
        if not passwords().check(kept, old) or kept is None:
            raise InvalidInput("The old password is wrong.", remedy="Type it again.")
        failures.forgive(PER_BROWSER, session_id)
        by = By(name, self._lab.clock.now(), "", via)
        following = passwords().hash(new)
        self._lab.store.users.set_password(name, following, by, checked=kept, session_id=session_id)
        self._gate.forget()

    def by_provider(self, user: User, visit: Visit) -> SignedIn:
        """Begin a session of somebody whom the provider vouches for; see oidc_users.py.

        Raises:
            NotSignedIn: they may not sign in any more.
        """
        return self._begun(user.name, "oidc", visit)

    def _begun(self, name: str, via: str, visit: Visit, checked: str | None = None) -> SignedIn:
        """A session. Raises NotSignedIn: they may not sign in, or not by this any more."""
        if signed_in := self.begin(name, via, visit, checked):
            return signed_in
        raise NotSignedIn(f"{name} may not sign in.", remedy="Ask an administrator.")

    def _tell_lock(self, locked: Credential, visit: Visit) -> None:
        """That an attempt was wrong which has locked its user."""
        now, until = self._lab.clock.now(), locked.user.locked_until
        by = By(locked.user.name, now, f"wrong passwords from {visit.address}", "sign-in")
        after = {"failures": locked.failures, "locked_until": until and until.isoformat()}
        self._lab.store.audit.add(by, "user.lock", locked.user.name, None, after)
        self._gate.forget()


def lock_s(failures: int) -> float:
    """For how long that many wrong passwords in a row lock a user."""
    if failures < FREE_FAILURES:
        return 0.0
    return min(LONGEST_LOCK_S, FIRST_LOCK_S * 2.0 ** min(failures - FREE_FAILURES, 16))


def new_user(
    name: str, role: Role, accounts: tuple[str, ...] | None, email: str, now: datetime
) -> User:
    """Somebody new, who has not signed in yet."""
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
