"""CreateImage as in AWS: a snapshot of each volume, a reboot unless refused, and time.

In moto, an image is complete at once, has one invented snapshot, and reboots nothing.
Source: EC2 API reference, CreateImage, DeregisterImage and DeleteSnapshot.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import convert_tag_spec

from spotlab.demo.patcher import Patches
from spotlab.demo.world import World


def patch_images(patches: Patches, world: World) -> None:
    """Give moto AWS's images."""
    _patch_creation(patches, world)
    _patch_reboot(patches)
    mappings: Any = vars(Ami)["block_device_mappings"].fget

    def block_device_mappings(self: Any) -> Any:
        own = getattr(self, "created_mappings", None)
        return mappings(self) if own is None else own

    patches.attribute(Ami, "block_device_mappings", property(block_device_mappings))


def _patch_creation(patches: Patches, world: World) -> None:
    create = AmiBackend.create_image

    def create_image(
        self: Any, instance_id: str, name: str, description: str, tag_specifications: Any
    ) -> Any:
        instance = self.get_instance(instance_id)
        _check_image(self, instance, name)
        tags = convert_tag_spec(tag_specifications or [])
        # moto rejects tags of snapshots, which AWS accepts
        of_image = [each for each in tag_specifications if each["ResourceType"] == "image"]
        image: Any = create(self, instance_id, name, description, of_image)
        self.snapshots.pop(image.ebs_snapshot.id, None)
        image.root_device_name = instance.root_device_name
        image.root_device_type = "ebs"
        image.ena_support = getattr(instance, "ena_support", True)
        snapshots = _snapshots(self, instance, image, tags.get("snapshot", {}))
        image.state = "pending"

        def complete() -> None:
            if image.state == "pending":
                image.state = "available"
            for snapshot in snapshots:
                snapshot.status = "completed"

        world.timeline.after(world.delays.image_s, complete)
        return image

    patches.attribute(AmiBackend, "create_image", create_image)


def _snapshots(backend: Any, instance: Any, image: Any, tags: dict[str, str]) -> list[Any]:
    """A pending snapshot of each volume; the image's block devices are made from them."""
    snapshots, image.created_mappings = [], []
    left_out: set[str] = getattr(instance, "left_out_of_image", set())
    for device, attached in instance.block_device_mapping.items():
        if device in left_out:
            continue
        volume = backend.get_volume(attached.volume_id)
        snapshot = backend.create_snapshot(
            volume.id, f"Created by CreateImage({instance.id}) for {image.id}", from_ami=image.id
        )
        snapshot.add_tags(tags)
        snapshot.status = "pending"
        snapshots.append(snapshot)
        ebs = {
            "SnapshotId": snapshot.id,
            "VolumeSize": volume.size,
            "VolumeType": volume.volume_type,
            "DeleteOnTermination": attached.delete_on_termination,
            "Encrypted": bool(volume.encrypted),
        }
        image.created_mappings.append({"DeviceName": device, "Ebs": ebs})
        if device == instance.root_device_name:
            image.ebs_snapshot = snapshot
    return snapshots


def _check_image(backend: Any, instance: Any, name: str) -> None:
    if instance._state.name not in {"running", "stopped", "stopping"}:
        raise EC2ClientError(
            "IncorrectState",
            f"Instance '{instance.id}' is not in the 'running', 'stopping' or 'stopped' state.",
        )
    taken = [each.id for each in backend.amis.values() if each.name == name]
    if taken:
        raise EC2ClientError(
            "InvalidAMIName.Duplicate",
            f"AMI name {name} is already in use by AMI {taken[0]}",
        )


def _patch_reboot(patches: Patches) -> None:
    create = EC2Response.create_image

    def create_image(self: Any) -> Any:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        instance.left_out_of_image = {
            mapping["DeviceName"]
            for mapping in self._get_param("BlockDeviceMappings", [])
            if mapping.get("NoDevice") == ""
        }
        result = create(self)
        no_reboot = str(self._get_param("NoReboot", False)).lower() == "true"
        if not no_reboot and instance._state.name == "running":
            instance.reboot()
        return result

    patches.attribute(EC2Response, "create_image", create_image)
