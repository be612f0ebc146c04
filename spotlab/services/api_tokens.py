"""API tokens of other users.

As for users, nobody can create or revoke tokens of a user who has rights that they lack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from spotlab.access.authentication import Gate
from spotlab.domain.access import RIGHTS, Right
from spotlab.domain.ports import ApiToken
from spotlab.errors import InvalidInput, NotFound
from spotlab.services.base import Service
from spotlab.services.own_account import issue
from spotlab.services.users import UserService


class ApiTokenService(Service):
    """API tokens of every user."""

    __slots__ = ()

    def list(self, user: str | None = None) -> Sequence[ApiToken]:
        """Tokens (of one user), newest first, including expired ones. Raises Forbidden."""
        users = {each.name for each in UserService(self.lab, self.principal).list()}
        return [each for each in self.lab.store.tokens.list(user) if each.user in users]

    def create(
        self, user: str, name: str, scopes: Iterable[Right], valid_for: timedelta
    ) -> tuple[ApiToken, str]:
        """Create a token for a user.

        Args:
            user: owner of the token; it has at most their rights.
            name: purpose of the token.
            scopes: rights of the token.
            valid_for: time until it expires, at most a year.
        Returns:
            The record, and the token itself, which is not stored and cannot be shown again.
        Raises:
            NotFound: no such user.
            InvalidInput: the name, scopes or time are not valid.
            Forbidden: the user may not change users, or lacks a right that the owner has.
        """
        requested, role = (
            frozenset(scopes),
            UserService(self.lab, self.principal).changeable(user).role,
        )
        if excess := requested - RIGHTS[role]:
            raise InvalidInput(
                f"{user} ({role}) does not have the rights {', '.join(sorted(excess))}.",
                remedy="A token cannot have more rights than its user.",
            )
        return issue(self, user, name, requested, valid_for)

    def revoke(self, token_id: str, reason: str = "") -> ApiToken:
        """Revoke a token. Raises NotFound, Forbidden."""
        users = UserService(self.lab, self.principal)
        names = {each.name for each in users.list()}
        stored = self.lab.store.tokens.find(token_id)
        if stored is None or stored.token.user not in names:
            raise NotFound(f"There is no token {token_id!r}.", remedy="List the tokens.")
        users.changeable(stored.token.user)
        revoked = self.lab.store.tokens.revoke(token_id, self.by(reason))
        Gate(self.lab).forget()
        return revoked
