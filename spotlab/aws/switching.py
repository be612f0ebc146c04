"""The only module that changes anything in AWS: the calls of a switch in one account and region.

Reads are in `switching_reads`, parameters in `switching_requests`.

Source: Amazon EC2 API Reference; Elastic Load Balancing API Reference, version 2015-12-01.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from spotlab.aws import switching_requests
from spotlab.aws.failures import translated
from spotlab.aws.session import Sessions
from spotlab.aws.switching_reads import SwitchingReads
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import LaunchRequest
from spotlab.errors import AwsError


class AwsSwitching(SwitchingReads):
    """Changes of instances, images, volumes, addresses and targets. See `SwitchingPort`.

    Every change is sent once: the engine looks whether it took effect before it repeats one.

    Args:
        sessions: clients by account and region.
        account: with the role to assume.
        region: such as "us-east-1".
    """

    def __init__(self, sessions: Sessions, account: Account, region: str) -> None:
        super().__init__(sessions, account, region)
        self._ec2_once = sessions.single_attempt("ec2", account, region)
        self._elb_once = sessions.single_attempt("elbv2", account, region)

    def create_image(
        self,
        instance_id: str,
        name: str,
        *,
        reboot: bool,
        without_devices: Sequence[str],
        tags: Mapping[str, str],
    ) -> str:
        """Begin to create an image; its id."""
        request = switching_requests.create_image(
            instance_id, name, reboot=reboot, without_devices=without_devices, tags=tags
        )
        with translated(f"Creating an image of {instance_id}", *self._secrets):
            return str(self._ec2_once.create_image(**request)["ImageId"])

    def run_instance(self, request: LaunchRequest) -> str:
        """Launch one instance; its id.

        User data is read from the instance just before, and never stored or logged.
        """
        parameters = switching_requests.run_instances(request)
        secrets = list(self._secrets)
        if request.user_data_from:
            data = self._user_data(request.user_data_from)
            if hashlib.sha256(data).hexdigest() != request.settings.user_data_sha256:
                raise AwsError(
                    f"The user data of {request.user_data_from} has changed since the preflight.",
                    remedy="Request the switch again.",
                    code="UserDataChanged",
                )
            parameters["UserData"] = data
            secrets.append(data.decode("utf-8", "replace"))
        kind = f"{request.lifecycle.value} {request.instance_type}"
        with translated(f"Launching {kind} in {request.availability_zone}", *secrets):
            answer = self._ec2_once.run_instances(**parameters)
            return str(answer["Instances"][0]["InstanceId"])

    def _user_data(self, instance_id: str) -> bytes:
        with translated(f"Reading the user data of {instance_id}", *self._secrets):
            answer = self._ec2.describe_instance_attribute(
                InstanceId=instance_id, Attribute="userData"
            )
            return base64.b64decode(answer["UserData"].get("Value", ""))

    def terminate(self, instance_id: str) -> None:
        """Terminate an instance."""
        with translated(f"Terminating {instance_id}", *self._secrets):
            self._ec2_once.terminate_instances(InstanceIds=[instance_id])

    def stop(self, instance_id: str) -> None:
        """Stop an instance."""
        with translated(f"Stopping {instance_id}", *self._secrets):
            self._ec2_once.stop_instances(InstanceIds=[instance_id])

    def start(self, instance_id: str) -> None:
        """Start a stopped instance."""
        with translated(f"Starting {instance_id}", *self._secrets):
            self._ec2_once.start_instances(InstanceIds=[instance_id])

    def change_type(self, instance_id: str, instance_type: str) -> None:
        """Change the type of a stopped instance."""
        with translated(f"Changing the type of {instance_id}", *self._secrets):
            self._ec2_once.modify_instance_attribute(
                InstanceId=instance_id, InstanceType={"Value": instance_type}
            )

    def cancel_spot_request(self, request_id: str) -> None:
        """Cancel a spot request; its instance keeps running."""
        with translated(f"Cancelling {request_id}", *self._secrets):
            self._ec2_once.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])

    def add_tags(self, resource_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        with translated(f"Tagging {', '.join(resource_ids)}", *self._secrets):
            tag_list: Any = switching_requests.tag_list(tags)
            self._ec2_once.create_tags(Resources=list(resource_ids), Tags=tag_list)

    def remove_tags(self, resource_ids: Sequence[str], names: Sequence[str]) -> None:
        """Remove tags."""
        with translated(f"Removing tags of {', '.join(resource_ids)}", *self._secrets):
            self._ec2_once.delete_tags(
                Resources=list(resource_ids), Tags=[{"Key": name} for name in names]
            )

    def associate_address(self, allocation_id: str, instance_id: str) -> None:
        """Associate an Elastic IP address, also if another instance has it."""
        with translated(f"Associating {allocation_id} with {instance_id}", *self._secrets):
            self._ec2_once.associate_address(
                AllocationId=allocation_id, InstanceId=instance_id, AllowReassociation=True
            )

    def register_target(self, target_group_arn: str, instance_id: str, port: int) -> None:
        """Register an instance in a target group."""
        with translated(f"Registering {instance_id}", *self._secrets):
            target: Any = self._target(instance_id, port)
            self._elb_once.register_targets(TargetGroupArn=target_group_arn, Targets=[target])

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int) -> None:
        """Deregister an instance; its connections stay open for the group's delay."""
        with translated(f"Deregistering {instance_id}", *self._secrets):
            target: Any = self._target(instance_id, port)
            self._elb_once.deregister_targets(TargetGroupArn=target_group_arn, Targets=[target])

    def detach_volume(self, volume_id: str, instance_id: str) -> None:
        """Begin to detach a volume, never by force."""
        with translated(f"Detaching {volume_id} from {instance_id}", *self._secrets):
            self._ec2_once.detach_volume(VolumeId=volume_id, InstanceId=instance_id)

    def attach_volume(self, volume_id: str, instance_id: str, device: str) -> None:
        """Begin to attach a volume."""
        with translated(f"Attaching {volume_id} to {instance_id}", *self._secrets):
            self._ec2_once.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)

    def keep_volume(self, instance_id: str, device: str, *, delete_on_termination: bool) -> None:
        """Set whether an attached volume is deleted with the instance."""
        ebs = {"DeleteOnTermination": delete_on_termination}
        mapping: Any = {"DeviceName": device, "Ebs": ebs}
        with translated(f"Setting the deletion of {device} of {instance_id}", *self._secrets):
            self._ec2_once.modify_instance_attribute(
                InstanceId=instance_id, BlockDeviceMappings=[mapping]
            )

    def deregister_image(self, image_id: str) -> None:
        """Deregister an image; its snapshots stay."""
        with translated(f"Deregistering {image_id}", *self._secrets):
            self._ec2_once.deregister_image(ImageId=image_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        with translated(f"Deleting {snapshot_id}", *self._secrets):
            self._ec2_once.delete_snapshot(SnapshotId=snapshot_id)

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume that is attached to nothing."""
        with translated(f"Deleting {volume_id}", *self._secrets):
            self._ec2_once.delete_volume(VolumeId=volume_id)
