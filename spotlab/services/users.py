"""Users, as far as somebody may change them.

Nobody grants what they do not have, to others or to themselves: whoever changes, resets, unlocks,
enables or signs out a user has every right and sees every account of that user, before the change
and after. A user who sees an account that they do not see is not there for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

from spotlab.access.authentication import Gate
from spotlab.access.one_time_links import password_link
from spotlab.access.passwords import passwords, refuse_weak
from spotlab.access.sign_in import new_user
from spotlab.access.usernames import checked_name
from spotlab.domain.access import RIGHTS, Reach, Right, Role
from spotlab.domain.ports import By, User, UserSession
from spotlab.errors import InvalidInput, NotFound
from spotlab.services.base import DeskPart


class UsersDesk(DeskPart):
    """Users; every verb is for those who may change users."""

    __slots__ = ()

    def list(self) -> Sequence[User]:
        """By name. Raises Forbidden."""
        self.require(Right.CHANGE_USERS)
        return [user for user in self.lab.store.users.list() if self._sees(user)]

    def get(self, name: str) -> User:
        """One of them. Raises NotFound, Forbidden."""
        self.require(Right.CHANGE_USERS)
        user = self.lab.store.users.get(name)
        if not self._sees(user):
            raise NotFound(f"There is no user {name!r}.", remedy="List the users there are.")
        return user

    def theirs(self, name: str) -> User:
        """One whom they may change: who has nothing that they lack. Raises NotFound, Forbidden."""
        user = self.get(name)
        self.require_all_of(user.reach)
        return user

    def add(
        self,
        name: str,
        role: Role,
        *,
        accounts: Sequence[str] | None = None,
        email: str = "",
        password: str | None = None,
        reason: str = "",
    ) -> tuple[User, str]:
        """Let somebody sign in.

        Args:
            name: what they sign in with.
            role: what they are trusted with.
            accounts: whose instances they see; None: all.
            email: what a provider knows them by; "" where there is none.
            password: None: they choose it, by a link.
            reason: for the audit log.
        Returns:
            The user, and the path of the link where they choose a password; "" where there is one,
            or a provider vouches.
        Raises:
            InvalidInput: a name, role, account or password that cannot be.
            Conflict: the name exists.
            Forbidden: they may not, or may not do all of that themselves.
        """
        self.require(Right.CHANGE_USERS)
        _refuse_role(role)
        known = self._known(accounts)
        self.require_all_of(Reach(RIGHTS[role], known))
        name, by = checked_name(name), self.by(reason)
        if password is not None:
            refuse_weak(password, name)
        user = new_user(name, role, known, email.strip(), by.at)
        kept = passwords().hash(password) if password is not None else None
        self.lab.store.users.add(user, by, kept)
        Gate(self.lab).forget()
        by_link = password is None and self.lab.settings.auth == "accounts"
        return user, self._link(name, by) if by_link else ""

    def set(
        self,
        name: str,
        *,
        role: Role | None = None,
        accounts: Sequence[str] | EllipsisType | None = ...,
        email: str | None = None,
        active: bool | None = None,
        reason: str = "",
    ) -> User:
        """Change what is given; what is not stays. Who is made inactive is signed out.

        Args:
            name: whose.
            role, email, active: None: as it is.
            accounts: None: all; ...: as it is.
            reason: for the audit log.
        Raises:
            NotFound: no such user.
            InvalidInput: a role or account that cannot be.
            Conflict: nobody would be administrator any more.
            Forbidden: they may not, or may not do themselves all that the user may or would.
        """
        self.theirs(name)
        if role is not None:
            _refuse_role(role)
        known = ... if isinstance(accounts, EllipsisType) else self._known(accounts)
        address = None if email is None else email.strip()
        changed = self.lab.store.users.change(
            name,
            self.by(reason),
            role=role,
            accounts=known,
            email=address,
            active=active,
            check=self._check,
        )
        Gate(self.lab).forget()
        return changed

    def unlock(self, name: str, reason: str = "") -> User:
        """Forget the failures that locked somebody. Raises NotFound, Forbidden."""
        self.theirs(name)
        changed = self.lab.store.users.unlock(name, self.by(reason), self._check)
        Gate(self.lab).forget()
        return changed

    def reset_password(self, name: str, reason: str = "") -> str:
        """Sign somebody out everywhere, end their API tokens, and let them choose a new password.

        Returns:
            The path of the link where they do, valid for a day.
        Raises:
            InvalidInput: a provider vouches for them: there is no password.
            NotFound, Forbidden: nothing changed.
        """
        self.theirs(name)
        if self.lab.settings.auth == "oidc":
            raise InvalidInput(
                "Users sign in with the provider here.", remedy="The provider resets passwords."
            )
        by = self.by(reason)
        self.lab.store.users.must_choose(name, by, self._check)
        Gate(self.lab).forget()
        return self._link(name, by)

    def sessions(self, name: str) -> Sequence[UserSession]:
        """Where somebody is signed in. Raises NotFound, Forbidden."""
        return self.lab.store.sessions.of(self.get(name).name, self.lab.clock.now())

    def sign_out(self, name: str, reason: str = "") -> int:
        """End all of somebody's sessions; says how many. Raises NotFound, Forbidden."""
        ended = self.lab.store.sessions.revoke_all(self.theirs(name).name, self.by(reason))
        Gate(self.lab).forget()
        return ended

    def _sees(self, user: User) -> bool:
        return self.who.reach.sees(user.accounts)

    def _check(self, user: User) -> None:
        self.require_all_of(user.reach)

    def _link(self, name: str, by: By) -> str:
        return password_link(self.lab, name, by, self.who.vouching(name))

    def _known(self, accounts: Sequence[str] | None) -> tuple[str, ...] | None:
        if accounts is None:
            return None
        every = self.lab.store.fleet.accounts()
        there = [account.name for account in every if self.who.sees(account.name)]
        for name in accounts:
            if name not in there:
                raise InvalidInput(
                    f"There is no account {name!r}.",
                    remedy=f"There are: {', '.join(there) or 'none yet; list the fleet first'}.",
                )
        return tuple(dict.fromkeys(accounts))


def _refuse_role(role: Role) -> None:
    if role is Role.DEMO:
        raise InvalidInput(
            "The role demo is for visitors, who do not sign in.", remedy="A viewer may read."
        )
