"""AWS accounts, as far as somebody sees them. Runtime floor."""

from __future__ import annotations

from spotlab.domain.access import Right
from spotlab.domain.ports import Account
from spotlab.errors import NotFound
from spotlab.runtime.desk.base import DeskPart


class AccountsDesk(DeskPart):
    """The accounts that somebody sees."""

    __slots__ = ()

    def list(self) -> list[Account]:
        """By name. Raises Forbidden."""
        self.require(Right.READ)
        return [a for a in self.lab.store.fleet.accounts() if self.who.sees(a.name)]

    def get(self, name: str) -> Account:
        """One of them. Raises NotFound, Forbidden."""
        for account in self.list():
            if account.name == name:
                return account
        raise NotFound(f"There is no account {name!r}.", remedy="List the accounts there are.")
