"""Authentication by API token or session cookie, or as a visitor.

Sessions, tokens and users are cached for CACHED_FOR_S, or until this process learns of a change, so
a revocation is effective within that time in every process.
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
CACHED_FOR_S: Final = 5.0
SEEN_EVERY: Final = timedelta(seconds=60)
MAX_CACHED: Final = 4096
IDLE_SHARE: Final = 0.25
LOCAL_ADMINISTRATOR: Final = Principal("local administrator", Role.ADMIN, via="loopback")
"""The user of a server without sign-in, which listens on loopback only."""


@dataclass(slots=True)
class _Cache(Generic[T]):
    """Values read from SQL, by key: time of reading, version of the data, value."""

    read: dict[str, tuple[float, int, T]] = field(default_factory=dict)

    def get(self, key: str, now: float, version: int, read: Callable[[], T]) -> T:
        entry = self.read.get(key)
        if entry is not None and self.is_fresh(key, now, version):
            return entry[2]
        if len(self.read) >= MAX_CACHED:
            self.read.clear()
        value = read()
        self.read[key] = (now, version, value)
        return value

    def is_fresh(self, key: str, now: float, version: int) -> bool:
        entry = self.read.get(key)
        return entry is not None and 0 <= now - entry[0] < CACHED_FOR_S and entry[1] == version


_CachedToken = tuple[ApiToken, str, User | None, tuple[User | None, ...]]
"""A token, its hash, its user and its grantors."""


@dataclass(slots=True)
class _Caches:
    """The caches that all gates of one database share."""

    sessions: _Cache[tuple[UserSession | None, User | None]] = field(default_factory=_Cache)
    tokens: _Cache[_CachedToken | None] = field(default_factory=_Cache)
    emulated: _Cache[tuple[str, ...]] = field(default_factory=_Cache)


_caches: WeakKeyDictionary[Engine, _Caches] = WeakKeyDictionary()


class Gate:
    """Authenticates requests.

    Args:
        lab: its stores, settings and clock.
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, lab: Lab, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lab = lab
        self._monotonic = monotonic
        self._caches = _caches.setdefault(lab.store.engine, _Caches())

    def bearer(self, token: str) -> Principal:
        """The principal of an API token.

        Raises:
            NotSignedIn: the token is unknown, revoked or expired, or a user behind it is disabled.
            DatabaseDown: the token cannot be read.
        """
        split = api_tokens.split_token(token)
        cached = None if split is None else self._token(split[0])
        if split is None or cached is None or not api_tokens.matches(split[1], cached[1]):
            raise NotSignedIn("This API token is unknown.", remedy="Ask for a new one.")
        known, _, user, grantors = cached
        now = self._lab.clock.now()
        if known.revoked_at is not None:
            raise NotSignedIn(f"The API token {known.name!r} was revoked.")
        if known.expires_at <= now:
            raise NotSignedIn(f"The API token {known.name!r} has expired.")
        if user is None or not user.active:
            raise NotSignedIn(f"The user of the API token {known.name!r} may not sign in.")
        if not all(grantor is not None and grantor.active for grantor in grantors):
            raise NotSignedIn(
                f"A user who made the API token {known.name!r} may not sign in any more.",
                remedy="Ask for a new one.",
            )
        if self._use_is_due(known.last_used_at):
            self._record_use(lambda: self._lab.store.tokens.mark_used(known.token_id, now))
        return _principal_of(known, [user, *(each for each in grantors if each is not None)])

    def knows(self, token: str) -> bool:
        """Whether `bearer` would return without reading the database."""
        split = api_tokens.split_token(token)
        if split is None:
            return True
        memory = self._caches.tokens
        read = memory.read.get(split[0])
        if read is None or not memory.is_fresh(split[0], self._monotonic(), self._version()):
            return False
        return read[2] is None or not self._use_is_due(read[2][0].last_used_at)

    def session(self, cookie: str, *, expired_too: bool = False, used: bool = True) -> Principal:
        """The principal of a session cookie.

        Args:
            cookie: the signed token of a session.
            expired_too: accept an expired token if the session itself has not ended, for
                connections that stay open longer than the token is valid.
            used: whether this counts as activity, which keeps the session from timing out.
        Raises:
            NotSignedIn: the token is invalid or expired, the session has ended, or the user is
                disabled.
            DatabaseDown: the session cannot be read.
        """
        ticket = Signer(secret_key(self._lab.settings), "session").read(cookie)
        now = self._lab.clock.now()
        if ticket.expires_at <= now and not expired_too:
            raise NotSignedIn("This session's token has expired.", remedy=SIGN_IN)
        session, user = self._session(ticket.session_id)
        if session is None or session.user != ticket.user or user is None:
            raise NotSignedIn("This session is unknown.", remedy=SIGN_IN)
        if ended := self.ended(session, user, now):
            raise NotSignedIn(ended, remedy=SIGN_IN)
        if used and now - session.seen_at >= SEEN_EVERY:
            self._record_use(lambda: self._lab.store.sessions.mark_used(session.session_id, now))
        return Principal(user.name, user.role, user.accounts, None, "session", session.session_id)

    def ended(self, session: UserSession, user: User, now: datetime) -> str:
        """Why a session is no longer valid; "": it is valid."""
        idle = timedelta(hours=self._lab.settings.session_max_h * IDLE_SHARE)
        if not user.active:
            return f"{user.name} may not sign in any more."
        if session.revoked_at is not None:
            return "This session was ended."
        if session.expires_at <= now:
            return "This session has expired."
        if now - session.seen_at >= idle:
            return "This session was unused for too long."
        return ""

    def visitor(self) -> Principal | None:
        """The principal of a request without credentials; None: sign-in is required.

        With sign-in off, it is the local administrator; the caller ensures that the request came
        over loopback.
        """
        if self._lab.settings.auth == "off":
            return LOCAL_ADMINISTRATOR
        if not self._lab.settings.demo_visitors:
            return None
        shown = self._caches.emulated.get("", self._monotonic(), 0, self._emulated)
        return Principal(VISITOR, Role.DEMO, shown, via="visitor")

    def forget(self) -> None:
        """Clear the caches in every process, after a change of users, sessions or tokens."""
        for cache in (self._caches.sessions, self._caches.tokens, self._caches.emulated):
            cache.read.clear()
        self._lab.bus.publish(Topic.SESSIONS)

    def _use_is_due(self, used_at: datetime | None) -> bool:
        return used_at is None or self._lab.clock.now() - used_at >= SEEN_EVERY

    def _emulated(self) -> tuple[str, ...]:
        return tuple(a.name for a in self._lab.store.fleet.accounts() if a.emulated)

    def _session(self, session_id: str) -> tuple[UserSession | None, User | None]:
        def read() -> tuple[UserSession | None, User | None]:
            session = self._lab.store.sessions.get(session_id)
            found = None if session is None else self._lab.store.users.find(session.user)
            return session, None if found is None else found.user

        return self._caches.sessions.get(session_id, self._monotonic(), self._version(), read)

    def _token(self, token_id: str) -> _CachedToken | None:
        def read() -> _CachedToken | None:
            stored = self._lab.store.tokens.find(token_id)
            if stored is None:
                return None
            names = (stored.token.user, *stored.token.grantors)
            user, *grantors = [self._lab.store.users.find(name) for name in names]
            return (
                stored.token,
                stored.token_hash,
                None if user is None else user.user,
                tuple(None if each is None else each.user for each in grantors),
            )

        return self._caches.tokens.get(token_id, self._monotonic(), self._version(), read)

    def _version(self) -> int:
        return self._lab.bus.version(Topic.SESSIONS)

    def _record_use(self, write: Callable[[], None]) -> None:
        """Record a use; if the database cannot be written, the request still succeeds."""
        try:
            write()
        except SpotlabError as exc:
            log.warning("the use of a session or token could not be recorded: %s", exc)
        else:
            self._caches.sessions.read.clear()
            self._caches.tokens.read.clear()


def _principal_of(token: ApiToken, behind: Sequence[User]) -> Principal:
    """The principal of a token: its user, with the reach common to scopes, user and grantors."""
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
