"""EBS volumes, snapshots and keys of emulated instances.

In moto, a volume can be attached twice and in another zone, is free at once when it is detached,
and forgets its snapshot's key.
Source: EC2 API reference, AttachVolume and DetachVolume; EC2 User Guide, "Encrypted AMI or snapshot
with a customer managed key for Spot Instances" (the service-linked role needs a grant).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.models.instances import Instance
from moto.ec2.responses import EC2Response
from moto.kms.models import kms_backends

from spotlab.demo.patcher import Patches
from spotlab.demo.world import World

SPOT_ROLE: Final = "AWSServiceRoleForEC2Spot"
"""The service-linked role that launches spot instances."""


def launch_mappings(image: Any, requested: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The block devices of a launch: those of the image, changed by those of the call.

    Args:
        image: moto's.
        requested: BlockDeviceMappings of the call and its launch template.
    """
    devices: dict[str, dict[str, Any]] = {}
    for mapping in image.block_device_mappings:
        name = mapping["DeviceName"]
        root = name == image.root_device_name
        ebs = {key: value for key, value in mapping["Ebs"].items() if value is not None}
        devices[name] = ebs | ({"DeleteOnTermination": True} if root else {})
    for mapping in requested:
        name = mapping["DeviceName"]
        if mapping.get("NoDevice") == "":
            devices.pop(name, None)
            continue
        ebs = {key: value for key, value in (mapping.get("Ebs") or {}).items() if value is not None}
        plain = {_pascal(key): value for key, value in ebs.items()}
        devices[name] = devices.get(name, {}) | plain
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in devices.items()]


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def locked_key(instance: Any, *, spot: bool) -> str:
    """The id of a key with which EC2 may not decrypt a volume of a new instance; "" if none.

    A customer's key needs a grant, or a statement in its policy, for the service-linked role of
    spot instances; for an on-demand instance the caller's own rights count, which are given.
    """
    backend = instance.ec2_backend
    keys = kms_backends[backend.account_id][backend.region_name]
    for device in instance.block_device_mapping.values():
        key_id = backend.volumes[device.volume_id].kms_key_id
        if not key_id or key_id == backend.default_kms_key_id:
            continue
        key = keys.keys.get(str(key_id).rpartition("/")[2])
        if key is None or key.key_state != "Enabled":
            return str(key_id)
        granted = any(SPOT_ROLE in each.grantee_principal for each in key.grants.values())
        if spot and not granted and SPOT_ROLE not in (key.policy or ""):
            return str(key_id)
    return ""


def patch_block_devices(patches: Patches, world: World) -> None:
    """Give moto's volumes AWS's rules."""
    _patch_keys(patches)
    _patch_attachments(patches, world)
    detach = EBSBackend.detach_volume

    def teardown_defaults(self: Any) -> None:
        for path, device in list(self.block_device_mapping.items()):
            detach(self.ec2_backend, device.volume_id, self.id, path)
            if device.delete_on_termination:
                self.ec2_backend.delete_volume(device.volume_id)

    patches.attribute(Instance, "teardown_defaults", teardown_defaults)


def _patch_keys(patches: Patches) -> None:
    create_snapshot, create_volume = EBSBackend.create_snapshot, EBSBackend.create_volume

    def create_snapshot_with_key(self: Any, volume_id: str, *args: Any, **kwargs: Any) -> Any:
        snapshot = create_snapshot(self, volume_id, *args, **kwargs)
        snapshot.kms_key_id = self.get_volume(volume_id).kms_key_id
        return snapshot

    def create_volume_with_key(self: Any, *args: Any, **kwargs: Any) -> Any:
        snapshot_id = kwargs.get("snapshot_id")
        if snapshot_id and not kwargs.get("kms_key_id"):
            snapshot = self.get_snapshot(snapshot_id)
            if snapshot.encrypted and snapshot.kms_key_id:
                kwargs |= {"encrypted": True, "kms_key_id": snapshot.kms_key_id}
        return create_volume(self, *args, **kwargs)

    patches.attribute(EBSBackend, "create_snapshot", create_snapshot_with_key)
    patches.attribute(EBSBackend, "create_volume", create_volume_with_key)


def _patch_attachments(patches: Patches, world: World) -> None:
    attach, detach = EC2Response.attach_volume, EC2Response.detach_volume

    def attach_volume(self: Any) -> Any:
        backend = self.ec2_backend
        volume = backend.get_volume(self._get_param("VolumeId"))
        instance = backend.get_instance(self._get_param("InstanceId"))
        _check_attachment(volume, instance, self._get_param("Device"))
        result = attach(self)
        volume.attachment.status = "attaching"
        attachment = volume.attachment
        world.timeline.after(
            world.delays.attach_s, lambda: setattr(attachment, "status", "attached")
        )
        return result

    def detach_volume(self: Any) -> Any:
        backend = self.ec2_backend
        volume = backend.get_volume(self._get_param("VolumeId"))
        attachment = volume.attachment
        if attachment is None:
            raise EC2ClientError(
                "IncorrectState", f"Volume '{volume.id}' is in the 'available' state."
            )
        _check_detachment(attachment)
        if str(self._get_param("Force", False)).lower() == "true":
            return detach(self)
        before, attachment.status = attachment.status, "detaching"
        if before != "detaching":
            world.timeline.after(world.delays.volume_busy_s, lambda: _end_detachment(attachment))
        return _attachment_result(attachment)

    patches.attribute(EC2Response, "attach_volume", attach_volume)
    patches.attribute(EC2Response, "detach_volume", detach_volume)


def _check_attachment(volume: Any, instance: Any, device: str) -> None:
    if volume.attachment is not None:
        raise EC2ClientError("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.availability_zone != instance._placement.zone:
        raise EC2ClientError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' is not in the same availability zone as instance "
            f"'{instance.id}'",
        )
    if instance._state.name not in {"running", "stopped", "stopping"}:
        raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if device in instance.block_device_mapping:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )


def _check_detachment(attachment: Any) -> None:
    instance = attachment.instance
    if attachment.device == instance.root_device_name and instance._state.name != "stopped":
        raise EC2ClientError(
            "OperationNotPermitted",
            f"Unable to detach root volume '{attachment.volume.id}' from instance '{instance.id}'",
        )


def _end_detachment(attachment: Any) -> None:
    """Free a volume, unless its instance has ended meanwhile."""
    if attachment.volume.attachment is attachment:
        attachment.instance.block_device_mapping.pop(attachment.device, None)
        attachment.status = "detached"
        attachment.volume.attachment = None


def _attachment_result(attachment: Any) -> Any:
    from moto.core.responses import ActionResult

    return ActionResult(
        {
            "VolumeId": attachment.volume.id,
            "InstanceId": attachment.instance.id,
            "Device": attachment.device,
            "State": "detaching",
            "AttachTime": attachment.attach_time,
        }
    )
