"""What switches have left behind in the accounts that a user sees: reported, then deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spotlab.aws.switching import AwsSwitching
from spotlab.domain.access import Right
from spotlab.errors import NotFound, SpotlabError
from spotlab.services.base import Service
from spotlab.switching import orphans
from spotlab.switching.orphans import Orphan

_ALL = 100_000


@dataclass(frozen=True, slots=True)
class OrphanReport:
    """Resources with SpotLab's tag that no open switch needs.

    Args:
        found: them.
        deleted: ids of those that were deleted, or whose tags were removed.
        errors: what could not be read or deleted, sentences.
    """

    found: Sequence[Orphan]
    deleted: Sequence[str]
    errors: Sequence[str]


class SwitchOrphanService(Service):
    """Orphans of switches in the accounts that the user sees."""

    __slots__ = ()

    def report(self, account: str | None = None) -> OrphanReport:
        """Find orphans; nothing is changed.

        Args:
            account: its name; None: every account that the user sees.
        Raises:
            Forbidden: the user may not request switches.
            NotFound: no such account, or it is not managed.
            NotAvailable: the emulated AWS cannot be started.
        """
        self.require(Right.REQUEST_SWITCHES)
        return self._sweep(account, delete=False)

    def delete(self, account: str | None = None, reason: str = "") -> OrphanReport:
        """Delete orphans, by SpotLab's tags only; never what a finished switch has handed over.

        Args:
            account: its name; None: every account that the user sees.
            reason: for the audit log.
        Raises:
            Forbidden: the user may not approve switches.
            NotFound, NotAvailable: see `report`.
        """
        self.require(Right.APPROVE_SWITCHES)
        by = self.by(reason)
        report = self._sweep(account, delete=True)
        deleted: dict[str, list[str]] = {}
        for each in report.found:
            if each.resource.resource_id in report.deleted:
                deleted.setdefault(each.account, []).append(each.resource.resource_id)
        for name, ids in deleted.items():
            self.lab.store.audit.add(by, "switching.orphans", name, None, {"deleted": ids})
        return report

    def _sweep(self, name: str | None, *, delete: bool) -> OrphanReport:
        cloud = self.lab.cloud()
        accounts = [
            each
            for each in cloud.accounts
            if self.principal.sees(each.name) and name in (None, each.name)
        ]
        if name is not None and not accounts:
            raise NotFound(
                f"Account {name!r} does not exist.", remedy="List the accounts for their names."
            )
        switches = {each.switch_id: each for each in self.lab.store.switches.list(limit=_ALL)}
        found: list[Orphan] = []
        deleted: list[str] = []
        errors: list[str] = []
        for account in accounts:
            for region in account.regions:
                aws = AwsSwitching(cloud.sessions, account, region)
                try:
                    here = orphans.find(aws, account.name, region, switches, self.lab.clock.now())
                    results = orphans.delete(aws, here) if delete else []
                except SpotlabError as exc:
                    errors.append(f"{account.name}, {region}: {exc}")
                    continue
                found += here
                deleted += [each.resource.resource_id for each, why in results if not why]
                errors += [f"{each.resource.resource_id}: {why}" for each, why in results if why]
        return OrphanReport(found, deleted, errors)
