"""AWS accounts that a user sees.

External ids are never returned. If an account has one, the field holds MASK and a keyed hash, which
changes with the external id and does not reveal it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from spotlab.access.name_redaction import name_redactor
from spotlab.access.secret_key import secret_key
from spotlab.aws.checks import Check, check_account
from spotlab.aws.permission_checks import PermissionCheck, State, check_permissions
from spotlab.aws.permissions import Access
from spotlab.aws.policy_statements import EVENT_QUEUE
from spotlab.aws.regions import is_region, partition_of
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
from spotlab.services.base import Service

MASK: Final = "***"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9._-])?")
_NUMBER: Final = re.compile(r"[0-9]{12}")
_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/[\w+=,.@/-]{1,512}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The state of an account.

    Args:
        account: the account, with a masked external id.
        instances: number of active instances.
        listing: its last listing.
        managed: whether it is managed; None: unknown, because its AWS is not available.
    """

    account: Account
    instances: int
    listing: Listing
    managed: bool | None


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether an account can be managed.

    Args:
        account: name of the account.
        checks: the checks, in order.
        checked_at: aware UTC.
        permissions: of the role, by permission and region; empty: not tried.
    """

    account: str
    checks: Sequence[Check]
    checked_at: datetime
    permissions: Sequence[PermissionCheck] = ()

    @property
    def ok(self) -> bool:
        """Whether all checks succeeded and no permission is denied."""
        return all(check.ok for check in self.checks) and not self.count(State.DENIED)

    def count(self, state: State) -> int:
        """How many permissions have this state, each region counted."""
        return sum(each.state is state for each in self.permissions)


class AccountService(Service):
    """The accounts that the user sees."""

    __slots__ = ()

    def list(self) -> list[Account]:
        """All accounts by name, with masked external ids. Raises Forbidden."""
        self.require(Right.READ)
        return [
            self._masked(a) for a in self.lab.store.fleet.accounts() if self.principal.sees(a.name)
        ]

    def get(self, name: str) -> Account:
        """One account. Raises NotFound, Forbidden."""
        return self._masked(self._visible(name))

    def listing(self, name: str) -> Listing:
        """The last listing of one account, by region. Raises NotFound, Forbidden."""
        return self.lab.store.fleet.listings().get(self._visible(name).name, Listing(None, ""))

    def statuses(self) -> Sequence[AccountStatus]:
        """The state of each account. Raises Forbidden."""
        fleet = self.lab.store.fleet
        counts: dict[str, int] = {}
        for instance in fleet.instances():
            counts[instance.account] = counts.get(instance.account, 0) + 1
        listings, never = fleet.listings(), Listing(None, "")
        try:
            managed = {account.name for account in self.lab.cloud().accounts}
        except SpotlabError:
            managed = None
        return [
            AccountStatus(
                account,
                counts.get(account.name, 0),
                listings.get(account.name, never),
                None if managed is None else account.name in managed,
            )
            for account in self.list()
        ]

    def add(self, account: Account, reason: str = "") -> Account:
        """Add a managed account; its instances appear with the next listing of the fleet.

        Args:
            account: the account; `emulated` is set to match the AWS of this lab.
            reason: for the audit log.
        Raises:
            Forbidden: the user may not change accounts, or sees only some accounts.
            InvalidInput: names the field and what it must be.
            Conflict: an account has this name, or one that reads the same.
        """
        self.require(Right.CHANGE_ACCOUNTS, account.name)
        if account.name not in {each.name for each in self.lab.store.fleet.accounts()}:
            self._refuse_foreign(account, None)
            self._refuse_similar_name(account.name)
        emulated = self.lab.settings.aws == "emulated"
        account = replace(account, emulated=emulated, from_settings=False)
        _check(account)
        self.lab.store.fleet.add_account(account, self.by(reason))
        self.lab.bus.publish(Topic.FLEET)
        return self._masked(account)

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
        """Add an account, or change one that is not from the settings.

        Args:
            name: unique name.
            aws_account_id: 12 digits.
            regions: managed regions, at least one.
            role_arn: role to assume; "": SpotLab's own credentials.
            external_id: None (or masked): unchanged; "": none.
            active: whether the account is managed.
            reason: for the audit log.
            expected: the account when the change was prepared; None: in any state.
        Raises:
            Forbidden: the user may not change accounts, does not see this one, or sees only some
                accounts and would point it at another AWS account or SpotLab's own credentials.
            Conflict: an account of this name comes from the settings.
            ChangedMeanwhile: the account is not as expected.
            InvalidInput: names the field and what it must be.
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
            pending_external_id=former.pending_external_id if former is not None else "",
        )
        if former is None:
            return self.add(account, reason)
        _check(account)
        self._refuse_foreign(account, former)
        return self._saved(account, reason, self._as_expected(former, expected))

    def set_active(
        self, name: str, active: bool, reason: str = "", expected: Account | None = None
    ) -> Account:
        """Start or stop managing an account; if not managed, it is neither listed nor evaluated.

        Raises:
            Forbidden, NotFound, ChangedMeanwhile: nothing changed.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        now = self._visible(name)
        return self._saved(replace(now, active=active), reason, self._as_expected(now, expected))

    def validate(self, name: str, access: Access | None = None) -> Validation:
        """Assume the role, check each region and try each permission; changes nothing.

        See `check_account` and `check_permissions`.

        Args:
            name: of the account.
            access: the permissions that the role should have; None: they are not tried.
        Raises:
            NotFound, Forbidden: as in `get`, or the user may not change accounts.
            NotAvailable: AWS is not available.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        account = self._visible(name)
        sessions = self.lab.open_cloud().sessions
        checks = check_account(sessions, account)
        permissions: Sequence[PermissionCheck] = ()
        if access is not None and checks[0].ok:
            queue = self.lab.settings.event_queue
            permissions = check_permissions(sessions, account, access, queue or EVENT_QUEUE)
        return Validation(name, checks, self.lab.clock.now(), permissions)

    def stored(self, name: str) -> Account:
        """One account with its external ids, for other services. Raises NotFound, Forbidden."""
        return self._visible(name)

    def list_now(self) -> Sequence[str]:
        """List the instances of every account now.

        Returns:
            One error message per region that failed, or per account if all regions failed alike.
        Raises:
            Forbidden: the user may not collect.
        """
        self.require(Right.COLLECT)
        errors = self.lab.sync_fleet()
        hidden = name_redactor(self.lab, self.principal)
        self.lab.store.audit.add(self.by(), "fleet.list", "fleet", None, {"failed": len(errors)})
        return [hidden(str(error)) for error in errors]

    def _refuse_foreign(self, account: Account, former: Account | None) -> None:
        """Only a user who sees every account may point a name at another AWS account: otherwise
        users could see instances of accounts that they may not see."""
        if self.sees_all():
            return
        same = former is not None and account.aws_account_id == former.aws_account_id
        by_role = bool(account.role_arn) or (former is not None and not former.role_arn)
        if not same or not by_role:
            raise Forbidden(
                f"{self.principal.name} may not point an account at "
                + ("another AWS account." if not same else "SpotLab's own credentials."),
                remedy="Ask a user who sees every account.",
            )

    def _refuse_similar_name(self, name: str) -> None:
        """Raise Conflict if users could confuse the name with that of another account."""
        for account in self.lab.store.fleet.accounts():
            if account.name != name and _normalised(account.name) == _normalised(name):
                raise Conflict(
                    f"The account {account.name!r} already exists.", remedy="Choose another name."
                )

    def _saved(self, account: Account, reason: str, expected: Account) -> Account:
        self.lab.store.fleet.save_account(account, self.by(reason), expected)
        if not account.active:
            self.lab.store.fleet.sync(account.name, [])
        self.lab.bus.publish(Topic.FLEET)
        return self._masked(account)

    def _as_expected(self, now: Account, expected: Account | None) -> Account:
        """The stored account, if it matches the masked one that the user expects."""
        if expected is not None and self._masked(now) != expected:
            raise ChangedMeanwhile(
                f"The account {now.name!r} has changed meanwhile.", remedy="Load it again."
            )
        return now

    def _masked(self, account: Account) -> Account:
        return replace(
            account,
            external_id=self._mask(account.external_id),
            pending_external_id=self._mask(account.pending_external_id),
        )

    def _mask(self, external_id: str) -> str:
        if not external_id:
            return ""
        key = secret_key(self.lab.settings).derived("external ids")
        return f"{MASK}{hmac.digest(key, external_id.encode(), 'sha256').hex()[:16]}"

    def _visible(self, name: str) -> Account:
        self.require(Right.READ)
        for account in self.lab.store.fleet.accounts():
            if account.name == name and self.principal.sees(name):
                return account
        raise NotFound(f"There is no account {name!r}.", remedy="List the accounts.")


def _normalised(name: str) -> str:
    return " ".join(name.split()).casefold()


def _check(account: Account) -> None:
    if not _NAME.fullmatch(account.name):
        raise InvalidInput(
            f"{account.name!r} is not a valid account name.",
            remedy="Use 1 to 100 letters, digits, spaces, dots, hyphens and underscores.",
        )
    if not _NUMBER.fullmatch(account.aws_account_id):
        raise InvalidInput(
            f"{account.aws_account_id!r} is not an AWS account id.", remedy="It has 12 digits."
        )
    partitions = sorted({partition_of(region).name for region in account.regions})
    if len(partitions) > 1:
        raise InvalidInput(
            f"The regions are in different partitions: {' and '.join(partitions)}.",
            remedy="An AWS account is in one; add one account for each.",
            field="regions",
        )
    wrong = [region for region in account.regions if not is_region(region)]
    if wrong or not account.regions:
        raise InvalidInput(
            f"{wrong[0]!r} is not an AWS region." if wrong else "The account has no region.",
            remedy="Enter one or more, such as us-east-1.",
        )
    role = _ROLE.fullmatch(account.role_arn)
    partition = partitions[0]
    if account.role_arn and (
        role is None or (role[1], role[2]) != (partition, account.aws_account_id)
    ):
        raise InvalidInput(
            f"{account.role_arn!r} is not a role of account {account.aws_account_id}.",
            remedy=f"Example: arn:aws:iam::{account.aws_account_id}:role/spotlab."
            + ("" if partition == "aws" else f" The partition of its regions is {partition}."),
        )
    if account.external_id and not _EXTERNAL_ID.fullmatch(account.external_id):
        raise InvalidInput(
            "The external id is not valid.",
            remedy="It has 2 to 1224 letters, digits and _+=,.@:/-.",
        )
