"""AWS accounts, as far as somebody sees them. Runtime floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from spotlab.aws.checks import Check, check_account
from spotlab.aws.regions import is_region
from spotlab.domain.access import Right
from spotlab.domain.ports import Account, Topic
from spotlab.errors import InvalidInput, NotFound
from spotlab.runtime.desk.base import DeskPart


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether an account can be looked after.

    Args:
        account: its name.
        checks: what was tried, in order.
        checked_at: aware UTC.
    """

    account: str
    checks: Sequence[Check]
    checked_at: datetime

    @property
    def ok(self) -> bool:
        """Everything that was tried went well."""
        return all(check.ok for check in self.checks)


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

    def add(self, account: Account, reason: str = "") -> Account:
        """Look after one more account, from the next listing of the fleet on.

        Args:
            account: `emulated` is whatever the AWS of this lab is.
            reason: why.
        Raises:
            Forbidden: they may not change accounts.
            InvalidInput: a region that is none.
            Conflict: there is one of this name.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        for region in account.regions:
            if not is_region(region):
                raise InvalidInput(
                    f"{region!r} is no AWS region.", remedy="A region is such as us-east-1."
                )
        made = replace(account, emulated=self.lab.settings.aws == "emulated")
        self.lab.store.fleet.add_account(made, self.by(reason))
        self.lab.bus.publish(Topic.FLEET)
        return made

    def validate(self, name: str) -> Validation:
        """Sign in to an account and look at each of its regions; changes nothing.

        Raises:
            NotFound, Forbidden: as in `get`, or they may not change accounts.
            NotAvailable: there is no AWS to ask.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        account = self.get(name)
        checks = check_account(self.lab.open_cloud().sessions, account)
        return Validation(account.name, checks, self.lab.clock.now())
