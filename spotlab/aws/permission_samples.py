"""Resources of a region on which permissions can be tried by dry runs, and the parameters for it.

AWS checks the permissions of a dry run for the resources that it names, so they must exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spotlab.aws.failures import translated
from spotlab.aws.policy_statements import EVENT_QUEUE
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from spotlab.domain.switch_tags import ALLOW_TAG, SWITCH_TAG
from spotlab.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_SPOT_ROLE: Final = "AWSServiceRoleForEC2Spot"
_OUR_TAGS: Final = [{"Key": SWITCH_TAG, "Value": "validation"}]
_LIVE: Final = ["pending", "running", "stopping", "stopped"]
_ALLOW_FILTER: Final = [{"Name": f"tag:{ALLOW_TAG}", "Values": ["true"]}]
_OUR_FILTER: Final = [{"Name": "tag-key", "Values": [SWITCH_TAG]}]


class Unavailable(Exception):
    """A permission that cannot be tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Resources of an account in one region.

    Args:
        region: such as "us-east-1".
        queue: name of the queue of events.
        instances: as EC2 describes them; empty: the region has none.
        tagged: whether the instances carry the tag that allows switching.
        address: allocation id of an Elastic IP address with this tag; "": none.
        target_group: ARN of a target group; "": none.
        key: id of the key of an encrypted volume of the instance; "": none.
        image, snapshot, volume: created by SpotLab; "": none.
    """

    region: str
    queue: str = EVENT_QUEUE
    instances: tuple[InstanceTypeDef, ...] = ()
    tagged: bool = False
    address: str = ""
    target_group: str = ""
    key: str = ""
    image: str = ""
    snapshot: str = ""
    volume: str = ""

    @property
    def instance_id(self) -> str:
        """Id of the instance. Raises Unavailable."""
        return self._instance()["InstanceId"]

    @property
    def volume_id(self) -> str:
        """Id of a volume of the instance. Raises Unavailable."""
        if volume_ids := _volumes_of(self._instance()):
            return volume_ids[0]
        raise Unavailable("No instance has an EBS volume.")

    @property
    def spot_request_id(self) -> str:
        """Id of an instance's spot request. Raises Unavailable."""
        for instance in self.instances:
            if request_id := instance.get("SpotInstanceRequestId"):
                return request_id
        raise Unavailable("There is no spot instance to try it on.")

    @property
    def profile_arn(self) -> str:
        """ARN of an instance's profile. Raises Unavailable."""
        for instance in self.instances:
            if arn := instance.get("IamInstanceProfile", {}).get("Arn"):
                return arn
        raise Unavailable("There is no instance with a role to try it on.")

    def launch(self, **more: Any) -> dict[str, Any]:
        """Parameters of a launch like the instance. Raises Unavailable."""
        instance = self._instance()
        return {
            "ImageId": instance["ImageId"],
            "InstanceType": instance["InstanceType"],
            "MinCount": 1,
            "MaxCount": 1,
            "TagSpecifications": [{"ResourceType": "instance", "Tags": _OUR_TAGS}],
            **({"SubnetId": instance["SubnetId"]} if instance.get("SubnetId") else {}),
            **more,
        }

    def one(self, kind: str) -> str:
        """The sample of a kind, such as "address". Raises Unavailable: there is none."""
        if found := getattr(self, kind):
            return str(found)
        raise Unavailable(f"There is no {_KINDS[kind]} to try it on.")

    def _instance(self) -> InstanceTypeDef:
        """The first one with a volume; if none has one, the first. Raises Unavailable."""
        if not self.instances:
            raise Unavailable("There is no instance to try it on.")
        return next(filter(_volumes_of, self.instances), self.instances[0])


def _volumes_of(instance: InstanceTypeDef) -> list[str]:
    """Ids of an instance's EBS volumes."""
    mappings = instance.get("BlockDeviceMappings", [])
    return [each["Ebs"]["VolumeId"] for each in mappings if each.get("Ebs", {}).get("VolumeId")]


_KINDS: Final = {
    "address": f"Elastic IP address with the tag {ALLOW_TAG}=true",
    "target_group": "target group",
    "key": "volume with a key",
    "image": "image that SpotLab created",
    "snapshot": "snapshot that SpotLab created",
    "volume": "volume that SpotLab created",
}

Parameters = Callable[[Samples], Mapping[str, Any]]

_NO_DRY_RUN: Final = "AWS offers no dry run of it; it shows at the first use."


def _nothing(_samples: Samples) -> Mapping[str, Any]:
    return {}


def _untestable(reason: str) -> Parameters:
    def refuse(_samples: Samples) -> Mapping[str, Any]:
        raise Unavailable(reason)

    return refuse


def _instances(samples: Samples) -> Mapping[str, Any]:
    return {"InstanceIds": [samples.instance_id]}


def _tags(samples: Samples) -> Mapping[str, Any]:
    return {"Resources": [samples.instance_id], "Tags": _OUR_TAGS}


PARAMETERS: Final[Mapping[str, Parameters]] = {
    "ec2:GetSpotPlacementScores": lambda _: {
        "InstanceTypes": ["m5.large", "m5a.large", "m6i.large"],
        "TargetCapacity": 1,
    },
    "ec2:DescribeInstanceAttribute": lambda s: {
        "InstanceId": s.instance_id,
        "Attribute": "disableApiTermination",
    },
    "ec2:DescribeLaunchTemplateVersions": lambda _: {"Versions": ["$Default"]},
    "pricing:GetProducts": lambda _: {"ServiceCode": "AmazonEC2", "MaxResults": 1},
    "cloudtrail:LookupEvents": lambda _: {"MaxResults": 1},
    "sqs:GetQueueUrl": lambda s: {"QueueName": s.queue},
    "elasticloadbalancing:DescribeTargetGroups": lambda _: {"PageSize": 1},
    "elasticloadbalancing:DescribeTargetGroupAttributes": lambda s: {
        "TargetGroupArn": s.one("target_group")
    },
    "elasticloadbalancing:DescribeTargetHealth": lambda s: {
        "TargetGroupArn": s.one("target_group")
    },
    "iam:GetRole": lambda _: {"RoleName": _SPOT_ROLE},
    "kms:DescribeKey": lambda s: {"KeyId": s.one("key")},
    "kms:GetKeyPolicy": lambda s: {"KeyId": s.one("key"), "PolicyName": "default"},
    "kms:ListGrants": lambda s: {"KeyId": s.one("key"), "Limit": 1},
    "ec2:CreateImage": lambda s: {
        "InstanceId": s.instance_id,
        "Name": "spotlab-validation",
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": _OUR_TAGS} for kind in ("image", "snapshot")
        ],
    },
    "ec2:RunInstances": lambda s: s.launch(),
    "ec2:CreateTags": _tags,
    "ec2:DeleteTags": _tags,
    "ec2:StartInstances": _instances,
    "ec2:StopInstances": _instances,
    "ec2:TerminateInstances": _instances,
    "ec2:AssociateAddress": lambda s: {
        "AllocationId": s.one("address"),
        "InstanceId": s.instance_id,
    },
    "ec2:AttachVolume": lambda s: {
        "VolumeId": s.volume_id,
        "InstanceId": s.instance_id,
        "Device": "/dev/sdz",
    },
    "ec2:DetachVolume": lambda s: {"VolumeId": s.volume_id, "InstanceId": s.instance_id},
    "ec2:ModifyInstanceAttribute": lambda s: {
        "InstanceId": s.instance_id,
        "InstanceType": {"Value": s.launch()["InstanceType"]},
    },
    "ec2:CancelSpotInstanceRequests": lambda s: {"SpotInstanceRequestIds": [s.spot_request_id]},
    "ec2:DeregisterImage": lambda s: {"ImageId": s.one("image")},
    "ec2:DeleteSnapshot": lambda s: {"SnapshotId": s.one("snapshot")},
    "ec2:DeleteVolume": lambda s: {"VolumeId": s.one("volume")},
    "iam:PassRole": lambda s: s.launch(IamInstanceProfile={"Arn": s.profile_arn}),
    **dict.fromkeys(
        (
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:SendMessage",
            "elasticloadbalancing:RegisterTargets",
            "elasticloadbalancing:DeregisterTargets",
            "kms:Decrypt",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:CreateGrant",
        ),
        _untestable(_NO_DRY_RUN),
    ),
}
"""How each permission is tried; a dry run of EC2 without parameters is not listed."""


def parameters(action: str, samples: Samples) -> Mapping[str, Any]:
    """The parameters of the call that tries a permission.

    Args:
        action: IAM action.
        samples: of the region.
    Raises:
        Unavailable: it cannot be tried, and why.
    """
    if not action.startswith("ec2:") and action not in PARAMETERS:
        raise Unavailable(_NO_DRY_RUN)
    return PARAMETERS.get(action, _nothing)(samples)


def find_samples(
    sessions: Sessions, account: Account, region: str, queue: str, *, switching: bool
) -> Samples:
    """Resources of a region to try permissions on; only reads.

    Args:
        sessions, account: who asks.
        region: such as "us-east-1".
        queue: name of the queue of events.
        switching: also look for what only switching uses.
    Raises:
        AwsError: instances cannot be listed; what else cannot be read is left out.
    """
    ec2, elbv2 = (
        sessions.client("ec2", account, region),
        sessions.client("elbv2", account, region),
    )

    def read(call: Callable[[], Any]) -> Any:
        with translated(
            f"Looking for resources in {region}", account.external_id, account.pending_external_id
        ):
            return call()

    def first(call: Callable[[], Any]) -> str:
        try:
            found = read(call)
        except AwsError:
            return ""
        return str(found[0]) if found else ""

    live = {"Name": "instance-state-name", "Values": _LIVE}

    def instances(*filters: Mapping[str, Any]) -> list[InstanceTypeDef]:
        answer = ec2.describe_instances(Filters=[live, *filters], MaxResults=100)  # type: ignore[list-item]
        return [each for group in answer["Reservations"] for each in group["Instances"]]

    tagged = read(lambda: instances(*_ALLOW_FILTER))
    chosen = tuple(tagged or read(instances))
    if not switching:
        return Samples(region, queue, chosen, tagged=bool(tagged))
    volumes = [volume_id for instance in chosen for volume_id in _volumes_of(instance)]
    return Samples(
        region,
        queue,
        chosen,
        tagged=bool(tagged),
        address=first(
            lambda: [
                each["AllocationId"]
                for each in ec2.describe_addresses(Filters=_ALLOW_FILTER)["Addresses"]  # type: ignore[arg-type]
            ]
        ),
        target_group=first(
            lambda: [
                each["TargetGroupArn"]
                for each in elbv2.describe_target_groups(PageSize=1)["TargetGroups"]
            ]
        ),
        key=first(
            lambda: (
                [
                    each["KmsKeyId"]
                    for each in ec2.describe_volumes(VolumeIds=volumes)["Volumes"]
                    if each.get("KmsKeyId")
                ]
                if volumes
                else []
            )
        ),
        image=first(
            lambda: [
                each["ImageId"]
                for each in ec2.describe_images(Owners=["self"], Filters=_OUR_FILTER)["Images"]  # type: ignore[arg-type]
            ]
        ),
        volume=first(
            lambda: [
                each["VolumeId"]
                for each in ec2.describe_volumes(Filters=_OUR_FILTER)["Volumes"]  # type: ignore[arg-type]
            ]
        ),
        snapshot=first(
            lambda: [
                each["SnapshotId"]
                for each in ec2.describe_snapshots(OwnerIds=["self"], Filters=_OUR_FILTER)[  # type: ignore[arg-type]
                    "Snapshots"
                ]
            ]
        ),
    )
