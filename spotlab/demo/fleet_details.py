"""What some instances of the fleet have that a switch must keep, or must not touch.

Addresses, target groups, volumes, keys, templates and owners; pools and ids stay as they are.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import MetadataOptions
from moto.ec2.utils import parse_user_data
from moto.elbv2.models import elbv2_backends
from moto.kms.models import kms_backends

from spotlab.demo.account_services import INSTANCE_PROFILE
from spotlab.demo.block_devices import SPOT_ROLE
from spotlab.demo.catalogue import region_named, type_named
from spotlab.demo.spot_requests import add_request
from spotlab.demo.world import World

TARGET_GROUP: Final = "checkout-api"
LAUNCH_TEMPLATE: Final = "fraud-scoring"
AUTO_SCALING_GROUP: Final = "webhooks"
EKS_CLUSTER: Final = "simulation"
DATA_DEVICE: Final = "/dev/sdf"
_USER_DATA: Final = "#!/bin/sh\nsystemctl start reporting\n"


def add_fleet_details(world: World) -> None:
    """Add the details to the seeded fleet."""
    fleet = {
        name: instance
        for account in world.accounts
        for region in account.regions
        for instance in ec2_backends[account.account_id][region].all_instances()
        if (name := _tags(instance).get("Name"))
    }
    for instance in fleet.values():
        _complete(instance)
    for name, add in _DETAILS.items():
        add(fleet[name])


def _tags(instance: Any) -> dict[str, str]:
    return {each["key"]: each["value"] for each in instance.get_tags()}


def _complete(instance: Any) -> None:
    """Give an instance its root device's name and, if it is spot, its request."""
    instance.ena_support = True
    devices, root = instance.block_device_mapping, instance.root_device_name
    if root not in devices:
        (name,) = list(devices)
        devices[root] = devices.pop(name)
        volume = instance.ec2_backend.volumes[devices[root].volume_id]
        volume.attachment.device = root
    request_id = getattr(instance, "spot_instance_request_id", None)
    if instance.lifecycle == "spot" and request_id:
        spec = type_named(instance.instance_type)
        limit = spec.on_demand_usd_per_hour(region_named(instance.ec2_backend.region_name))
        at: datetime = instance.launch_time
        add_request(instance, request_id, str(limit), {}, {}, at)


def _add_address(instance: Any) -> None:
    backend = instance.ec2_backend
    address = backend.allocate_address("vpc", tags={"Name": "checkout"})
    backend.associate_address(instance=instance, allocation_id=address.allocation_id)


def _add_target(instance: Any) -> None:
    backend = instance.ec2_backend
    load_balancing = elbv2_backends[backend.account_id][backend.region_name]
    groups = {each.name: each for each in load_balancing.target_groups.values()}
    group = groups.get(TARGET_GROUP) or load_balancing.create_target_group(
        TARGET_GROUP,
        vpc_id=instance.vpc_id,
        protocol="HTTP",
        port=8080,
        healthcheck_path="/health",
        target_type="instance",
    )
    group.attributes["deregistration_delay.timeout_seconds"] = 60
    group.register([{"Id": instance.id}])


def _add_template(instance: Any) -> None:
    backend = instance.ec2_backend
    data = {
        "ImageId": instance.image_id,
        "InstanceType": instance.instance_type,
        "IamInstanceProfile": {"Name": INSTANCE_PROFILE},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "UserData": _user_data("#!/bin/sh\nsystemctl start scoring\n"),
        "TagSpecifications": [
            {
                "ResourceType": "instance",
                "Tags": [{"Key": "team", "Value": "payments"}],
            }
        ],
    }
    template = backend.create_launch_template(LAUNCH_TEMPLATE, "", data, {})
    instance.add_tags(
        {
            "aws:ec2launchtemplate:id": template.id,
            "aws:ec2launchtemplate:version": "1",
        }
    )
    instance.metadata_options = MetadataOptions(data["MetadataOptions"])
    instance.user_data = data["UserData"]
    _add_profile(instance)


def _add_volume(size_gib: int, key: Callable[[Any], str] | None = None) -> Callable[[Any], None]:
    def add(instance: Any) -> None:
        backend = instance.ec2_backend
        volume = backend.create_volume(
            size=size_gib,
            zone_name=instance._placement.zone,
            encrypted=key is not None,
            kms_key_id=key(instance) if key else None,
            volume_type="gp3",
        )
        volume.add_tags({"Name": f"{_tags(instance)['Name']} data"})
        backend.attach_volume(volume.id, instance.id, DATA_DEVICE)

    return add


def _key(*, granted: bool) -> Callable[[Any], str]:
    """Makes a customer's key, which the role of spot instances may use if it is granted."""

    def create(instance: Any) -> str:
        backend = instance.ec2_backend
        keys = kms_backends[backend.account_id][backend.region_name]
        key = keys.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "Data volumes", None)
        if granted:
            role = f"role/aws-service-role/spot.amazonaws.com/{SPOT_ROLE}"
            keys.create_grant(
                key.id,
                f"arn:aws:iam::{backend.account_id}:{role}",
                ["Decrypt", "GenerateDataKeyWithoutPlaintext", "CreateGrant", "DescribeKey"],
                "spot",
                {},
                "",
            )
        return str(key.arn)

    return create


def _own(tags: Mapping[str, str]) -> Callable[[Any], None]:
    return lambda instance: instance.add_tags(dict(tags))


def _protect(instance: Any) -> None:
    instance.disable_api_termination = True


def _add_profile(instance: Any) -> None:
    backend = instance.ec2_backend
    backend.associate_iam_instance_profile(
        instance_id=instance.id, iam_instance_profile_name=INSTANCE_PROFILE
    )


def _add_user_data(instance: Any) -> None:
    instance.user_data = _user_data(_USER_DATA)
    instance.metadata_options = MetadataOptions({"HttpTokens": "required"})


def _add_interface(instance: Any) -> None:
    backend, primary = instance.ec2_backend, instance.nics[0]
    interface = backend.create_network_interface(
        primary.subnet, None, description="Second interface of the session cache"
    )
    instance.attach_eni(interface, 1)


def _user_data(text: str) -> Any:
    return parse_user_data(b64encode(text.encode()).decode())


def _several(*details: Callable[[Any], None]) -> Callable[[Any], None]:
    def add(instance: Any) -> None:
        for each in details:
            each(instance)

    return add


_DETAILS: Final[Mapping[str, Callable[[Any], None]]] = {
    "checkout-api-1": _several(_add_address, _add_target),
    "checkout-api-2": _add_target,
    "fraud-scoring-1": _add_template,
    "settlement-batch-1": _add_volume(100),
    "ledger-writer-1": _several(_protect, _add_volume(200)),
    "webhooks-1": _own({"aws:autoscaling:groupName": AUTO_SCALING_GROUP}),
    "order-index-1": _add_volume(50, _key(granted=False)),
    "reporting-eu-1": _several(_add_user_data, _add_profile),
    "session-cache-eu-1": _add_interface,
    "simulation-1": _own(
        {
            "eks:cluster-name": EKS_CLUSTER,
            "eks:nodegroup-name": "spot",
            f"kubernetes.io/cluster/{EKS_CLUSTER}": "owned",
            "aws:autoscaling:groupName": "eks-spot-simulation",
        }
    ),
    "features-etl-1": _add_volume(80, _key(granted=True)),
}
"""By Name tag. The types of train-vision-1 and the other GPU instances have an instance store."""
