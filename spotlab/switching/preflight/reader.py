"""The preflight of a switch from what AWS says now: its facts are read, then checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.target_region import TargetRegion
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.like_for_like import shortfall
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.switches import Target
from spotlab.domain.target_facts import RegionFacts, TypeFacts
from spotlab.domain.unknown import Unknown
from spotlab.domain.workload import AppliedWorkload
from spotlab.errors import NotFound
from spotlab.runtime.lab import Lab
from spotlab.switching.preflight.check import check


class PreflightReader:
    """Reads what a switch must keep from AWS and checks it; nothing is changed.

    Args:
        discovery: reads instances and types.
        regions: reads the target's region.
    """

    def __init__(self, discovery: Ec2Discovery, regions: TargetRegion) -> None:
        self._discovery = discovery
        self._regions = regions
        self._last = _Read()

    def facts(self, account: Account, region: str, instance_id: str) -> InstanceFacts:
        """As `Ec2Discovery.facts`."""
        return self._discovery.facts(account, region, instance_id)

    def preflight(
        self,
        account: Account,
        facts: InstanceFacts,
        target: Pool,
        lifecycle: Lifecycle,
        applied: AppliedWorkload,
        *,
        candidates: Sequence[Pool] = (),
        confirmed: Collection[str] = (),
        strategy: Strategy | None = None,
        shortfall: str = "",
    ) -> Preflight:
        """The plan of a switch, checked against AWS as it is now.

        What is the same for several targets is read once for one reading of the instance.

        Args:
            account: of the instance.
            facts: of the instance, read just before.
            target: pool to launch in.
            lifecycle: how the replacement is paid for.
            applied: the instance's workload, with the rule that chose it.
            candidates: the decision's pools, best first.
            confirmed: codes of questions that a person confirmed.
            strategy: what a person asked for; None: the preflight chooses.
            shortfall: see `SwitchCase`.
        """
        read = self._reading_of(account, facts)
        source = facts.pool
        types = self._types(read, account, target.region, [target, *candidates])
        own = self._types(read, account, source.region, [source])
        key = (target.region, lifecycle)
        if key not in read.regions:
            read.regions[key] = self._regions.shared(account, facts, *key)
        region = self._regions.with_launch(account, facts, target, lifecycle, read.regions[key])
        return check(
            facts,
            target,
            lifecycle,
            applied,
            own[source.instance_type],
            types[target.instance_type],
            region,
            candidates=candidates,
            confirmed=confirmed,
            strategy=strategy,
            shortfall=shortfall,
        )

    def _reading_of(self, account: Account, facts: InstanceFacts) -> _Read:
        """What was read for these facts; that of other facts is dropped."""
        key = (account.name, facts.instance_id, facts.read_at)
        last = self._last
        if last.key != key:
            last = self._last = _Read(key)
        return last

    def _types(
        self, read: _Read, account: Account, region: str, pools: Sequence[Pool]
    ) -> dict[str, TypeFacts | Unknown]:
        """The types of the pools in a region, of which only new ones are read."""
        names = {pool.instance_type for pool in pools if pool.region == region}
        known_types = read.types.setdefault(region, {})
        if missing := names - known_types.keys():
            known_types |= self._discovery.types(account, region, missing)
        return known_types


@dataclass(slots=True)
class _Read:
    """What was read for one reading of an instance: by region, and by region and lifecycle."""

    key: tuple[str, str, datetime] | None = None
    types: dict[str, dict[str, TypeFacts | Unknown]] = field(default_factory=dict)
    regions: dict[tuple[str, Lifecycle], RegionFacts] = field(default_factory=dict)


def account_of(lab: Lab, name: str) -> Account:
    """A managed account. Raises NotFound: it is not managed."""
    for account in lab.cloud().accounts:
        if account.name == name:
            return account
    raise NotFound(f"The account {name!r} is not managed.", remedy="Activate it first.")


def reader_of(lab: Lab) -> PreflightReader:
    """The reader for a lab. Raises NotAvailable: its AWS cannot be started."""
    sessions = lab.cloud().sessions
    return PreflightReader(Ec2Discovery(sessions, lab.clock), TargetRegion(sessions))


def preflight_of(
    lab: Lab,
    instance: Instance,
    targets: Sequence[Target],
    *,
    by_hand: bool = False,
    confirmed: Collection[str] = (),
    strategy: Strategy | None = None,
) -> Preflight:
    """The preflight of a switch to the first of these targets; nothing is changed.

    Args:
        lab: its AWS and workloads.
        instance: to be replaced.
        targets: the requested one first.
        by_hand: a person named the target, so that its hardware may be worse.
        confirmed: codes of questions that are answered with yes.
        strategy: None: the preflight chooses.
    Raises:
        NotFound: the account is not managed.
        AwsError: the instance cannot be read.
    """
    account, reader = account_of(lab, instance.account), reader_of(lab)
    facts = reader.facts(account, instance.pool.region, instance.instance_id)
    return reader.preflight(
        account,
        facts,
        targets[0].pool,
        targets[0].lifecycle,
        lab.workload_of(instance),
        candidates=[each.pool for each in targets],
        confirmed=confirmed,
        strategy=strategy,
        shortfall=hardware_shortfall(lab, instance, targets[0].pool) if by_hand else "",
    )


def hardware_shortfall(lab: Lab, instance: Instance, target: Pool) -> str:
    """In which fact a type is worse than the instance's, by its workload's rule; "": in none."""
    hardware = lab.scored(lab.deciding_model(instance)[0]).hardware
    own, other = hardware.get(instance.pool.instance_type), hardware.get(target.instance_type)
    if own is None or other is None:
        return ""
    return str(shortfall(own, other, lab.workload_of(instance).workload.hardware) or "")
