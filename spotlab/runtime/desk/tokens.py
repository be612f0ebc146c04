"""Everybody's API tokens, for those who may change users. Runtime floor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from spotlab.domain.access import RIGHTS, Right
from spotlab.domain.ports import ApiToken
from spotlab.errors import InvalidInput
from spotlab.runtime.access.gate import Gate
from spotlab.runtime.desk.base import DeskPart
from spotlab.runtime.desk.mine import issue


class TokensDesk(DeskPart):
    """API tokens of every user."""

    __slots__ = ()

    def list(self, user: str | None = None) -> Sequence[ApiToken]:
        """Newest first (of a user), those that ended too. Raises Forbidden."""
        self.require(Right.CHANGE_USERS)
        return self.lab.store.tokens.list(user)

    def create(
        self, user: str, name: str, scopes: Iterable[Right], valid_for: timedelta
    ) -> tuple[ApiToken, str]:
        """A new token of a user, and the token itself, which is told this once.

        Args:
            user: whose rights it has at most.
            name: what it is for.
            scopes: what it may do.
            valid_for: until it expires, a year at most.
        Raises:
            NotFound: no such user.
            InvalidInput: a name, scopes or a time that cannot be.
            Forbidden: they may not.
        """
        self.require(Right.CHANGE_USERS)
        wanted, role = frozenset(scopes), self.lab.store.users.get(user).role
        if beyond := wanted - RIGHTS[role]:
            raise InvalidInput(
                f"{user} ({role}) may not do that: {', '.join(sorted(beyond))}.",
                remedy="A token has no more rights than its user.",
            )
        return issue(self, user, name, wanted, valid_for)

    def revoke(self, token_id: str, reason: str = "") -> ApiToken:
        """End one. Raises NotFound, Forbidden."""
        self.require(Right.CHANGE_USERS)
        ended = self.lab.store.tokens.revoke(token_id, self.by(reason))
        Gate(self.lab).forget()
        return ended
