"""The target groups that an instance is registered in, from Elastic Load Balancing.

Source: Elastic Load Balancing API Reference (v2), DescribeTargetGroups, DescribeTargetHealth and
DescribeTargetGroupAttributes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from spotlab.aws.reading import Reading
from spotlab.domain.attachments import Target
from spotlab.domain.unknown import Unknown
from spotlab.errors import AwsError, NoSuchThing

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import TargetGroupTypeDef

_DELAY: Final = "deregistration_delay.timeout_seconds"
_GONE: Final = ("TargetGroupNotFound", "TargetGroupNotFoundException")


def registrations(
    elbv2: ElasticLoadBalancingv2Client,
    reading: Reading,
    instance_id: str,
    addresses: Collection[str],
    vpc_id: str,
) -> tuple[Target, ...] | Unknown:
    """Every registration of an instance, by its id or one of its private addresses.

    Args:
        elbv2: client.
        reading: for unknown facts.
        instance_id: of the instance.
        addresses: its private IPv4 and IPv6 addresses.
        vpc_id: its VPC; groups of other VPCs can hold neither.
    Returns:
        By group and port; unknown if one group could not be read: its registration would be lost.
    """
    groups = reading.read(
        "elasticloadbalancing:DescribeTargetGroups",
        "Listing the target groups",
        lambda: [
            group
            for page in elbv2.get_paginator("describe_target_groups").paginate()
            for group in page["TargetGroups"]
        ],
    )
    if isinstance(groups, Unknown):
        return groups
    wanted = {"instance": {instance_id}, "ip": set(addresses)}
    found: list[Target] = []
    for group in groups:
        targets = wanted.get(group.get("TargetType", "instance"))
        if targets is None or (vpc_id and group.get("VpcId", vpc_id) != vpc_id):
            continue
        health = reading.read(
            "elasticloadbalancing:DescribeTargetHealth",
            f"Reading the targets of {group['TargetGroupName']}",
            lambda group=group, targets=targets: list(_targets(elbv2, reading, group, targets)),  # type: ignore[misc]
        )
        if isinstance(health, Unknown):
            return health
        found += health
    return tuple(sorted(found, key=lambda target: (target.group_name, target.port or 0)))


def _targets(
    elbv2: ElasticLoadBalancingv2Client,
    reading: Reading,
    group: TargetGroupTypeDef,
    wanted: Collection[str],
) -> Iterator[Target]:
    arn, name = group["TargetGroupArn"], group["TargetGroupName"]
    try:
        answer = reading.require(
            f"Reading the targets of {name}",
            lambda: elbv2.describe_target_health(TargetGroupArn=arn),
        )
    except AwsError as exc:
        if isinstance(exc, NoSuchThing) or exc.code in _GONE:
            return  # deleted since it was listed
        raise
    matching = [
        each for each in answer["TargetHealthDescriptions"] if each["Target"]["Id"] in wanted
    ]
    if not matching:
        return
    delay = reading.read(
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        f"Reading the deregistration delay of {name}",
        lambda: _delay_s(elbv2, arn),
    )
    for each in matching:
        yield Target(
            group_arn=arn,
            group_name=name,
            target_type=group.get("TargetType", "instance"),
            target_id=each["Target"]["Id"],
            port=each["Target"].get("Port"),
            health=each.get("TargetHealth", {}).get("State", "unknown"),
            deregistration_delay_s=delay,
        )


def _delay_s(elbv2: ElasticLoadBalancingv2Client, arn: str) -> int:
    attributes = elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    return int({each["Key"]: each["Value"] for each in attributes}[_DELAY])
