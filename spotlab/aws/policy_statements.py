"""The statements of the IAM policy: on which resources, and under which conditions.

What SpotLab may change is limited twice: its own resources carry the tag SWITCH_TAG, which it sets
when it creates them; an instance, address or target group that was there before must carry the tag
ALLOW_TAG, which only the owner of the account sets.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2",
"… for AWS KMS" and "… for Elastic Load Balancing V2"; Amazon EC2 User Guide, "Grant permission to
tag resources during creation"; IAM User Guide, "Grant a user permissions to pass a role".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from spotlab.aws.regions import Partition
from spotlab.domain.switch_tags import ALLOW_TAG, PROBE_PREFIX, SWITCH_TAG

EVENT_QUEUE: Final = "spotlab-events"
"""Name of the queue of an account's events; that of its dead-letter queue has -dlq added."""

_ALLOWED: Final = {"StringEquals": {f"aws:ResourceTag/{ALLOW_TAG}": "true"}}
_OURS: Final = {"StringLike": {f"aws:ResourceTag/{SWITCH_TAG}": "*"}}
_CREATED_AS_OURS: Final = {"StringLike": {f"aws:RequestTag/{SWITCH_TAG}": "*"}}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of the policy, without its actions.

    Args:
        sid: its name in the policy.
        allows: what it allows, in a sentence.
        resources: ARNs; {p} is the partition, {a} the account id, {q} the name of the queue.
        condition: as in the policy; {dns} is the DNS suffix of the partition, {ec2} the service
            principal of EC2.
    """

    sid: str
    allows: str
    resources: tuple[str, ...] = ("*",)
    condition: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)

    def document(
        self, actions: Sequence[str], partition: Partition, account_id: str, queue: str
    ) -> dict[str, object]:
        """The statement as in an IAM policy.

        Args:
            actions: IAM actions.
            partition: of the account.
            account_id: 12 digits.
            queue: name of the queue of events.
        """
        names = {
            "p": partition.name,
            "a": account_id,
            "q": queue,
            "dns": partition.dns_suffix,
            "ec2": partition.ec2_principal,
        }
        resources = [each.format_map(names) for each in self.resources]
        document: dict[str, object] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(actions),
            "Resource": resources[0] if len(resources) == 1 else resources,
        }
        if self.condition:
            document["Condition"] = {
                operator: {key: _filled(value, names) for key, value in keys.items()}
                for operator, keys in self.condition.items()
            }
        return document


def _filled(value: str | Sequence[str], names: Mapping[str, str]) -> str | list[str]:
    if isinstance(value, str):
        return value.format_map(names)
    return [each.format_map(names) for each in value]


READ: Final = Statement(
    "Read",
    "Reads descriptions, prices and the history of interruptions; AWS does not support limiting "
    "these calls to resources. They change nothing.",
)
READ_QUEUE: Final = Statement(
    "ReadEvents",
    "Reads the queue of events and removes what was read; moves unreadable messages to the "
    "dead-letter queue. No other queue.",
    ("arn:{p}:sqs:*:{a}:{q}", "arn:{p}:sqs:*:{a}:{q}-dlq"),
)
READ_ROLES_AND_KEYS: Final = Statement(
    "ReadRolesAndKeys",
    "Reads whether EC2's role for spot instances exists, and who may use the keys of volumes; no "
    "content is decrypted.",
    (
        "arn:{p}:iam::{a}:role/aws-service-role/spot.amazonaws.com/*",
        "arn:{p}:kms:*:*:key/*",
    ),
)
ALLOWED_INSTANCES: Final = Statement(
    "SwitchAllowed",
    f"Reads the settings of instances, takes images of them, stops, starts, changes, tags and "
    f"terminates them, and moves their addresses: only what the owner of the account has tagged "
    f"{ALLOW_TAG}=true.",
    ("arn:{p}:ec2:*:{a}:instance/*", "arn:{p}:ec2:*:{a}:elastic-ip/*"),
    _ALLOWED,
)
OWN: Final = Statement(
    "SwitchOwn",
    f"The same for what SpotLab created, and deletes it: only what carries the tag {SWITCH_TAG}.",
    (
        "arn:{p}:ec2:*:{a}:instance/*",
        "arn:{p}:ec2:*:{a}:volume/*",
        "arn:{p}:ec2:*:{a}:spot-instances-request/*",
        "arn:{p}:ec2:*::image/*",
        "arn:{p}:ec2:*::snapshot/*",
    ),
    _OURS,
)
OF_INSTANCES: Final = Statement(
    "OfThoseInstances",
    "Attaches and detaches volumes and addresses, and keeps volumes when their instance ends: only "
    "together with an instance of the two statements above, which AWS checks in the same call.",
    ("arn:{p}:ec2:*:{a}:volume/*", "arn:{p}:ec2:*:{a}:network-interface/*"),
)
SPOT_REQUESTS: Final = Statement(
    "CancelSpotRequests",
    "Cancels spot requests, so that AWS does not replace an instance that SpotLab ends; their "
    "instances keep running.",
    ("arn:{p}:ec2:*:{a}:spot-instances-request/*",),
)
LAUNCH: Final = Statement(
    "LaunchOwn",
    f"Launches instances: only if they get the tag {SWITCH_TAG} in the same call.",
    ("arn:{p}:ec2:*:{a}:instance/*",),
    _CREATED_AS_OURS | {"StringNotLike": {f"aws:RequestTag/{SWITCH_TAG}": f"{PROBE_PREFIX}*"}},
)
PROBE: Final = Statement(
    "ProbeLaunches",
    f"Launches spot instances that are terminated at once, to see whether there is capacity: only "
    f"with the tag {SWITCH_TAG}={PROBE_PREFIX}…. Not needed unless launch probes are on; without "
    "it, switches work and probes do not.",
    ("arn:{p}:ec2:*:{a}:instance/*",),
    {"StringLike": {f"aws:RequestTag/{SWITCH_TAG}": f"{PROBE_PREFIX}*"}},
)
LAUNCH_FROM: Final = Statement(
    "LaunchFrom",
    "Uses images, networks, keys and templates of the account, or shared with it, for these "
    "launches; creates their volumes, network interfaces and spot requests.",
    (
        "arn:{p}:ec2:*::image/*",
        "arn:{p}:ec2:*::snapshot/*",
        *(
            f"arn:{{p}}:ec2:*:*:{kind}/*"
            for kind in (
                "capacity-reservation",
                "key-pair",
                "launch-template",
                "network-interface",
                "placement-group",
                "security-group",
                "spot-instances-request",
                "subnet",
                "volume",
            )
        ),
    ),
)
CREATE_IMAGES: Final = Statement(
    "CreateOwnImages",
    f"Creates images and their snapshots: only if they get the tag {SWITCH_TAG} in the same call.",
    ("arn:{p}:ec2:*::image/*", "arn:{p}:ec2:*::snapshot/*"),
    _CREATED_AS_OURS,
)
TAG_NEW: Final = Statement(
    "TagNew",
    "Sets tags while an instance or image is created; existing resources of others cannot be "
    "tagged.",
    ("arn:{p}:ec2:*:{a}:*/*", "arn:{p}:ec2:*::image/*", "arn:{p}:ec2:*::snapshot/*"),
    {"StringEquals": {"ec2:CreateAction": ["CreateImage", "RunInstances"]}},
)
TARGETS: Final = Statement(
    "MoveTargets",
    f"Registers and deregisters instances in target groups: only in those that the owner of the "
    f"account has tagged {ALLOW_TAG}=true.",
    ("arn:{p}:elasticloadbalancing:*:{a}:targetgroup/*",),
    _ALLOWED,
)
PASS_ROLE: Final = Statement(
    "PassInstanceRole",
    "Gives a new instance the role of the old one: roles of this account, to EC2 and to no other "
    "service.",
    ("arn:{p}:iam::{a}:role/*",),
    {"StringEquals": {"iam:PassedToService": "{ec2}"}},
)
USE_KEYS: Final = Statement(
    "UseKeys",
    "Lets EC2 encrypt the volumes and snapshots of these instances with their key, where the key's "
    "own policy allows it: only through EC2.",
    ("arn:{p}:kms:*:*:key/*",),
    {"StringLike": {"kms:ViaService": "ec2.*.{dns}"}},
)
GRANT_KEYS: Final = Statement(
    "GrantKeys",
    "Lets EC2 use these keys as long as the volume is attached: only for AWS services.",
    ("arn:{p}:kms:*:*:key/*",),
    {
        "StringLike": {"kms:ViaService": "ec2.*.{dns}"},
        "Bool": {"kms:GrantIsForAWSResource": "true"},
    },
)

STATEMENTS: Final = (
    READ,
    READ_QUEUE,
    READ_ROLES_AND_KEYS,
    ALLOWED_INSTANCES,
    OWN,
    OF_INSTANCES,
    SPOT_REQUESTS,
    LAUNCH,
    PROBE,
    LAUNCH_FROM,
    CREATE_IMAGES,
    TAG_NEW,
    TARGETS,
    PASS_ROLE,
    USE_KEYS,
    GRANT_KEYS,
)
"""In the order of the policy."""
