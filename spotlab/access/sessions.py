"""Sessions of browsers: start, renewal and end."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from spotlab.access.api_tokens import hash_secret
from spotlab.access.authentication import Gate
from spotlab.access.known_devices import Devices
from spotlab.access.passwords import passwords
from spotlab.access.secret_key import secret_key
from spotlab.access.session_tokens import SIGN_IN, Signer, Ticket
from spotlab.domain.ports import By, Topic, UserSession
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.store.sessions import Renewal

log = logging.getLogger("spotlab.access")

GRACE: Final = timedelta(seconds=30)
"""Tabs that renew at the same moment hold the same renewal token, and must all succeed."""
AGENT_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """Origin of a request to sign in.

    Args:
        address: IP address of the client.
        agent: the User-Agent header.
        device: the device cookie; see Devices.
    """

    address: str
    agent: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with the cookies for the browser.

    Args:
        session: the session.
        token: session token, valid for some minutes.
        renewal: renewal token; "": another tab has just received the next one.
        device: device cookie; "": unchanged.
    """

    session: UserSession
    token: str
    renewal: str
    device: str = ""


class Sessions:
    """Starts, renews and ends sessions.

    Args:
        lab: its stores, settings and clock.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._gate = Gate(lab)
        key = secret_key(lab.settings)
        self._session, self._renewal = Signer(key, "session"), Signer(key, "renewal")

    def begin(
        self, name: str, via: str, visit: Visit, checked: str | None = None, password: str = ""
    ) -> SignedIn | None:
        """Start a session of an authenticated user; see `SqlSignIns.begin`.

        Args:
            name: of the user.
            via: how they signed in.
            visit: origin of the request.
            checked: the password hash that was checked; None: authenticated in another way.
            password: the password, to hash it again if its hash is weak; "": do not.
        Returns:
            None: the user may not sign in, or the password has been changed meanwhile.
        """
        now = self._lab.clock.now()
        session = UserSession(
            session_id=secrets.token_urlsafe(18),
            user=name,
            created_at=now,
            refreshed_at=now,
            seen_at=now,
            expires_at=now + timedelta(hours=self._lab.settings.session_max_h),
            revoked_at=None,
            via=via,
            agent=visit.agent[:AGENT_CHARS],
            address=visit.address,
        )
        renewal = self._renewal.sign(Ticket(session.session_id, name, session.expires_at), now)
        weaker = checked is not None and password != "" and passwords().is_weaker(checked)
        began = self._lab.store.sign_ins.begin(
            session,
            hash_secret(renewal),
            By(name, now, "", via),
            checked=checked,
            stronger=passwords().hash(password) if weaker else None,
        )
        if not began:
            return None
        self._lab.bus.publish(Topic.SESSIONS)
        device = "" if via == "oidc" else Devices(self._lab).new(name)
        return SignedIn(session, self._token(session), renewal, device)

    def renew(self, renewal: str) -> SignedIn:
        """New tokens for the session.

        Raises:
            NotSignedIn: the session has ended, or the renewal token was used before; it has then
                been stolen, and the session is ended.
        """
        ticket, now = self._renewal.read(renewal), self._lab.clock.now()
        session = self._lab.store.sessions.get(ticket.session_id)
        found = self._lab.store.users.find(ticket.user)
        if session is None or found is None:
            raise NotSignedIn("This session is unknown.", remedy=SIGN_IN)
        if ended := self._gate.ended(session, found.user, now):
            raise NotSignedIn(ended, remedy=SIGN_IN)
        next_renewal = self._renewal.sign(ticket, now)
        by = By(ticket.user, now, "a renewal token was used twice", "session")
        outcome = self._lab.store.sessions.renew(
            ticket.session_id, hash_secret(renewal), hash_secret(next_renewal), by, GRACE
        )
        if outcome is Renewal.REUSED:
            log.error("a renewal token of %s was used twice; the session was ended", ticket.user)
            self._gate.forget()
        if outcome in (Renewal.REUSED, Renewal.ENDED):
            raise NotSignedIn("This session was ended.", remedy=SIGN_IN)
        token = self._token(session)
        return SignedIn(session, token, next_renewal if outcome is Renewal.ROTATED else "")

    def sign_out(self, ticket: Ticket, *, everywhere: bool = False) -> None:
        """End a session, or all sessions of its user."""
        by = By(ticket.user, self._lab.clock.now(), "", "session")
        if everywhere:
            self._lab.store.sessions.revoke_all(ticket.user, by)
        else:
            self._lab.store.sessions.revoke(ticket.session_id, by)
        self._gate.forget()

    def ticket_of(self, token: str, renewal: str) -> Ticket | None:
        """The ticket of either token, even if expired; None: neither is valid."""
        for signer, text in ((self._session, token), (self._renewal, renewal)):
            try:
                return signer.read(text)
            except NotSignedIn:
                continue
        return None

    def _token(self, session: UserSession) -> str:
        now = self._lab.clock.now()
        until = now + timedelta(minutes=self._lab.settings.session_minutes)
        ticket = Ticket(session.session_id, session.user, min(until, session.expires_at))
        return self._session.sign(ticket, now)
