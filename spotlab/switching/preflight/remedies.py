"""What to do about a missing right."""

from __future__ import annotations

from typing import Final

from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.switch_tags import ALLOW_TAG

OF_THE_INSTANCE: Final = frozenset(
    {
        "ec2:DescribeInstanceAttribute",
        "ec2:CreateImage",
        "ec2:TerminateInstances",
        "ec2:StopInstances",
        "ec2:StartInstances",
        "ec2:ModifyInstanceAttribute",
        "ec2:AttachVolume",
        "ec2:DetachVolume",
        "ec2:AssociateAddress",
    }
)
"""Actions that the printed policy allows on tagged instances only."""


def grant(action: str, facts: InstanceFacts) -> str:
    """A sentence: how SpotLab's role gets a right.

    Args:
        action: IAM action; "": none is missing.
        facts: of the instance.
    """
    if not action:
        return "Try again."
    if action in OF_THE_INSTANCE and facts.tags.get(ALLOW_TAG) != "true":
        return (
            f"Grant {action} to SpotLab's role; if it has the policy that SpotLab prints, tag the "
            f"instance {ALLOW_TAG}=true."
        )
    if action == "ec2:AssociateAddress":
        return (
            f"Grant {action} to SpotLab's role; if it has the policy that SpotLab prints, tag the "
            f"Elastic IP {ALLOW_TAG}=true."
        )
    return f"Grant {action} to SpotLab's role."
