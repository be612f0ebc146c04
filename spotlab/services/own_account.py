"""The user's own password, sessions and API tokens."""

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
from spotlab.services.base import Service
from spotlab.telemetry.invisible_characters import hides_something, visible

LONGEST: Final = timedelta(days=366)
NAME_CHARS: Final = 80


class OwnAccountService(Service):
    """A user's own settings; a visitor, the local administrator and a command line have none."""

    __slots__ = ()

    def user(self) -> User:
        """The user. Raises Forbidden: not signed in as a user."""
        stored = self.lab.store.users.find(self.principal.name)
        if stored is None or not self.principal.is_user:
            raise Forbidden(
                f"{self.principal.name} is not a user.",
                remedy="Sign in as a user.",
            )
        return stored.user

    def change_password(self, old: str, new: str) -> None:
        """Change the password; all other sessions end.

        Raises:
            InvalidInput: the old password is wrong, or the new one is not valid.
            TooManyRequests: too many attempts have failed.
            Forbidden: not signed in as a user, or signed in with a token.
        """
        self._in_person()
        SignIn(self.lab).change_password(
            self.principal.name, old, new, self.principal.session_id, self.principal.via
        )

    def sessions(self) -> Sequence[UserSession]:
        """The user's sessions, newest first. Raises Forbidden."""
        return self.lab.store.sessions.of(self.user().name, self.lab.clock.now())

    def end_session(self, session_id: str) -> None:
        """End one of the user's sessions. Raises NotFound, Forbidden."""
        self._in_person()
        if session_id not in {session.session_id for session in self.sessions()}:
            raise NotFound("You have no such session.", remedy="It may have expired.")
        self.lab.store.sessions.revoke(session_id, self.by())
        Gate(self.lab).forget()

    def tokens(self) -> Sequence[ApiToken]:
        """The user's API tokens, newest first, including expired ones. Raises Forbidden."""
        return self.lab.store.tokens.list(self.user().name)

    def create_token(
        self, name: str, scopes: Iterable[Right], valid_for: timedelta
    ) -> tuple[ApiToken, str]:
        """Create an API token.

        Args:
            name: purpose of the token.
            scopes: rights of the token, at most the user's own.
            valid_for: time until it expires, at most a year.
        Returns:
            The record, and the token itself, which is not stored and cannot be shown again.
        Raises:
            InvalidInput: the name, scopes or time are not valid.
            Forbidden: not signed in as a user, signed in with a token, or a right is missing.
        """
        self._in_person()
        return issue(self, self.principal.name, name, scopes, valid_for)

    def revoke_token(self, token_id: str) -> ApiToken:
        """Revoke one of the user's API tokens. Raises NotFound, Forbidden."""
        self._in_person()
        revoked = self.lab.store.tokens.revoke(token_id, self.by(), self.principal.name)
        Gate(self.lab).forget()
        return revoked

    def _in_person(self) -> None:
        self.user()
        if self.principal.scopes is not None:
            raise Forbidden(
                "An API token may not change tokens, sessions or passwords.",
                remedy="Sign in, and use the page My account.",
            )


def issue(
    services: Service, user: str, name: str, scopes: Iterable[Right], valid_for: timedelta
) -> tuple[ApiToken, str]:
    """Create an API token of `user` with the rights of a service's user.

    Raises:
        InvalidInput: the name, scopes or time are not valid.
        Forbidden: the service's user lacks a right.
    """
    requested, plain = frozenset(scopes), " ".join(name.split())
    if not plain or len(plain) > NAME_CHARS:
        raise InvalidInput(f"A token's name has 1 to {NAME_CHARS} characters.")
    if hides_something(plain):
        raise InvalidInput(
            f"A token's name must consist of visible characters, unlike '{visible(plain)}'.",
            remedy="Remove the characters that are shown as escapes.",
        )
    if not requested:
        raise InvalidInput("A token needs a scope.", remedy=f"Available: {', '.join(Right)}.")
    if not timedelta(0) < valid_for <= LONGEST:
        raise InvalidInput("A token must be valid for more than no time, and at most a year.")
    for right in sorted(requested):
        services.require(right)
    token_id, secret, token_hash = new_token()
    by = services.by()
    token = ApiToken(
        token_id=token_id,
        user=user,
        name=plain,
        scopes=requested,
        created_at=by.at,
        expires_at=by.at + valid_for,
        last_used_at=None,
        revoked_at=None,
        grantors=services.principal.grantors_for(user),
    )
    services.lab.store.tokens.add(token, token_hash, by, services.principal.session_id)
    Gate(services.lab).forget()
    return token, secret
