"""Refusal of instances that a group owns: the group would replace what a switch does.

Source: user guides of Amazon EC2 Auto Scaling, EC2 Fleet, Spot Fleet, Amazon EKS, Karpenter and
Amazon EMR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from spotlab.domain.instance_facts import Owner, OwnerKind
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Finding
from spotlab.domain.unknown import known
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.group_overrides import snippets_for, zones

_PRECEDENCE: Final = (
    OwnerKind.KARPENTER,
    OwnerKind.EKS,
    OwnerKind.EMR,
    OwnerKind.AUTO_SCALING_GROUP,
    OwnerKind.KUBERNETES,
    OwnerKind.SPOT_FLEET,
    OwnerKind.EC2_FLEET,
)
"""Which of several owners to change: a node group has an Auto Scaling group, which makes an EC2
Fleet."""
CODES: Final[Mapping[OwnerKind, str]] = {
    OwnerKind.KARPENTER: "karpenter-node",
    OwnerKind.EKS: "eks-node",
    OwnerKind.EMR: "emr-node",
    OwnerKind.AUTO_SCALING_GROUP: "auto-scaling-group",
    OwnerKind.KUBERNETES: "kubernetes-node",
    OwnerKind.SPOT_FLEET: "spot-fleet",
    OwnerKind.EC2_FLEET: "ec2-fleet",
}
_REMEDIES: Final[Mapping[OwnerKind, str]] = {
    OwnerKind.KARPENTER: "Let the NodePool use these types, and delete the NodeClaim: Karpenter "
    "drains the node and launches another.",
    OwnerKind.EKS: "Create a node group with these types, then drain this one: the types of a "
    "managed node group cannot be changed.",
    OwnerKind.EMR: "Change the instance fleet or the task instance group of the cluster; EMR alone "
    "may replace its nodes.",
    OwnerKind.AUTO_SCALING_GROUP: "Give the group a mixed instances policy with these types and "
    "start an instance refresh.",
    OwnerKind.KUBERNETES: "Let the group of the node use these types, then cordon and drain the "
    "node.",
    OwnerKind.SPOT_FLEET: "Make a new Spot Fleet request with these types, then cancel this one.",
    OwnerKind.EC2_FLEET: "Change the overrides of the fleet if it is of type maintain; one of type "
    "instant cannot be changed, so launch another with these pools.",
}


def group_findings(case: SwitchCase) -> Iterator[Finding]:
    """A refusal for an instance with owners, with what to change in the group instead."""
    owners = sorted(case.facts.owners, key=lambda owner: _PRECEDENCE.index(owner.kind))
    if not owners:
        return
    first, *others = owners
    also = f" (and by {_names(others)})" if others else ""
    template = known(case.facts.launch_template)
    yield Finding(
        code=CODES[first.kind],
        text=f"The instance is owned by {_names([first])}{also}, which would replace it or count "
        "the replacement as missing.",
        remedy=_REMEDIES[first.kind] + _zones(case, first.kind),
        snippets=snippets_for(
            first,
            _in_region(case),
            template.template_id if template else None,
        ),
    )


def _in_region(case: SwitchCase) -> list[Pool]:
    """The decision's pools that a group, which belongs to a region, can use."""
    region = case.facts.pool.region
    return [pool for pool in case.candidates or [case.target] if pool.region == region]


def _zones(case: SwitchCase, kind: OwnerKind) -> str:
    """For a group whose zones are those of its subnets: which it needs."""
    needed = zones(_in_region(case))
    if not needed or kind not in (OwnerKind.AUTO_SCALING_GROUP, OwnerKind.EKS):
        return ""
    return f" Its subnets should cover {', '.join(needed)}."


def _names(owners: list[Owner]) -> str:
    return ", ".join(f"{owner.kind.value} {owner.name}".strip() for owner in owners)
