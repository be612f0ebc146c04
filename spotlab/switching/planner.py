"""The preflight of a switch from what AWS says now."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.target_region import TargetRegion
from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.workload import AppliedWorkload
from spotlab.switching.preflight import check


class Planner:
    """Reads what a switch must keep and plans it; nothing is changed.

    Args:
        discovery: reads instances and types.
        regions: reads the target's region.
    """

    def __init__(self, discovery: Ec2Discovery, regions: TargetRegion) -> None:
        self._discovery = discovery
        self._regions = regions

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
    ) -> Preflight:
        """The plan of a switch, checked against AWS as it is now.

        Args:
            account: of the instance.
            facts: of the instance, read just before.
            target: pool to launch in.
            lifecycle: how the replacement is paid for.
            applied: the instance's workload, with the rule that chose it.
            candidates: the decision's pools, best first.
            confirmed: codes of questions that a person confirmed.
            strategy: what a person asked for; None: the preflight chooses.
        """
        source, wanted = facts.pool, target.instance_type
        if target.region == source.region:
            types = self._discovery.types(account, source.region, [source.instance_type, wanted])
            source_type, target_type = types[source.instance_type], types[wanted]
        else:
            own = [source.instance_type]
            source_type = self._discovery.types(account, source.region, own)[own[0]]
            target_type = self._discovery.types(account, target.region, [wanted])[wanted]
        return check(
            facts,
            target,
            lifecycle,
            applied,
            source_type,
            target_type,
            self._regions.read(account, facts, target, lifecycle),
            candidates=candidates,
            confirmed=confirmed,
            strategy=strategy,
        )
