"""The gate: whoever comes with a token, a session's cookie or nothing is told who they are.

What it knows of a session, token or user is read from SQL anew after KNOWN_FOR_S, or
at once where this process has heard of a change: a revocation counts within that time everywhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from spotlab.access import api_tokens
from spotlab.access.secret_key import secret_key
from spotlab.access.session_tokens import SIGN_IN, Signer
from spotlab.domain.access import VISITOR, Principal, Reach, Role
from spotlab.domain.ports import ApiToken, Topic, User, UserSession
from spotlab.errors import NotSignedIn, SpotlabError
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.access")
T = TypeVar("T")

SESSION_COOKIE: Final = "spotlab_session"
KNOWN_FOR_S: Final = 5.0
SEEN_EVERY: Final = timedelta(seconds=60)
KNOWN_AT_MOST: Final = 4096
IDLE_SHARE: Final = 0.25
LOCAL_ADMINISTRATOR: Final = Principal("local administrator", Role.ADMIN, via="loopback")
"""Whoever reaches a server without sign-in, which listens on loopback only."""


@dataclass(slots=True)
class _Known(Generic[T]):
    """What was read from SQL, for a short time."""

    read: dict[str, tuple[float, int, T]] = field(default_factory=dict)

    def get(self, key: str, now: float, version: int, read: Callable[[], T]) -> T:
        kept = self.read.get(key)
        if kept is not None and self.is_fresh(key, now, version):
            return kept[2]
        if len(self.read) >= KNOWN_AT_MOST:
            self.read.clear()
        found = read()
        self.read[key] = (now, version, found)
        return found

    def is_fresh(self, key: str, now: float, version: int) -> bool:
        kept = self.read.get(key)
        return kept is not None and 0 <= now - kept[0] < KNOWN_FOR_S and kept[1] == version


_KnownToken = tuple[ApiToken, str, User | None, tuple[User | None, ...]]
"""A token, its hash, its user and its grantors."""


@dataclass(slots=True)
class _Memory:
    """What all gates of one database share."""

    sessions: _Known[tuple[UserSession | None, User | None]] = field(default_factory=_Known)
    tokens: _Known[_KnownToken | None] = field(default_factory=_Known)
    emulated: _Known[tuple[str, ...]] = field(default_factory=_Known)


_memories: WeakKeyDictionary[Engine, _Memory] = WeakKeyDictionary()


class Gate:
    """Tells who comes.

    Args:
        lab: everything there is.
        monotonic: seconds that never go back.
    """

    def __init__(self, lab: Lab, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lab = lab
        self._monotonic = monotonic
        self._memory = _memories.setdefault(lab.store.engine, _Memory())

    def bearer(self, token: str) -> Principal:
        """Whoever sends this API token.

        Raises:
            NotSignedIn: it is none, was revoked or has expired, or its user is disabled.
            DatabaseDown: that cannot be looked up now.
        """
        split = api_tokens.parts(token)
        kept = None if split is None else self._token(split[0])
        if split is None or kept is None or not api_tokens.matches(split[1], kept[1]):
            raise NotSignedIn("This API token is not known.", remedy="Ask for a new one.")
        known, _, user, grantors = kept
        now = self._lab.clock.now()
        if known.revoked_at is not None:
            raise NotSignedIn(f"The API token {known.name!r} was revoked.")
        if known.expires_at <= now:
            raise NotSignedIn(f"The API token {known.name!r} has expired.")
        if user is None or not user.active:
            raise NotSignedIn(f"The user of the API token {known.name!r} may not sign in.")
        if not all(grantor is not None and grantor.active for grantor in grantors):
            raise NotSignedIn(
                f"Somebody who made the API token {known.name!r} may not sign in any more.",
                remedy="Ask for a new one.",
            )
        if self._is_to_note(known.last_used_at):
            self._note(lambda: self._lab.store.tokens.used(known.token_id, now))
        return _acting(known, [user, *(each for each in grantors if each is not None)])

    def knows(self, token: str) -> bool:
        """Whether `bearer` would tell who sends this without a look at the database."""
        split = api_tokens.parts(token)
        if split is None:
            return True
        memory = self._memory.tokens
        read = memory.read.get(split[0])
        if read is None or not memory.is_fresh(split[0], self._monotonic(), self._version()):
            return False
        return read[2] is None or not self._is_to_note(read[2][0].last_used_at)

    def session(self, cookie: str, *, expired_too: bool = False, used: bool = True) -> Principal:
        """Whoever's browser sends this cookie.

        Args:
            cookie: the signed token of a session.
            expired_too: for a connection that stays open longer than the token is valid: what
                counts is whether the session itself has ended.
            used: whether somebody does something now, which keeps the session from idling.
        Raises:
            NotSignedIn: it is none, has expired, or its session or user has ended.
            DatabaseDown: that cannot be looked up now.
        """
        ticket = Signer(secret_key(self._lab.settings), "session").read(cookie)
        now = self._lab.clock.now()
        if ticket.expires_at <= now and not expired_too:
            raise NotSignedIn("This session's token has expired.", remedy=SIGN_IN)
        session, user = self._session(ticket.session_id)
        if session is None or session.user != ticket.user or user is None:
            raise NotSignedIn("This session is not known.", remedy=SIGN_IN)
        if ended := self.ended(session, user, now):
            raise NotSignedIn(ended, remedy=SIGN_IN)
        if used and now - session.seen_at >= SEEN_EVERY:
            self._note(lambda: self._lab.store.sessions.seen(session.session_id, now))
        return Principal(user.name, user.role, user.accounts, None, "session", session.session_id)

    def ended(self, session: UserSession, user: User, now: datetime) -> str:
        """Why a session does not count any more; "" while it does."""
        idle = timedelta(hours=self._lab.settings.session_max_h * IDLE_SHARE)
        if not user.active:
            return f"{user.name} may not sign in any more."
        if session.revoked_at is not None:
            return "This session was ended."
        if session.expires_at <= now:
            return "This session has reached its end."
        if now - session.seen_at >= idle:
            return "This session was not used for too long."
        return ""

    def visitor(self) -> Principal | None:
        """Whoever comes with nothing; None: they have to sign in.

        With sign-in off it is the local administrator: whoever asks makes sure that the request
        came over loopback.
        """
        if self._lab.settings.auth == "off":
            return LOCAL_ADMINISTRATOR
        if not self._lab.settings.demo_visitors:
            return None
        shown = self._memory.emulated.get("", self._monotonic(), 0, self._emulated)
        return Principal(VISITOR, Role.DEMO, shown, via="visitor")

    def forget(self) -> None:
        """Something of users, sessions or tokens was changed: every process reads it anew."""
        for known in (self._memory.sessions, self._memory.tokens, self._memory.emulated):
            known.read.clear()
        self._lab.bus.publish(Topic.SESSIONS)

    def _is_to_note(self, used_at: datetime | None) -> bool:
        return used_at is None or self._lab.clock.now() - used_at >= SEEN_EVERY

    def _emulated(self) -> tuple[str, ...]:
        return tuple(a.name for a in self._lab.store.fleet.accounts() if a.emulated)

    def _session(self, session_id: str) -> tuple[UserSession | None, User | None]:
        def read() -> tuple[UserSession | None, User | None]:
            session = self._lab.store.sessions.get(session_id)
            found = None if session is None else self._lab.store.users.find(session.user)
            return session, None if found is None else found.user

        return self._memory.sessions.get(session_id, self._monotonic(), self._version(), read)

    def _token(self, token_id: str) -> _KnownToken | None:
        def read() -> _KnownToken | None:
            kept = self._lab.store.tokens.find(token_id)
            if kept is None:
                return None
            names = (kept.token.user, *kept.token.grantors)
            user, *grantors = [self._lab.store.users.find(name) for name in names]
            return (
                kept.token,
                kept.token_hash,
                None if user is None else user.user,
                tuple(None if each is None else each.user for each in grantors),
            )

        return self._memory.tokens.get(token_id, self._monotonic(), self._version(), read)

    def _version(self) -> int:
        return self._lab.bus.version(Topic.SESSIONS)

    def _note(self, write: Callable[[], None]) -> None:
        """That something was used; a database that cannot be written now refuses nobody."""
        try:
            write()
        except SpotlabError as exc:
            log.warning("cannot note that a session or token is used: %s", exc)
        else:
            self._memory.sessions.read.clear()
            self._memory.tokens.read.clear()


def _acting(token: ApiToken, behind: Sequence[User]) -> Principal:
    """Whoever sends a token: its user, with what its scopes, its user and each of its grantors have
    in common now."""
    user = behind[0]
    reach = Reach(token.scopes, None)
    for each in behind:
        reach = reach.within(each.reach)
    return Principal(
        user.name,
        user.role,
        reach.accounts,
        reach.rights,
        f"token {token.name}",
        grantors=token.grantors,
    )
