"""Users.

Nobody can grant rights that they do not have, to others or to themselves. To change, reset, unlock,
enable or sign out a user, one must have every right and see every account of that user, before and
after the change. Users who see an account that one does not see are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

from spotlab.access.authentication import Gate
from spotlab.access.one_time_links import password_link
from spotlab.access.passwords import passwords, reject_weak
from spotlab.access.sign_in import new_user
from spotlab.access.usernames import validated_name
from spotlab.domain.access import RIGHTS, Reach, Right, Role
from spotlab.domain.ports import By, User, UserSession
from spotlab.errors import InvalidInput, NotFound
from spotlab.services.base import Service


class UserService(Service):
    """Users; every method requires the right to change users."""

    __slots__ = ()

    def list(self) -> Sequence[User]:
        """Users by name. Raises Forbidden."""
        self.require(Right.CHANGE_USERS)
        return [user for user in self.lab.store.users.list() if self._sees(user)]

    def get(self, name: str) -> User:
        """One user. Raises NotFound, Forbidden."""
        self.require(Right.CHANGE_USERS)
        user = self.lab.store.users.get(name)
        if not self._sees(user):
            raise NotFound(f"There is no user {name!r}.", remedy="List the users.")
        return user

    def changeable(self, name: str) -> User:
        """One user who may be changed: they have no right that the changer lacks.

        Raises:
            NotFound, Forbidden: no such user, or not to be changed.
        """
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
        """Add a user.

        Args:
            name: user name for signing in.
            role: role of the user.
            accounts: accounts whose instances the user sees; None: all.
            email: address by which an identity provider identifies the user, or "".
            password: None: the user chooses one through a link.
            reason: for the audit log.
        Returns:
            The user, and the path of the link to choose a password; "" if a password was set, or
            an identity provider authenticates users.
        Raises:
            InvalidInput: the name, role, account or password is not valid.
            Conflict: the name exists.
            Forbidden: the right to change users, or one that the new user would have, is missing.
        """
        self.require(Right.CHANGE_USERS)
        _refuse_role(role)
        known = self._known(accounts)
        self.require_all_of(Reach(RIGHTS[role], known))
        name, by = validated_name(name), self.by(reason)
        if password is not None:
            reject_weak(password, name)
        user = new_user(name, role, known, email.strip(), by.at)
        password_hash = passwords().hash(password) if password is not None else None
        self.lab.store.users.add(user, by, password_hash)
        Gate(self.lab).forget()
        needs_link = password is None and self.lab.settings.auth == "accounts"
        return user, self._link(name, by) if needs_link else ""

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
        """Change a user; one who is made inactive is signed out.

        Args:
            name: name of the user.
            role, email, active: None: unchanged.
            accounts: None: all; ...: unchanged.
            reason: for the audit log.
        Raises:
            NotFound: no such user.
            InvalidInput: the role or an account is not valid.
            Conflict: no administrator would be left.
            Forbidden: the right to change users, or one that the user has or would have, is
                missing.
        """
        self.changeable(name)
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
        """Unlock a user who entered wrong passwords. Raises NotFound, Forbidden."""
        self.changeable(name)
        changed = self.lab.store.users.unlock(name, self.by(reason), self._check)
        Gate(self.lab).forget()
        return changed

    def reset_password(self, name: str, reason: str = "") -> str:
        """Sign a user out everywhere, revoke their API tokens, and let them choose a new password.

        Returns:
            The path of the link to choose it, valid for a day.
        Raises:
            InvalidInput: an identity provider authenticates users, so there is no password.
            NotFound, Forbidden: nothing changed.
        """
        self.changeable(name)
        if self.lab.settings.auth == "oidc":
            raise InvalidInput(
                "Users sign in with an identity provider.", remedy="Reset the password there."
            )
        by = self.by(reason)
        self.lab.store.users.reset_password(name, by, self._check)
        Gate(self.lab).forget()
        return self._link(name, by)

    def sessions(self, name: str) -> Sequence[UserSession]:
        """The sessions of a user. Raises NotFound, Forbidden."""
        return self.lab.store.sessions.of(self.get(name).name, self.lab.clock.now())

    def sign_out(self, name: str, reason: str = "") -> int:
        """End all sessions of a user; returns how many. Raises NotFound, Forbidden."""
        ended = self.lab.store.sessions.revoke_all(self.changeable(name).name, self.by(reason))
        Gate(self.lab).forget()
        return ended

    def _sees(self, user: User) -> bool:
        return self.principal.reach.sees(user.accounts)

    def _check(self, user: User) -> None:
        self.require_all_of(user.reach)

    def _link(self, name: str, by: By) -> str:
        return password_link(self.lab, name, by, self.principal.grantors_for(name))

    def _known(self, accounts: Sequence[str] | None) -> tuple[str, ...] | None:
        if accounts is None:
            return None
        known = self.lab.store.fleet.accounts()
        visible = [account.name for account in known if self.principal.sees(account.name)]
        for name in accounts:
            if name not in visible:
                raise InvalidInput(
                    f"There is no account {name!r}.",
                    remedy=f"Available: {', '.join(visible) or 'none; list the fleet first'}.",
                )
        return tuple(dict.fromkeys(accounts))


def _refuse_role(role: Role) -> None:
    if role is Role.DEMO:
        raise InvalidInput(
            "The role demo is for visitors who do not sign in.", remedy="Use the role viewer."
        )
