"""API tokens of the users whom somebody may change.

The same holds as for users: nobody makes or ends a token of a user who may do more than they.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from spotlab.access.authentication import Gate
from spotlab.domain.access import RIGHTS, Right
from spotlab.domain.ports import ApiToken
from spotlab.errors import InvalidInput, NotFound
from spotlab.services.base import DeskPart
from spotlab.services.own_account import issue
from spotlab.services.users import UsersDesk


class TokensDesk(DeskPart):
    """API tokens of every user."""

    __slots__ = ()

    def list(self, user: str | None = None) -> Sequence[ApiToken]:
        """Newest first (of a user), those that ended too. Raises Forbidden."""
        seen = {each.name for each in UsersDesk(self.lab, self.who).list()}
        return [each for each in self.lab.store.tokens.list(user) if each.user in seen]

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
            Forbidden: they may not, or may not do themselves all that the user may.
        """
        wanted, role = frozenset(scopes), UsersDesk(self.lab, self.who).theirs(user).role
        if beyond := wanted - RIGHTS[role]:
            raise InvalidInput(
                f"{user} ({role}) may not do that: {', '.join(sorted(beyond))}.",
                remedy="A token has no more rights than its user.",
            )
        return issue(self, user, name, wanted, valid_for)

    def revoke(self, token_id: str, reason: str = "") -> ApiToken:
        """End one. Raises NotFound, Forbidden."""
        users = UsersDesk(self.lab, self.who)
        seen = {each.name for each in users.list()}
        kept = self.lab.store.tokens.find(token_id)
        if kept is None or kept.token.user not in seen:
            raise NotFound(f"There is no token {token_id!r}.", remedy="List the tokens there are.")
        users.theirs(kept.token.user)
        ended = self.lab.store.tokens.revoke(token_id, self.by(reason))
        Gate(self.lab).forget()
        return ended
