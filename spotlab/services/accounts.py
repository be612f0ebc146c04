"""AWS accounts, as far as somebody sees them.

An external id never leaves the desk: an account says MASK where it has one, followed by a mark that
changes with it and says nothing of it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from spotlab.access.name_redaction import foreign
from spotlab.access.secret_key import secret_key
from spotlab.aws.checks import Check, check_account
from spotlab.aws.regions import is_region
from spotlab.domain.access import Right
from spotlab.domain.ports import Account, Listing, Topic
from spotlab.errors import (
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    SpotlabError,
)
from spotlab.services.base import DeskPart

MASK: Final = "***"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9._-])?")
_NUMBER: Final = re.compile(r"[0-9]{12}")
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]{1,512}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """An account and how it is with it.

    Args:
        account: its external id masked.
        instances: how many active ones it holds.
        listing: when it was listed last.
        looked_after: None: it cannot be said now, because its AWS is not there.
    """

    account: Account
    instances: int
    listing: Listing
    looked_after: bool | None


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether an account can be managed.

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
        """By name, external ids masked. Raises Forbidden."""
        self.require(Right.READ)
        return [self._masked(a) for a in self.lab.store.fleet.accounts() if self.who.sees(a.name)]

    def get(self, name: str) -> Account:
        """One of them. Raises NotFound, Forbidden."""
        return self._masked(self._seen(name))

    def standings(self) -> Sequence[AccountStanding]:
        """Each with its instances, and when it was listed last. Raises Forbidden."""
        fleet = self.lab.store.fleet
        counts: dict[str, int] = {}
        for instance in fleet.instances():
            counts[instance.account] = counts.get(instance.account, 0) + 1
        listings, never = fleet.listings(), Listing(None, "")
        try:
            after = {account.name for account in self.lab.cloud().accounts}
        except SpotlabError:
            after = None
        return [
            AccountStanding(
                account,
                counts.get(account.name, 0),
                listings.get(account.name, never),
                None if after is None else account.name in after,
            )
            for account in self.list()
        ]

    def add(self, account: Account, reason: str = "") -> Account:
        """Look after one more account, from the next listing of the fleet on.

        Args:
            account: `emulated` is whatever the AWS of this lab is.
            reason: why.
        Raises:
            Forbidden: they may not change accounts, or see some accounts only.
            InvalidInput: says which field and what would be right.
            Conflict: there is one of this name, or of one that reads the same.
        """
        self.require(Right.CHANGE_ACCOUNTS, account.name)
        if account.name not in {each.name for each in self.lab.store.fleet.accounts()}:
            self._refuse_foreign(account, None)
            self._refuse_alike(account.name)
        emulated = self.lab.settings.aws == "emulated"
        made = replace(account, emulated=emulated, from_settings=False)
        _check(made)
        self.lab.store.fleet.add_account(made, self.by(reason))
        self.lab.bus.publish(Topic.FLEET)
        return self._masked(made)

    def save(
        self,
        name: str,
        aws_account_id: str,
        regions: Sequence[str],
        *,
        role_arn: str = "",
        external_id: str | None = None,
        active: bool = True,
        reason: str = "",
        expected: Account | None = None,
    ) -> Account:
        """Add an account, or change one that was added here; it is listed at the next listing.

        Args:
            name: unique, a person's name for it.
            aws_account_id: 12 digits.
            regions: to look after, one at least.
            role_arn: to assume; "": SpotLab's own credentials.
            external_id: None (or masked): as it was; "": none.
            active: look after it.
            reason: why, in their words.
            expected: as it was when the change was thought of; None: as it is now.
        Raises:
            Forbidden: they may not change accounts, do not see this one, or see some accounts only
                and would point it at another AWS account or at SpotLab's own credentials.
            Conflict: an account of this name comes from the settings.
            ChangedMeanwhile: it is not as expected.
            InvalidInput: says which field and what would be right.
        """
        self.require(Right.CHANGE_ACCOUNTS, name)
        former = next((a for a in self.lab.store.fleet.accounts() if a.name == name), None)
        if former is not None and former.from_settings:
            raise Conflict(
                f"The account {name!r} comes from the settings.",
                remedy="Change it there, or choose another name.",
            )
        if external_id is None or external_id.startswith(MASK):
            external_id = former.external_id if former is not None else ""
        account = Account(
            name=name,
            aws_account_id=aws_account_id.strip(),
            role_arn=role_arn.strip(),
            external_id=external_id.strip(),
            regions=tuple(dict.fromkeys(regions)),
            emulated=self.lab.settings.aws == "emulated",
            active=active,
            from_settings=False,
        )
        if former is None:
            return self.add(account, reason)
        _check(account)
        self._refuse_foreign(account, former)
        return self._saved(account, reason, self._as_expected(former, expected))

    def set_active(
        self, name: str, active: bool, reason: str = "", expected: Account | None = None
    ) -> Account:
        """Look after it, or no more: what is no longer managed is not listed nor evaluated.

        Raises:
            Forbidden, NotFound, ChangedMeanwhile: nothing changed.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        now = self._seen(name)
        return self._saved(replace(now, active=active), reason, self._as_expected(now, expected))

    def validate(self, name: str) -> Validation:
        """Assume the role, and look at each region; changes nothing. See `check_account`.

        Raises:
            NotFound, Forbidden: as in `get`, or they may not change accounts.
            NotAvailable: there is no AWS to ask.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        account = self._seen(name)
        checks = check_account(self.lab.open_cloud().sessions, account)
        return Validation(name, checks, self.lab.clock.now())

    def list_now(self) -> Sequence[str]:
        """List every account's instances now; gives what failed, a sentence each.

        Raises:
            Forbidden: they may not collect.
        """
        self.require(Right.COLLECT)
        errors = self.lab.sync_fleet()
        hidden = foreign(self.lab, self.who)
        self.lab.store.audit.add(self.by(), "fleet.list", "fleet", None, {"failed": len(errors)})
        return [hidden(str(error)) for error in errors]

    def _refuse_foreign(self, account: Account, former: Account | None) -> None:
        """Whose instances a name shows is decided by who sees every account: whoever sees some may
        not have one of them show another's."""
        if self.sees_all():
            return
        same = former is not None and account.aws_account_id == former.aws_account_id
        by_role = bool(account.role_arn) or (former is not None and not former.role_arn)
        if not same or not by_role:
            raise Forbidden(
                f"{self.who.name} may not point an account at "
                + ("another AWS account." if not same else "SpotLab's own credentials."),
                remedy="Somebody who sees every account may.",
            )

    def _refuse_alike(self, name: str) -> None:
        """Two names that read the same would be taken for each other."""
        for account in self.lab.store.fleet.accounts():
            if account.name != name and _read(account.name) == _read(name):
                raise Conflict(
                    f"There is an account {account.name!r} already.", remedy="Choose another name."
                )

    def _saved(self, account: Account, reason: str, expected: Account) -> Account:
        self.lab.store.fleet.save_account(account, self.by(reason), expected)
        if not account.active:
            self.lab.store.fleet.sync(account.name, [])
        self.lab.bus.publish(Topic.FLEET)
        return self._masked(account)

    def _as_expected(self, now: Account, expected: Account | None) -> Account:
        """The account as it is kept, if it is as somebody expects it who sees it masked."""
        if expected is not None and self._masked(now) != expected:
            raise ChangedMeanwhile(
                f"The account {now.name!r} was changed meanwhile.", remedy="Read it again."
            )
        return now

    def _masked(self, account: Account) -> Account:
        if not account.external_id:
            return account
        key = secret_key(self.lab.settings).derived("external ids")
        mark = hmac.digest(key, account.external_id.encode(), "sha256").hex()[:16]
        return replace(account, external_id=f"{MASK}{mark}")

    def _seen(self, name: str) -> Account:
        self.require(Right.READ)
        for account in self.lab.store.fleet.accounts():
            if account.name == name and self.who.sees(name):
                return account
        raise NotFound(f"There is no account {name!r}.", remedy="List the accounts there are.")


def _read(name: str) -> str:
    return " ".join(name.split()).casefold()


def _check(account: Account) -> None:
    if not _NAME.fullmatch(account.name):
        raise InvalidInput(
            f"{account.name!r} cannot be an account's name.",
            remedy="Use 1 to 100 letters, digits, spaces, dots, hyphens and underscores.",
        )
    if not _NUMBER.fullmatch(account.aws_account_id):
        raise InvalidInput(
            f"{account.aws_account_id!r} is no AWS account id.", remedy="It has 12 digits."
        )
    wrong = [region for region in account.regions if not is_region(region)]
    if wrong or not account.regions:
        raise InvalidInput(
            f"{wrong[0]!r} is no AWS region." if wrong else "No region is given.",
            remedy="Give one or more, such as us-east-1.",
        )
    role = _ROLE.fullmatch(account.role_arn)
    if account.role_arn and (role is None or role[1] != account.aws_account_id):
        raise InvalidInput(
            f"{account.role_arn!r} is no role of account {account.aws_account_id}.",
            remedy=f"It is such as arn:aws:iam::{account.aws_account_id}:role/spotlab.",
        )
    if account.external_id and not _EXTERNAL_ID.fullmatch(account.external_id):
        raise InvalidInput(
            "The external id cannot be one.",
            remedy="It has 2 to 1224 letters, digits and _+=,.@:/-.",
        )
