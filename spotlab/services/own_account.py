"""What is somebody's own: password, sessions and API tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from spotlab.access.api_tokens import new_token
from spotlab.access.authentication import Gate
from spotlab.access.sign_in import SignIn
from spotlab.domain.access import Right
from spotlab.domain.ports import ApiToken, User, UserSession
from spotlab.errors import Forbidden, InvalidInput, NotFound
from spotlab.services.base import DeskPart
from spotlab.telemetry.text import hides_something, visible

LONGEST: Final = timedelta(days=366)
NAME_CHARS: Final = 80


class MyDesk(DeskPart):
    """Whoever asks, as a user. A visitor, the local administrator and a command line are none."""

    __slots__ = ()

    def user(self) -> User:
        """Who they are. Raises Forbidden: they are no user."""
        found = self.lab.store.users.find(self.who.name)
        if found is None or not self.who.is_user:
            raise Forbidden(
                f"{self.who.name} has no account here.",
                remedy="Sign in with an account of your own.",
            )
        return found.user

    def change_password(self, old: str, new: str) -> None:
        """Choose another password; the other sessions end.

        Raises:
            InvalidInput: the old one is wrong, or the new one cannot be.
            TooManyRequests: too many have failed.
            Forbidden: they are no user, or came by a token.
        """
        self._in_person()
        SignIn(self.lab).change_password(self.who.name, old, new, self.who.session_id, self.who.via)

    def sessions(self) -> Sequence[UserSession]:
        """Where they are signed in, newest first. Raises Forbidden."""
        return self.lab.store.sessions.of(self.user().name, self.lab.clock.now())

    def end_session(self, session_id: str) -> None:
        """End one of their sessions. Raises NotFound, Forbidden."""
        self._in_person()
        if session_id not in {session.session_id for session in self.sessions()}:
            raise NotFound("You have no such session.", remedy="It may have ended by itself.")
        self.lab.store.sessions.revoke(session_id, self.by())
        Gate(self.lab).forget()

    def tokens(self) -> Sequence[ApiToken]:
        """Their API tokens, newest first, those that ended too. Raises Forbidden."""
        return self.lab.store.tokens.list(self.user().name)

    def create_token(
        self, name: str, scopes: Iterable[Right], valid_for: timedelta
    ) -> tuple[ApiToken, str]:
        """A new API token, and the token itself, which is told this once.

        Args:
            name: what it is for.
            scopes: what it may do, at most what they may.
            valid_for: until it expires, a year at most.
        Raises:
            InvalidInput: a name, scopes or a time that cannot be.
            Forbidden: they are no user, may not do that themselves, or came by a token.
        """
        self._in_person()
        return issue(self, self.who.name, name, scopes, valid_for)

    def revoke_token(self, token_id: str) -> ApiToken:
        """End one of their API tokens. Raises NotFound, Forbidden."""
        self._in_person()
        ended = self.lab.store.tokens.revoke(token_id, self.by(), self.who.name)
        Gate(self.lab).forget()
        return ended

    def _in_person(self) -> None:
        self.user()
        if self.who.scopes is not None:
            raise Forbidden(
                "An API token may not change tokens, sessions or passwords.",
                remedy="Sign in, and do it on the page My account.",
            )


def issue(
    desk: DeskPart, user: str, name: str, scopes: Iterable[Right], valid_for: timedelta
) -> tuple[ApiToken, str]:
    """An API token for a user, by whoever sits at a desk. Raises InvalidInput, Forbidden."""
    wanted, plain = frozenset(scopes), " ".join(name.split())
    if not plain or len(plain) > NAME_CHARS:
        raise InvalidInput(f"A token's name has 1 to {NAME_CHARS} characters.")
    if hides_something(plain):
        raise InvalidInput(
            f"A token's name has characters that are seen, unlike '{visible(plain)}'.",
            remedy="Leave out what is shown as an escape.",
        )
    if not wanted:
        raise InvalidInput("A token needs a scope.", remedy=f"There are: {', '.join(Right)}.")
    if not timedelta(0) < valid_for <= LONGEST:
        raise InvalidInput("A token is valid for a year at most, and not for no time.")
    for right in sorted(wanted):
        desk.require(right)
    token_id, shown, kept = new_token()
    by = desk.by()
    token = ApiToken(
        token_id=token_id,
        user=user,
        name=plain,
        scopes=wanted,
        created_at=by.at,
        expires_at=by.at + valid_for,
        last_used_at=None,
        revoked_at=None,
        grantors=desk.who.vouching(user),
    )
    desk.lab.store.tokens.add(token, kept, by, desk.who.session_id)
    Gate(desk.lab).forget()
    return token, shown
