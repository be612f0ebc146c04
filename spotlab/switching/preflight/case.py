"""One question to the preflight: this instance, to that pool, with what is known about both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.market import Pool
from spotlab.domain.target_facts import RegionFacts, Subnet, TypeFacts, choose_subnet
from spotlab.domain.unknown import Unknown, known
from spotlab.domain.workload import AppliedWorkload, AssignmentScope


@dataclass(frozen=True, slots=True)
class SwitchCase:
    """What the preflight looks at.

    Args:
        facts: of the instance.
        target: pool to launch in.
        lifecycle: of the replacement.
        applied: the instance's workload and the rule that chose it.
        source_type, target_type: facts of both types.
        region: of the target.
        candidates: the decision's pools, best first.
        shortfall: why the target type, which a person named, is no like-for-like replacement; "":
            it is one, or a policy chose it.
    """

    facts: InstanceFacts
    target: Pool
    lifecycle: Lifecycle
    applied: AppliedWorkload
    source_type: TypeFacts | Unknown
    target_type: TypeFacts | Unknown
    region: RegionFacts
    candidates: Sequence[Pool] = ()
    shortfall: str = ""

    @property
    def same_region(self) -> bool:
        """Whether the target is in the instance's region."""
        return self.target.region == self.facts.pool.region

    @property
    def same_zone(self) -> bool:
        """Whether volumes can be attached to the replacement."""
        source = self.facts.pool
        return self.same_region and self.target.availability_zone == source.availability_zone

    @property
    def can_stop_and_start(self) -> bool:
        """Whether a change of the type in place suffices: on-demand, same zone and system."""
        source = self.facts.pool
        return (
            self.facts.lifecycle is self.lifecycle is Lifecycle.ON_DEMAND
            and self.same_zone
            and self.target.instance_type != source.instance_type
            and self.target.operating_system == source.operating_system
            and self.facts.root_device_type == "ebs"
        )

    @property
    def stateless(self) -> bool:
        """Whether the workload says that nothing on the instance is needed.

        It does if it was assigned by a rule, loses no work, has no fixed cost of an interruption
        and uses no local storage.
        """
        workload = self.applied.workload
        return (
            self.applied.scope is not AssignmentScope.DEFAULT
            and workload.work_lost_h == 0.0
            and workload.fixed_usd == 0.0
            and not workload.hardware.uses_local_storage
        )

    @property
    def restarts_from_checkpoint(self) -> bool:
        """Whether the workload says that it writes checkpoints."""
        return (
            self.applied.scope is not AssignmentScope.DEFAULT
            and self.applied.workload.checkpoint_interval_h is not None
        )

    @property
    def template(self) -> LaunchTemplate | None:
        """The launch template to launch from: the instance's, or its namesake in the region."""
        if self.same_region:
            return known(self.facts.launch_template)
        return next(iter(known(self.region.templates) or ()), None)

    @property
    def subnet(self) -> Subnet | None:
        """The subnet to launch into; None: none fits."""
        return choose_subnet(self.facts, self.target, known(self.region.subnets) or ())
