"""The IAM permissions that SpotLab needs, each with its purpose and the calls that need it.

The policy, its explanation and the validation of an account are made from this table, and a test
compares it with the calls in `spotlab/aws/`.

Source: Service Authorization Reference.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from spotlab.aws import policy_statements as on
from spotlab.aws.policy_statements import EVENT_QUEUE, STATEMENTS, Statement
from spotlab.aws.regions import Partition


class Feature(StrEnum):
    """What a permission is for."""

    READ = "read"
    HISTORY = "interruption history"
    EVENTS = "events"
    DISCOVERY = "discovery"
    SWITCHING = "switching"


class Access(StrEnum):
    """How much SpotLab may do in an account."""

    READ_ONLY = "read-only"
    SWITCHING = "switching"

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features that it includes."""
        if self is Access.SWITCHING:
            return tuple(Feature)
        return (Feature.READ, Feature.HISTORY, Feature.EVENTS)


@dataclass(frozen=True, slots=True)
class Permission:
    """An IAM action that SpotLab needs.

    Args:
        action: such as "ec2:DescribeInstances".
        feature: what it is for.
        purpose: what SpotLab does with it, in a few words.
        calls: calls that need it, such as "ec2.describe_instances".
        statements: in which it is allowed: any of them is sufficient for a resource.
        implied: AWS checks it in the calls beside their own action.
    """

    action: str
    feature: Feature
    purpose: str
    calls: tuple[str, ...]
    statements: tuple[Statement, ...] = (on.READ,)
    implied: bool = False


def _permission(
    feature: Feature, action: str, call: str, purpose: str, *statements: Statement
) -> Permission:
    return Permission(action, feature, purpose, (call,), statements or (on.READ,))


def _implied(action: str, purpose: str, *statements: Statement) -> Permission:
    return Permission(
        action, Feature.SWITCHING, purpose, ("ec2.run_instances",), statements, implied=True
    )


_READ, _HISTORY, _EVENTS = Feature.READ, Feature.HISTORY, Feature.EVENTS
_DISCOVERY, _SWITCHING = Feature.DISCOVERY, Feature.SWITCHING

PERMISSIONS: Final[tuple[Permission, ...]] = (
    _permission(_READ, "ec2:DescribeInstances", "ec2.describe_instances", "lists instances"),
    _permission(
        _READ, "ec2:DescribeRegions", "ec2.describe_regions", "tells which regions are enabled"
    ),
    _permission(
        _READ,
        "ec2:DescribeAvailabilityZones",
        "ec2.describe_availability_zones",
        "reads the names of zones",
    ),
    _permission(
        _READ,
        "ec2:DescribeInstanceTypes",
        "ec2.describe_instance_types",
        "reads the hardware of instance types",
    ),
    _permission(
        _READ,
        "ec2:DescribeInstanceTypeOfferings",
        "ec2.describe_instance_type_offerings",
        "reads which zones offer an instance type",
    ),
    _permission(
        _READ,
        "ec2:DescribeSpotPriceHistory",
        "ec2.describe_spot_price_history",
        "reads spot prices",
    ),
    _permission(
        _READ,
        "ec2:GetSpotPlacementScores",
        "ec2.get_spot_placement_scores",
        "reads placement scores",
    ),
    _permission(_READ, "pricing:GetProducts", "pricing.get_products", "reads on-demand prices"),
    _permission(
        _HISTORY,
        "cloudtrail:LookupEvents",
        "cloudtrail.lookup_events",
        "reads the account's interruptions of the last 90 days",
    ),
    _permission(_EVENTS, "sqs:GetQueueUrl", "sqs.get_queue_url", "finds the queue", on.READ_QUEUE),
    _permission(
        _EVENTS,
        "sqs:ReceiveMessage",
        "sqs.receive_message",
        "reads interruption warnings and rebalance recommendations",
        on.READ_QUEUE,
    ),
    _permission(
        _EVENTS,
        "sqs:DeleteMessage",
        "sqs.delete_message_batch",
        "removes events that were read",
        on.READ_QUEUE,
    ),
    _permission(
        _EVENTS,
        "sqs:SendMessage",
        "sqs.send_message",
        "moves unreadable messages to the dead-letter queue",
        on.READ_QUEUE,
    ),
    *(
        _permission(_DISCOVERY, f"ec2:{action}", f"ec2.{call}", f"reads {purpose}")
        for action, call, purpose in (
            ("DescribeAddresses", "describe_addresses", "Elastic IP addresses"),
            ("DescribeImages", "describe_images", "the image of an instance"),
            (
                "DescribeInstanceCreditSpecifications",
                "describe_instance_credit_specifications",
                "the CPU credit option of burstable instances",
            ),
            (
                "DescribeLaunchTemplateVersions",
                "describe_launch_template_versions",
                "the launch template of an instance",
            ),
            ("DescribePlacementGroups", "describe_placement_groups", "placement groups"),
            ("DescribeRouteTables", "describe_route_tables", "whether a subnet is public"),
            (
                "DescribeSpotInstanceRequests",
                "describe_spot_instance_requests",
                "the spot request of an instance",
            ),
            ("DescribeSubnets", "describe_subnets", "the subnets of the target zone"),
            ("DescribeVolumes", "describe_volumes", "volumes"),
        )
    ),
    _permission(
        _DISCOVERY,
        "ec2:DescribeInstanceAttribute",
        "ec2.describe_instance_attribute",
        "reads termination protection and whether there is user data",
        on.ALLOWED_INSTANCES,
        on.OWN,
    ),
    *(
        _permission(
            _DISCOVERY, f"elasticloadbalancing:{action}", f"elbv2.{call}", f"reads {purpose}"
        )
        for action, call, purpose in (
            ("DescribeTargetGroups", "describe_target_groups", "target groups"),
            (
                "DescribeTargetGroupAttributes",
                "describe_target_group_attributes",
                "the deregistration delay of target groups",
            ),
            ("DescribeTargetHealth", "describe_target_health", "the targets of target groups"),
        )
    ),
    _permission(
        _DISCOVERY,
        "iam:GetRole",
        "iam.get_role",
        "tells whether EC2's role for spot instances exists",
        on.READ_ROLES_AND_KEYS,
    ),
    *(
        _permission(
            _DISCOVERY, f"kms:{action}", f"kms.{call}", f"reads {purpose}", on.READ_ROLES_AND_KEYS
        )
        for action, call, purpose in (
            ("DescribeKey", "describe_key", "the key of an encrypted volume"),
            ("GetKeyPolicy", "get_key_policy", "who may use the key"),
            ("ListGrants", "list_grants", "who was granted the use of the key"),
        )
    ),
    _permission(
        _SWITCHING,
        "ec2:DescribeInstanceStatus",
        "ec2.describe_instance_status",
        "waits for the status checks of the new instance",
    ),
    _permission(
        _SWITCHING,
        "ec2:DescribeSnapshots",
        "ec2.describe_snapshots",
        "finds snapshots that SpotLab created",
    ),
    _permission(
        _SWITCHING,
        "ec2:CreateImage",
        "ec2.create_image",
        "takes an image of the old instance",
        on.ALLOWED_INSTANCES,
        on.OWN,
        on.CREATE_IMAGES,
    ),
    _permission(
        _SWITCHING,
        "ec2:RunInstances",
        "ec2.run_instances",
        "launches the new instance, and launch probes if they are on",
        on.LAUNCH,
        on.PROBE,
        on.LAUNCH_FROM,
    ),
    _permission(
        _SWITCHING,
        "ec2:CreateTags",
        "ec2.create_tags",
        "tags what it creates, and copies tags to the new instance",
        on.ALLOWED_INSTANCES,
        on.OWN,
        on.TAG_NEW,
    ),
    *(
        _permission(
            _SWITCHING, f"ec2:{action}", f"ec2.{call}", purpose, on.ALLOWED_INSTANCES, on.OWN
        )
        for action, call, purpose in (
            ("DeleteTags", "delete_tags", "removes its tags after a switch"),
            ("StartInstances", "start_instances", "starts an instance again after its type change"),
            ("StopInstances", "stop_instances", "stops an instance to change its type"),
            ("TerminateInstances", "terminate_instances", "ends the old instance"),
        )
    ),
    *(
        _permission(
            _SWITCHING,
            f"ec2:{action}",
            f"ec2.{call}",
            purpose,
            on.ALLOWED_INSTANCES,
            on.OWN,
            on.OF_INSTANCES,
        )
        for action, call, purpose in (
            ("AssociateAddress", "associate_address", "moves the Elastic IP address"),
            ("AttachVolume", "attach_volume", "attaches data volumes to the new instance"),
            ("DetachVolume", "detach_volume", "detaches data volumes from the old instance"),
            (
                "ModifyInstanceAttribute",
                "modify_instance_attribute",
                "changes the type, and keeps volumes when their instance ends",
            ),
        )
    ),
    _permission(
        _SWITCHING,
        "ec2:CancelSpotInstanceRequests",
        "ec2.cancel_spot_instance_requests",
        "cancels the request of a spot instance before it ends",
        on.SPOT_REQUESTS,
    ),
    _permission(
        _SWITCHING,
        "ec2:DeregisterImage",
        "ec2.deregister_image",
        "removes its image after a switch",
        on.OWN,
    ),
    _permission(
        _SWITCHING,
        "ec2:DeleteSnapshot",
        "ec2.delete_snapshot",
        "removes the image's snapshots after a switch",
        on.OWN,
    ),
    _permission(
        _SWITCHING,
        "ec2:DeleteVolume",
        "ec2.delete_volume",
        "removes volumes of a launch that was undone",
        on.OWN,
    ),
    _permission(
        _SWITCHING,
        "elasticloadbalancing:RegisterTargets",
        "elbv2.register_targets",
        "sends requests to the new instance",
        on.TARGETS,
    ),
    _permission(
        _SWITCHING,
        "elasticloadbalancing:DeregisterTargets",
        "elbv2.deregister_targets",
        "stops sending requests to the old instance",
        on.TARGETS,
    ),
    _implied("iam:PassRole", "gives the new instance the old one's role", on.PASS_ROLE),
    *(
        _implied(f"kms:{action}", purpose, on.USE_KEYS)
        for action, purpose in (
            ("Decrypt", "launches from encrypted volumes"),
            ("GenerateDataKeyWithoutPlaintext", "creates encrypted volumes"),
            ("ReEncryptFrom", "copies encrypted volumes"),
            ("ReEncryptTo", "copies encrypted volumes"),
        )
    ),
    _implied("kms:CreateGrant", "attaches encrypted volumes", on.GRANT_KEYS),
)
"""Every permission, by feature."""

WITHOUT_PERMISSION: Final = {
    "sts.assume_role": "needs a permission of the identity that SpotLab runs as, not of the role",
    "sts.get_caller_identity": "needs no permission",
}
"""Calls that need no permission of the role, and why."""


def permissions_of(access: Access) -> tuple[Permission, ...]:
    """The permissions that an account needs, in the order of the table."""
    return tuple(each for each in PERMISSIONS if each.feature in access.features)


def policy(
    access: Access, partition: Partition, account_id: str, queue: str = EVENT_QUEUE
) -> dict[str, Any]:
    """The IAM policy of the role, with the least privilege that SpotLab needs.

    Args:
        access: read-only, or with switching.
        partition: of the account.
        account_id: 12 digits.
        queue: name of the queue of events.
    """
    documents = []
    for statement, actions in _actions(access):
        documents.append(statement.document(actions, partition, account_id, queue))
    return {"Version": "2012-10-17", "Statement": documents}


def explanation(access: Access) -> list[tuple[Statement, list[str]]]:
    """Each statement of the policy and its actions, to be explained to a person."""
    return _actions(access)


def compact(document: dict[str, Any]) -> str:
    """A policy without whitespace, which AWS does not count (a managed policy may have 6,144
    characters)."""
    return json.dumps(document, separators=(",", ":"))


def _actions(access: Access) -> list[tuple[Statement, list[str]]]:
    granted = permissions_of(access)
    by_statement = (
        (statement, sorted(each.action for each in granted if statement in each.statements))
        for statement in STATEMENTS
    )
    return [(statement, actions) for statement, actions in by_statement if actions]
