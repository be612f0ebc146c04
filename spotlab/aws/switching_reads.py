"""What a switch reads in one account and region: instances, images, volumes, addresses, targets.

Source: Amazon EC2 API Reference; Elastic Load Balancing API Reference, DescribeTargetHealth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from spotlab.aws.failures import translated
from spotlab.aws.session import Sessions
from spotlab.domain.decision import Lifecycle
from spotlab.domain.ports import Account
from spotlab.domain.ports.switching import (
    AttachedVolume,
    ImageView,
    InstanceView,
    OwnResource,
    VolumeView,
)
from spotlab.domain.switch_tags import SWITCH_TAG
from spotlab.errors import AwsError, NoSuchThing

_LIVE: Final = ("pending", "running", "stopping", "stopped")
_OPEN: Final = ("open", "active")
_NOT_REGISTERED: Final = "Target.NotRegistered"
_NO_TARGET_GROUP: Final = "TargetGroupNotFound"


class SwitchingReads:
    """Reads of one account and region. See `SwitchingPort`.

    Args:
        sessions: clients by account and region.
        account: with the role to assume.
        region: such as "us-east-1".
    """

    def __init__(self, sessions: Sessions, account: Account, region: str) -> None:
        self._ec2 = sessions.client("ec2", account, region)
        self._elb = sessions.client("elbv2", account, region)
        self._secrets = (account.external_id,)

    def instance(self, instance_id: str) -> InstanceView | None:
        """An instance with its status checks; None: not found."""
        try:
            with translated(f"Reading {instance_id}", *self._secrets):
                found = list(self._instances(InstanceIds=[instance_id]))
                if not found:
                    return None
                statuses = self._ec2.describe_instance_status(
                    InstanceIds=[instance_id], IncludeAllInstances=True
                )["InstanceStatuses"]
        except NoSuchThing:
            return None
        return _view(found[0], statuses[0] if statuses else {})

    def image_of(self, instance_id: str) -> str:
        """The id of the image that an instance runs. Raises NoSuchThing: there is no instance."""
        with translated(f"Reading {instance_id}", *self._secrets):
            for instance in self._instances(InstanceIds=[instance_id]):
                return str(instance["ImageId"])
        raise NoSuchThing(f"{instance_id} does not exist.", remedy="List the fleet again.")

    def launched(self, switch_id: str, token: str = "") -> Sequence[InstanceView]:
        """Instances with the switch's tag or this client token, also terminated ones."""
        filters = [{"Name": f"tag:{SWITCH_TAG}", "Values": [switch_id]}]
        with translated(f"Looking for instances of switch {switch_id}", *self._secrets):
            found = {each["InstanceId"]: each for each in self._instances(Filters=filters)}
            if token:
                by_token = [{"Name": "client-token", "Values": [token]}]
                found |= {each["InstanceId"]: each for each in self._instances(Filters=by_token)}
        return [_view(each, {}) for each in found.values()]

    def _instances(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        for page in self._ec2.get_paginator("describe_instances").paginate(**arguments):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]

    def image(self, image_id: str) -> ImageView | None:
        """An image; None: not found."""
        try:
            with translated(f"Reading {image_id}", *self._secrets):
                found = self._ec2.describe_images(ImageIds=[image_id])["Images"]
        except NoSuchThing:
            return None
        return _image(found[0]) if found else None

    def image_named(self, name: str) -> ImageView | None:
        """The account's own image of this name; None: none."""
        with translated(f"Looking for the image {name}", *self._secrets):
            found = self._ec2.describe_images(
                Owners=["self"], Filters=[{"Name": "name", "Values": [name]}]
            )["Images"]
        return _image(found[0]) if found else None

    def volume(self, volume_id: str) -> VolumeView | None:
        """A volume; None: not found."""
        try:
            with translated(f"Reading {volume_id}", *self._secrets):
                found = self._ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        except NoSuchThing:
            return None
        if not found:
            return None
        each = found[0]
        attachments = [a for a in each.get("Attachments", []) if a["State"] != "detached"]
        attached: Mapping[str, Any] = attachments[0] if attachments else {}
        return VolumeView(
            volume_id,
            each["State"],
            attached.get("State", ""),
            attached.get("InstanceId", ""),
            attached.get("Device", ""),
            _tags(each),
        )

    def address_holder(self, allocation_id: str) -> str | None:
        """The instance, or else the network interface, that has an Elastic IP address.

        An interface without an instance is one of a NAT gateway or a load balancer, for example.

        Returns:
            "": none has it; None: there is no such address.
        """
        try:
            with translated(f"Reading {allocation_id}", *self._secrets):
                found = self._ec2.describe_addresses(AllocationIds=[allocation_id])["Addresses"]
        except NoSuchThing:
            return None
        if not found:
            return None
        return found[0].get("InstanceId") or found[0].get("NetworkInterfaceId") or ""

    def target_health(self, target_group_arn: str, instance_id: str, port: int) -> str | None:
        """Health of a target; "": it is not registered; None: there is no such target group."""
        target: Any = self._target(instance_id, port)
        try:
            with translated(f"Reading the target health of {instance_id}", *self._secrets):
                found = self._elb.describe_target_health(
                    TargetGroupArn=target_group_arn, Targets=[target]
                )["TargetHealthDescriptions"]
        except AwsError as exc:
            if exc.code == _NO_TARGET_GROUP:
                return None
            raise
        if not found:
            return ""
        health = found[0]["TargetHealth"]
        registered = health.get("Reason") != _NOT_REGISTERED
        return str(health["State"]) if registered else ""

    @staticmethod
    def _target(instance_id: str, port: int) -> dict[str, Any]:
        return {"Id": instance_id, "Port": port} if port else {"Id": instance_id}

    def spot_request_open(self, request_id: str) -> bool:
        """Whether a spot request is open or active."""
        try:
            with translated(f"Reading {request_id}", *self._secrets):
                found = self._ec2.describe_spot_instance_requests(
                    SpotInstanceRequestIds=[request_id]
                )["SpotInstanceRequests"]
        except NoSuchThing:
            return False
        return bool(found) and found[0]["State"] in _OPEN

    def own(self, switch_id: str | None = None) -> Sequence[OwnResource]:
        """What carries SpotLab's tag (of one switch), without what has ended."""
        tagged: list[Any] = [
            {"Name": "tag-key", "Values": [SWITCH_TAG]}
            if switch_id is None
            else {"Name": f"tag:{SWITCH_TAG}", "Values": [switch_id]}
        ]
        with translated("Looking for what carries SpotLab's tag", *self._secrets):
            live = [*tagged, {"Name": "instance-state-name", "Values": list(_LIVE)}]
            return [
                *(
                    _own("instance", each["InstanceId"], each, each["State"]["Name"], "LaunchTime")
                    for each in self._instances(Filters=live)
                ),
                *(
                    _own("image", each["ImageId"], each, each["State"])
                    for each in self._pages("describe_images", "Images", tagged, Owners=["self"])
                ),
                *(
                    _own("snapshot", each["SnapshotId"], each, each["State"], "StartTime")
                    for each in self._pages(
                        "describe_snapshots", "Snapshots", tagged, OwnerIds=["self"]
                    )
                ),
                *(
                    _own("volume", each["VolumeId"], each, each["State"], "CreateTime")
                    for each in self._pages("describe_volumes", "Volumes", tagged)
                    if each["State"] != "deleting"
                ),
                *(
                    _own(
                        "spot-instances-request",
                        each["SpotInstanceRequestId"],
                        each,
                        each["State"],
                        "CreateTime",
                    )
                    for each in self._pages(
                        "describe_spot_instance_requests", "SpotInstanceRequests", tagged
                    )
                    if each["State"] in _OPEN
                ),
            ]

    def _pages(
        self, operation: Any, key: str, filters: list[Any], **arguments: Any
    ) -> Iterator[Mapping[str, Any]]:
        for page in self._ec2.get_paginator(operation).paginate(Filters=filters, **arguments):
            yield from page[key]


def _tags(record: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}


def _own(
    kind: str, resource_id: str, record: Mapping[str, Any], state: str, created: str = ""
) -> OwnResource:
    tags = _tags(record)
    at = record.get(created)
    return OwnResource(
        kind, resource_id, tags.get(SWITCH_TAG, ""), state, tags, at.astimezone(UTC) if at else None
    )


def _image(record: Mapping[str, Any]) -> ImageView:
    snapshots = tuple(
        mapping["Ebs"]["SnapshotId"]
        for mapping in record.get("BlockDeviceMappings", [])
        if mapping.get("Ebs", {}).get("SnapshotId")
    )
    why = record.get("StateReason", {}).get("Message", "")
    return ImageView(record["ImageId"], record["State"], snapshots, why, _tags(record))


def _view(record: Mapping[str, Any], status: Mapping[str, Any]) -> InstanceView:
    checks = [status.get(kind, {}).get("Status", "") for kind in ("InstanceStatus", "SystemStatus")]
    volumes = tuple(
        AttachedVolume(
            mapping["Ebs"]["VolumeId"],
            mapping["DeviceName"],
            mapping["Ebs"].get("DeleteOnTermination", False),
        )
        for mapping in record.get("BlockDeviceMappings", [])
        if "Ebs" in mapping
    )
    return InstanceView(
        instance_id=record["InstanceId"],
        state=record["State"]["Name"],
        instance_type=record["InstanceType"],
        availability_zone=record.get("Placement", {}).get("AvailabilityZone", ""),
        lifecycle=Lifecycle.SPOT
        if record.get("InstanceLifecycle") == "spot"
        else Lifecycle.ON_DEMAND,
        checks_ok=checks == ["ok", "ok"],
        impaired="impaired" in checks,
        state_reason=record.get("StateReason", {}).get("Code", ""),
        spot_request_id=record.get("SpotInstanceRequestId", ""),
        private_ip=record.get("PrivateIpAddress", ""),
        public_ip=record.get("PublicIpAddress", ""),
        tags=_tags(record),
        volumes=volumes,
        root_device=record.get("RootDeviceName", ""),
        launched_at=record["LaunchTime"].astimezone(UTC) if "LaunchTime" in record else None,
        client_token=record.get("ClientToken", ""),
    )
