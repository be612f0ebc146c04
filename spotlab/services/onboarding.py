"""Onboarding of AWS accounts: their role, the rotation of external ids, and their removal.

An external id that SpotLab generates is returned once, to the user who asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spotlab.aws.onboarding import RoleTemplate, new_external_id, principal_of, role_arn
from spotlab.aws.permissions import Access
from spotlab.aws.policy_statements import EVENT_QUEUE
from spotlab.aws.regions import partition_of, sts_region
from spotlab.domain.access import Right
from spotlab.domain.ports import Account, Topic
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import AccountGuards
from spotlab.errors import Conflict, InvalidInput, SpotlabError
from spotlab.services.accounts import AccountService
from spotlab.services.base import Service


@dataclass(frozen=True, slots=True)
class NewExternalId:
    """An external id that was generated, to be shown once.

    Args:
        account: the account, with masked external ids.
        external_id: the new external id.
    """

    account: Account
    external_id: str

    def __repr__(self) -> str:
        """Without the external id, which must not reach a log."""
        return f"NewExternalId(account={self.account.name!r})"


class OnboardingService(Service):
    """Onboarding of the accounts that the user sees."""

    __slots__ = ()

    def start(
        self, name: str, aws_account_id: str, regions: Sequence[str], reason: str = ""
    ) -> NewExternalId:
        """Add an account with a new external id; it is not managed until `finish`.

        Args:
            name: unique name.
            aws_account_id: 12 digits.
            regions: to be managed, of one partition.
            reason: for the audit log.
        Raises:
            Forbidden, InvalidInput, Conflict: as `AccountService.add`.
        """
        self.require(Right.CHANGE_ACCOUNTS, name)
        partition = partition_of(regions[0] if regions else "")
        external_id = new_external_id()
        account = Account(
            name=name,
            aws_account_id=aws_account_id.strip(),
            role_arn=role_arn(partition, aws_account_id.strip()),
            external_id=external_id,
            regions=tuple(dict.fromkeys(regions)),
            active=False,
        )
        return NewExternalId(self._accounts.add(account, reason), external_id)

    def finish(self, name: str, role_arn: str, reason: str = "") -> Account:
        """Set the role that the template created, and manage the account.

        Raises:
            Forbidden, NotFound, InvalidInput, Conflict: as `AccountService.save`.
        """
        account = self._accounts.get(name)
        return self._accounts.save(
            name,
            account.aws_account_id,
            account.regions,
            role_arn=role_arn or account.role_arn,
            active=True,
            reason=reason,
            expected=account,
        )

    def template(self, name: str, access: Access, principal: str = "") -> RoleTemplate:
        """The role of an account, as policies and templates; without the external id.

        Args:
            name: of the account.
            access: read-only, or with switching.
            principal: ARN of the identity that SpotLab runs as; "": asks AWS.
        Raises:
            Forbidden, NotFound: as `AccountService.get`, or the user may not change accounts.
            InvalidInput: the principal cannot assume a role of this account.
            AwsError, NotAvailable: AWS cannot be asked; give the principal.
        """
        self.require(Right.CHANGE_ACCOUNTS)
        account = self._accounts.get(name)
        partition = partition_of(account.regions[0] if account.regions else "")
        return RoleTemplate(
            access,
            partition,
            account.aws_account_id,
            principal or self._own_principal(account),
            self.lab.settings.event_queue or EVENT_QUEUE,
        )

    def rotate(self, name: str, reason: str = "") -> NewExternalId:
        """Generate the next external id of an account; a former next one is replaced.

        The current one stays in use. When AWS refuses it, because the trust policy has been
        changed, SpotLab uses the next one, so that listing goes on. `confirm_rotation` ends this.

        Raises:
            Forbidden, NotFound: as `AccountService.get`, or the user may not change accounts.
            Conflict: the account comes from the settings, or has no role.
        """
        account = self._rotatable(name)
        external_id = new_external_id()
        rotated = self._save(
            account, replace(account, pending_external_id=external_id), "rotation started", reason
        )
        return NewExternalId(rotated, external_id)

    def confirm_rotation(self, name: str, reason: str = "") -> Account:
        """Assume the role with the next external id; if AWS accepts it, it replaces the current.

        Raises:
            Forbidden, NotFound, Conflict: as `rotate`.
            Conflict: no rotation has been started.
            AccessDenied, AwsError: AWS does not accept it; the current one stays in use.
        """
        account = self._rotating(name)
        confirmed = replace(
            account, external_id=account.pending_external_id, pending_external_id=""
        )
        self.lab.open_cloud().sessions.assume(confirmed)
        return self._save(account, confirmed, "rotation confirmed", reason)

    def cancel_rotation(self, name: str, reason: str = "") -> Account:
        """Forget the next external id; the current one stays in use.

        Raises:
            Forbidden, NotFound, Conflict: as `confirm_rotation`.
        """
        account = self._rotating(name)
        return self._save(
            account, replace(account, pending_external_id=""), "rotation cancelled", reason
        )

    def remove(self, name: str, reason: str = "") -> Account:
        """Forget an account and its external ids; decisions and switches stay recorded.

        Its switching guards are reset, so that an account that is added under the same name later
        does not switch. The role in AWS is not deleted.

        Returns:
            The account as it was, with masked external ids.
        Raises:
            Forbidden, NotFound: as `AccountService.get`, or the user may not change accounts.
            Conflict: the settings define the account, or a switch in it is not finished.
        """
        account = self._accounts.get(name)
        self.require(Right.CHANGE_ACCOUNTS, name)
        if account.from_settings and self._may_be_in_settings(name):
            raise Conflict(
                f"The account {name!r} comes from the settings.",
                remedy="Remove it there, or stop managing it.",
            )
        by, guards = self.by(reason), self.lab.store.switch_guards
        unfinished = SwitchFilter(accounts=(name,), open=True)
        if (
            not self.lab.store.switches.count(unfinished)
            and guards.account(name) != AccountGuards()
        ):
            guards.save(name, AccountGuards(), by)
        self.lab.store.fleet.remove_account(name, by)
        self.lab.bus.publish(Topic.FLEET)
        self.lab.bus.publish(Topic.SWITCHES)
        return account

    def _may_be_in_settings(self, name: str) -> bool:
        """Whether the settings define an account; True also if they cannot be read."""
        try:
            return name in {each.name for each in self.lab.open_cloud().accounts}
        except SpotlabError:
            return True

    @property
    def _accounts(self) -> AccountService:
        return AccountService(self.lab, self.principal)

    def _rotatable(self, name: str) -> Account:
        self.require(Right.CHANGE_ACCOUNTS)
        account = self._accounts.stored(name)
        if account.from_settings:
            raise Conflict(
                f"The account {name!r} comes from the settings.",
                remedy="Change its external id there.",
            )
        if not account.role_arn:
            raise Conflict(
                f"The account {name!r} has no role: SpotLab uses its own credentials.",
                remedy="An external id is sent only when a role is assumed.",
            )
        return account

    def _rotating(self, name: str) -> Account:
        account = self._rotatable(name)
        if not account.pending_external_id:
            raise Conflict(
                f"No rotation of the external id of {name!r} has been started.",
                remedy="Rotate it first.",
            )
        return account

    def _save(self, former: Account, account: Account, step: str, reason: str) -> Account:
        by = self.by(reason)
        self.lab.store.fleet.save_account(account, by, former)
        self.lab.store.audit.add(by, "account.rotate", account.name, None, {"step": step})
        self.lab.bus.publish(Topic.FLEET)
        return self._accounts.get(account.name)

    def _own_principal(self, account: Account) -> str:
        sessions = self.lab.open_cloud().sessions
        return principal_of(sessions.own_identity(sts_region(account.regions)))


def access_of(text: str) -> Access:
    """The access with this name. Raises InvalidInput."""
    try:
        return Access(text)
    except ValueError:
        raise InvalidInput(
            f"{text!r} is not an access.",
            remedy=f"Use {' or '.join(each.value for each in Access)}.",
            field="access",
        ) from None
