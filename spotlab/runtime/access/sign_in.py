"""Signing in and out: by password, one-time link or provider; renewing a session. Runtime floor.

Whoever fails is told the same, whether the name, the password or the moment was wrong.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.access import Role
from spotlab.domain.ports import By, Topic, User, UserSession
from spotlab.errors import InvalidInput, NotSignedIn
from spotlab.runtime.access.devices import Devices
from spotlab.runtime.access.gate import Gate
from spotlab.runtime.access.keys import secret_key
from spotlab.runtime.access.limiting import PER_ADDRESS, PER_BROWSER, Failures
from spotlab.runtime.access.names import checked_name, typed_name
from spotlab.runtime.access.passwords import passwords, refuse_weak
from spotlab.runtime.access.signed import SIGN_IN, Signer, Ticket
from spotlab.runtime.access.tokens import hashed
from spotlab.runtime.lab import Lab
from spotlab.store.sessions import Renewal

log = logging.getLogger("spotlab.runtime.access")

GRACE: Final = timedelta(seconds=30)
"""Tabs that renew at the same moment hold the same token, and need one answer between them."""
AGENT_CHARS: Final = 200
FREE_FAILURES: Final = 5
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 900.0
REFUSED: Final = NotSignedIn(
    "That name and password do not go together, or are not accepted for now.",
    remedy="After several failures in a row a user is locked for a while, but for browsers that "
    "they have signed in with before; an administrator can unlock them.",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """Where somebody comes from.

    Args:
        address: of their machine.
        agent: the browser's own words.
        device: the cookie of a browser that may have signed in before; see Devices.
    """

    address: str
    agent: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a browser keeps.

    Args:
        session: who it is.
        token: says so, for some minutes.
        renewal: renews it; "" where another tab has renewed it just now and has the next one.
        device: says later that this browser has signed in; "": it keeps what it has.
    """

    session: UserSession
    token: str
    renewal: str
    device: str = ""


class SignIn:
    """Signs in and out.

    Args:
        lab: everything there is.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._gate = Gate(lab)
        key = secret_key(lab.settings)
        self._session, self._renewal = Signer(key, "session"), Signer(key, "renewal")

    def by_password(self, name: str, password: str, visit: Visit) -> SignedIn:
        """Begin a session.

        Raises:
            NotSignedIn: they may not, without saying why.
            TooManyRequests: too many have failed from this address.
        """
        name, now = typed_name(name), self._lab.clock.now()
        failures, device = Failures(self._lab), Devices(self._lab).known(visit.device, name)
        trusted = device != "" and failures.allow(PER_BROWSER, device)
        if not trusted:
            failures.refuse(PER_ADDRESS, visit.address)
        found = self._lab.store.users.find(name)
        kept = found.password_hash if found is not None else None
        right = passwords().check(kept, password)
        locked = not trusted and found is not None and _is_after(found.user.locked_until, now)
        if not right or found is None or kept is None or locked or not found.user.active:
            failures.count(PER_ADDRESS, visit.address)
            if trusted:
                failures.count(PER_BROWSER, device)
            elif found is not None and not locked and not right:
                self._count(name, visit)
            log.warning("a sign-in failed from %s", visit.address)
            raise REFUSED
        weaker = passwords().is_weaker(kept)
        self._lab.store.users.signed_in(name, now, passwords().hash(password) if weaker else None)
        return self._begin(found.user, "password", visit)

    def by_first_link(self, code: str, name: str, password: str, visit: Visit) -> SignedIn:
        """Use the first administrator's link, and begin their session.

        Raises:
            InvalidInput: a name or password that cannot be.
            NotFound, Conflict: the link cannot be used (any more).
        """
        name, now = checked_name(name), self._lab.clock.now()
        refuse_weak(password, name)
        user = new_user(name, Role.ADMIN, None, "", now)
        by = By(name, now, "the first administrator", "one-time link")
        kept = passwords().hash(password)
        self._lab.store.links.make_first_administrator(hashed(code), user, kept, by)
        self._lab.store.users.signed_in(name, now)
        return self._begin(user, "link", visit)

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
        if not user.active:
            raise NotSignedIn(f"{user.name} may not sign in.", remedy="Ask an administrator.")
        self._lab.store.users.signed_in(user.name, self._lab.clock.now())
        return self._begin(user, "link", visit)

    def change_password(self, name: str, old: str, new: str, session_id: str, via: str) -> None:
        """Let somebody who is signed in choose another password; their other sessions end.

        Raises:
            InvalidInput: the old one is wrong, or the new one cannot be.
            TooManyRequests: too many have failed.
        """
        failures = Failures(self._lab)
        failures.refuse(PER_BROWSER, session_id)
        found = self._lab.store.users.find(name)
        if found is None or not passwords().check(found.password_hash, old):
            failures.count(PER_BROWSER, session_id)
            raise InvalidInput("The old password is wrong.", remedy="Type it again.")
        refuse_weak(new, name)
        by = By(name, self._lab.clock.now(), "", via)
        self._lab.store.users.set_password(name, passwords().hash(new), by, session_id)
        self._gate.forget()

    def by_provider(self, user: User, visit: Visit) -> SignedIn:
        """Begin a session of somebody whom the provider vouches for; see provider.py."""
        self._lab.store.users.signed_in(user.name, self._lab.clock.now())
        return self._begin(user, "oidc", visit)

    def renew(self, renewal: str) -> SignedIn:
        """A new token for the session.

        Raises:
            NotSignedIn: the session has ended, or the renewal token was used before: then
                somebody has stolen it, and the session ends.
        """
        ticket, now = self._renewal.read(renewal), self._lab.clock.now()
        session = self._lab.store.sessions.get(ticket.session_id)
        found = self._lab.store.users.find(ticket.user)
        if session is None or found is None:
            raise NotSignedIn("This session is not known.", remedy=SIGN_IN)
        if ended := self._gate.ended(session, found.user, now):
            raise NotSignedIn(ended, remedy=SIGN_IN)
        following = self._renewal.sign(ticket, now)
        by = By(ticket.user, now, "a renewal token was used twice", "session")
        became = self._lab.store.sessions.renew(
            ticket.session_id, hashed(renewal), hashed(following), by, GRACE
        )
        if became is Renewal.REUSED:
            log.error("a renewal token of %s was used twice; the session is ended", ticket.user)
            self._gate.forget()
        if became in (Renewal.REUSED, Renewal.ENDED):
            raise NotSignedIn("This session was ended.", remedy=SIGN_IN)
        token = self._token(session)
        return SignedIn(session, token, following if became is Renewal.ROTATED else "")

    def sign_out(self, ticket: Ticket, *, everywhere: bool = False) -> None:
        """End a session, or all of its user's."""
        by = By(ticket.user, self._lab.clock.now(), "", "session")
        if everywhere:
            self._lab.store.sessions.revoke_all(ticket.user, by)
        else:
            self._lab.store.sessions.revoke(ticket.session_id, by)
        self._gate.forget()

    def ticket_of(self, token: str, renewal: str) -> Ticket | None:
        """Which session these are of, however old they are; None: none of ours."""
        for signer, text in ((self._session, token), (self._renewal, renewal)):
            try:
                return signer.read(text)
            except NotSignedIn:
                continue
        return None

    def _begin(self, user: User, via: str, visit: Visit) -> SignedIn:
        now = self._lab.clock.now()
        session = UserSession(
            session_id=secrets.token_urlsafe(18),
            user=user.name,
            created_at=now,
            refreshed_at=now,
            seen_at=now,
            expires_at=now + timedelta(hours=self._lab.settings.session_max_h),
            revoked_at=None,
            via=via,
            agent=visit.agent[:AGENT_CHARS],
            address=visit.address,
        )
        ticket = Ticket(session.session_id, user.name, session.expires_at)
        renewal = self._renewal.sign(ticket, now)
        self._lab.store.sessions.begin(session, hashed(renewal), By(user.name, now, "", via))
        self._lab.bus.publish(Topic.SESSIONS)
        device = "" if via == "oidc" else Devices(self._lab).new(user.name)
        return SignedIn(session, self._token(session), renewal, device)

    def _token(self, session: UserSession) -> str:
        now = self._lab.clock.now()
        until = now + timedelta(minutes=self._lab.settings.session_minutes)
        ticket = Ticket(session.session_id, session.user, min(until, session.expires_at))
        return self._session.sign(ticket, now)

    def _count(self, name: str, visit: Visit) -> None:
        by = By(name, self._lab.clock.now(), f"wrong passwords from {visit.address}", "sign-in")
        if self._lab.store.users.failed(name, by, lock_s):
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
