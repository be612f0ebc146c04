"""Facts that could not be read and matter: a switch is refused until they are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_plan import Finding, Strategy
from spotlab.domain.unknown import Unknown
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.remedies import grant

_DESCRIPTIONS: Final = {
    "volumes.encrypted": "whether a volume is encrypted",
    "volumes.kms_key": "the key of a volume",
    "volumes.kms_key_aws_managed": "whether AWS manages the key of a volume",
    "volumes.attached_to": "what else a volume is attached to",
    "volumes.multi_attach": "whether a volume is attached to several instances",
    "elastic_addresses.allocation_id": "the allocation of an Elastic IP",
    "elastic_addresses.association_id": "the association of an Elastic IP",
    "targets": "the target groups that it is registered in",
    "instance_store_gb": "the size of the instance store",
    "user_data": "whether it has user data",
    "metadata_options": "the options of the metadata service",
    "termination_protection": "termination protection",
    "stop_protection": "stop protection",
    "placement.group_strategy": "the strategy of its placement group",
    "spot_request.persistent": "whether its spot request is persistent",
    "launch_template": "its launch template",
    "shutdown_behavior": "what a shutdown from within does",
    "credit_specification": "its CPU credit specification",
}
"""What a person reads for each fact that matters to some strategy; others never block: the size of
a volume, for example, comes with its snapshot."""
_IN_PLACE: Final = frozenset({"stop_protection", "instance_store_gb"})
_IMAGE_ONLY: Final = frozenset({"user_data"})
_NOTES: Final = frozenset({"launch_template", "shutdown_behavior", "credit_specification"})
"""Facts whose loss is an inconvenience: they are named, and do not block."""


def unknown_findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """One finding for each reason why facts that matter are not known."""
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for path, why in case.facts.unknown().items():
        name = _without_index(path)
        if name not in _DESCRIPTIONS or not _matters(name, strategy):
            continue
        blocks = name not in _NOTES or (
            name == "launch_template" and strategy is Strategy.FROM_TEMPLATE
        )
        described = groups.setdefault((blocks, why.reason, why.permission), [])
        if _DESCRIPTIONS[name] not in described:
            described.append(_DESCRIPTIONS[name])
    for (blocks, reason, permission), described in groups.items():
        yield Finding(
            "unknown-facts",
            f"Not known: {'; '.join(described)}. {reason}",
            grant(permission, case.facts),
            blocks=blocks,
        )
    yield from _region(case)


def _region(case: SwitchCase) -> Iterator[Finding]:
    region = case.region
    described: list[tuple[str, object]] = [("the subnets of the VPC", region.subnets)]
    if not case.same_region:
        described = [(f"the launch templates of {region.region}", region.templates)]
    if case.lifecycle is Lifecycle.SPOT:
        described.append(("the service-linked role of EC2 Spot", region.spot_role))
    for what, fact in described:
        if isinstance(fact, Unknown):
            yield Finding(
                "unknown-facts",
                f"Not known: {what}. {fact.reason}",
                grant(fact.permission, case.facts),
            )


def _matters(name: str, strategy: Strategy) -> bool:
    if strategy.in_place:
        return name in _IN_PLACE
    return strategy.makes_image or name not in _IMAGE_ONLY


def _without_index(path: str) -> str:
    """A path without ids: "volumes[vol-1].encrypted" is "volumes.encrypted"."""
    head, bracket, rest = path.partition("[")
    return head + rest.partition("]")[2] if bracket else head
