"""Workloads: their versions, and which instances they are assigned to."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from spotlab.aws.regions import LOCATIONS
from spotlab.domain.access import Right
from spotlab.domain.decision import Instance, PipelineMode
from spotlab.domain.places import check_regions, check_zones
from spotlab.domain.ports import Topic
from spotlab.domain.workload import (
    AppliedWorkload,
    Assignment,
    AssignmentScope,
    Workload,
    WorkloadVersion,
    applied_workload,
)
from spotlab.errors import InvalidInput, NoMarketData, NotFound
from spotlab.services.base import Service
from spotlab.services.workload_consequence import Consequence, consequence_of
from spotlab.telemetry.invisible_characters import hides_something, visible

MAX_KEY: Final = 400
"""Longest key of a rule: EC2 allows 128 characters in a tag's name and 256 in its value."""


class WorkloadService(Service):
    """Workloads and their assignments, as far as the user may see and change them."""

    __slots__ = ()

    def versions(self, name: str | None = None) -> Sequence[WorkloadVersion]:
        """Every version (of one name), by name, then newest first.

        Raises:
            NotFound: no workload of that name.
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        found = self.lab.store.workloads.versions(name)
        if name is not None and not found:
            raise _unknown(name, self.lab.store.workloads.newest())
        return found

    def get(self, reference: str) -> Workload:
        """A workload by "name" (its newest version) or "name@version".

        Raises:
            NotFound: no such workload or version.
            Forbidden: they may not read.
        """
        name, _, version = reference.partition("@")
        found = self.versions(name)
        for each in found:
            if version in ("", str(each.workload.version)):
                return each.workload
        raise _no_version(name, version, found)

    def version(self, name: str, version: int | None = None) -> WorkloadVersion:
        """A version of a workload with its author; None: the newest one.

        Raises:
            NotFound: no such workload or version.
            Forbidden: they may not read.
        """
        found = self.versions(name)
        for each in found:
            if version in (None, each.workload.version):
                return each
        raise _no_version(name, str(version), found)

    def save(
        self, workload: Workload, reason: str = "", expected_version: int | None = None
    ) -> Workload:
        """Store a new workload, or the next version of one.

        Args:
            workload: its version is ignored.
            reason: why.
            expected_version: the newest version when the change was prepared, 0 for a new name;
                None: any.
        Returns:
            The workload with its version.
        Raises:
            InvalidInput: the description has invisible characters, or a region or zone is unknown.
            ChangedMeanwhile: the newest version is another.
            Forbidden: they may not change instances of every account.
        """
        self.principal.require_everywhere(Right.CHANGE_INSTANCES)
        self.check(workload)
        saved = self.lab.store.workloads.save(workload, self.by(reason), expected_version)
        self.lab.bus.publish(Topic.FLEET)
        return saved

    def check(self, workload: Workload) -> None:
        """Check what a workload names.

        Raises:
            InvalidInput: a text has invisible characters, or a region or zone is unknown.
        """
        for field in ("description", "group_tag"):
            text = getattr(workload, field)
            if hides_something(text):
                raise InvalidInput(
                    f"The {field} has invisible characters: {visible(text[:40])!r}.",
                    remedy="Leave out what is shown as an escape.",
                    field=field,
                )
        if workload.regions or workload.zones:
            known = self.known_regions(workload.regions)
            check_regions(workload.regions, known)
            check_zones(workload.zones, workload.regions or known)

    def known_regions(self, wanted: Sequence[str] = ()) -> set[str]:
        """The regions of AWS's price lists, of the accounts that the user sees and of the market.

        Args:
            wanted: the market is read only if one of these is not known without it.
        Raises:
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        fleet, sees = self.lab.store.fleet, self.principal.sees
        instances = fleet.instances(active_only=False)
        known = {*LOCATIONS, *(each.pool.region for each in instances if sees(each.account))}
        known |= {r for account in fleet.accounts() if sees(account.name) for r in account.regions}
        if not known.issuperset(wanted):
            with contextlib.suppress(NoMarketData):
                known |= set(self.lab.market().prices["region"].unique())
        return known

    def assignments(self) -> Sequence[Assignment]:
        """The rules that the user sees: tags, and their own accounts and instances.

        Raises:
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        found = self.lab.store.workloads.assignments()
        if self.sees_all():
            return found
        instances = self.lab.store.fleet.instances(active_only=False)
        visible = {each.instance_id for each in instances if self.principal.sees(each.account)}
        return [
            rule
            for rule in found
            if rule.scope is AssignmentScope.TAG
            or (rule.scope is AssignmentScope.INSTANCE and rule.key in visible)
            or (rule.scope is AssignmentScope.ACCOUNT and self.principal.sees(rule.key))
        ]

    def assign(
        self, scope: AssignmentScope, key: str, workload: str | None, reason: str = ""
    ) -> None:
        """Assign a workload to an instance, a tag or an account.

        Args:
            scope: instance, tag or account.
            key: the instance id, "tag=value", or the account's name.
            workload: its name; None removes the rule.
            reason: why.
        Raises:
            NotFound: no such instance, account, workload or rule.
            InvalidInput: the key of a tag has no "=", or the key has invisible characters.
            Forbidden: they may not change these instances; a tag rule needs every account.
        """
        if len(key) > MAX_KEY or hides_something(key):
            raise InvalidInput(
                f"{visible(key[:40])!r} is not a key of a rule.",
                remedy=f"Use up to {MAX_KEY} visible characters.",
                field="key",
            )
        if scope is AssignmentScope.INSTANCE:
            instance = self.lab.store.fleet.instance(key)
            if not self.principal.sees(instance.account):
                raise NotFound(
                    f"Instance {key!r} is not in the fleet.",
                    remedy="Check its id, or collect its account first.",
                )
            self.require(Right.CHANGE_INSTANCES, instance.account)
        elif scope is AssignmentScope.ACCOUNT:
            self.require(Right.CHANGE_INSTANCES, key)
            if key not in {account.name for account in self.lab.store.fleet.accounts()}:
                raise NotFound(
                    f"There is no account {key!r}.", remedy="`spotlab accounts list` names them."
                )
        elif scope is AssignmentScope.TAG:
            self.principal.require_everywhere(Right.CHANGE_INSTANCES)
            name, equals, _ = key.partition("=")
            if not (name and equals):
                raise InvalidInput(
                    f"{key!r} is not a tag rule.", remedy="Use NAME=VALUE, such as role=train."
                )
        else:
            raise InvalidInput(
                "The default workload is not assigned.",
                remedy="Save a new version of the workload `default` instead.",
            )
        self.lab.store.workloads.assign(scope, key, workload, self.by(reason))
        self.lab.bus.publish(Topic.FLEET)

    def applied(self, instances: Sequence[Instance]) -> dict[str, AppliedWorkload]:
        """The workload of each instance and the rule that chose it, by instance id.

        Raises:
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        rules = self.lab.store.workloads.assignments()
        workloads = self.lab.store.workloads.newest()
        return {each.instance_id: applied_workload(each, rules, workloads) for each in instances}

    def consequence(
        self, workload: Workload, instance_ids: Sequence[str] | None = None
    ) -> Consequence:
        """What a workload would change, on the market of now; nothing is saved.

        Args:
            workload: such as an edited one.
            instance_ids: decide about these; None: about the instances that the user sees and
                whose workload has this name, or about all of them if there are none.
        Raises:
            NoMarketData: no market has been collected yet.
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        fleet = [
            each
            for each in self.lab.store.fleet.instances()
            if self.principal.sees(each.account)
            and each.mode is not PipelineMode.OFF
            and (instance_ids is None or each.instance_id in instance_ids)
        ]
        applied = self.applied(fleet)
        return consequence_of(
            self.lab, workload, [(each, applied[each.instance_id]) for each in fleet]
        )


def _no_version(name: str, version: str, found: Sequence[WorkloadVersion]) -> NotFound:
    return NotFound(
        f"Workload {name!r} has no version {version!r}.",
        remedy=f"Its newest version is {found[0].workload.version}.",
    )


def _unknown(name: str, workloads: dict[str, Workload]) -> NotFound:
    return NotFound(
        f"There is no workload {name!r}.", remedy=f"Available: {', '.join(sorted(workloads))}."
    )
