"""The parameters of the calls of a switch, as they are sent and as a dry run lists them.

Source: Amazon EC2 API Reference, RunInstances and CreateImage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_moves import LaunchRequest, LaunchSettings

TAGGED_AT_LAUNCH: Final = ("instance", "volume")
"""Resources that a launch tags, besides a spot request; on-demand launches refuse that tag."""

_BURSTABLE: Final = re.compile(r"t\d")
"""Instance types that take a credit specification: t2, t3, t3a, t4g."""


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form of the API."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def run_instances(request: LaunchRequest) -> dict[str, Any]:
    """Parameters of RunInstances, without user data.

    Args:
        request: one instance; spot is one-time, terminated when interrupted, and never costs more
            than on-demand.
    """
    settings = request.settings
    kinds = list(TAGGED_AT_LAUNCH)
    parameters: dict[str, Any] = {
        "ClientToken": request.client_token,
        "InstanceType": request.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        **_source(request),
        **_place(request),
        **_settings(settings),
    }
    if settings.credit_specification and _BURSTABLE.match(request.instance_type):
        parameters["CreditSpecification"] = {"CpuCredits": settings.credit_specification}
    if request.lifecycle is Lifecycle.SPOT:
        kinds.append("spot-instances-request")
        options: dict[str, Any] = {
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
        }
        if request.max_price_usd_per_hour is not None:
            options["MaxPrice"] = f"{request.max_price_usd_per_hour:.10g}"
        parameters["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    elif settings.shutdown_behavior:
        parameters["InstanceInitiatedShutdownBehavior"] = settings.shutdown_behavior
    tags = tag_list(request.tags)
    parameters["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in kinds]
    return parameters


def create_image(
    instance_id: str,
    name: str,
    *,
    reboot: bool,
    without_devices: Sequence[str],
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Parameters of CreateImage; volumes that are moved are left out."""
    parameters: dict[str, Any] = {
        "InstanceId": instance_id,
        "Name": name,
        "Description": f"SpotLab's image of {instance_id}, deleted after the switch",
        "NoReboot": not reboot,
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tag_list(tags)} for kind in ("image", "snapshot")
        ],
    }
    if without_devices:
        parameters["BlockDeviceMappings"] = [
            {"DeviceName": device, "NoDevice": ""} for device in without_devices
        ]
    return parameters


def _source(request: LaunchRequest) -> dict[str, Any]:
    settings = request.settings
    if settings.template_id and not request.image_id:
        template = {"LaunchTemplateId": settings.template_id, "Version": settings.template_version}
        return {"LaunchTemplate": template}
    return {"ImageId": request.image_id}


def _place(request: LaunchRequest) -> dict[str, Any]:
    """Subnet, security groups and zone; a template with interfaces takes them as an interface's."""
    settings = request.settings
    subnet = {"SubnetId": request.subnet_id} if request.subnet_id else {}
    groups = list(settings.security_group_ids)
    if settings.as_interface:
        interface: dict[str, Any] = {"DeviceIndex": 0, **subnet}
        if groups:
            interface["Groups"] = groups
        return {"NetworkInterfaces": [interface]}
    placement = {}
    if not subnet and request.availability_zone:
        placement["AvailabilityZone"] = request.availability_zone
    if settings.placement_group:
        placement["GroupName"] = settings.placement_group
    return {
        **subnet,
        **({"Placement": placement} if placement else {}),
        **({"SecurityGroupIds": groups} if groups else {}),
    }


def _settings(settings: LaunchSettings) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if settings.instance_profile_arn:
        parameters["IamInstanceProfile"] = {"Arn": settings.instance_profile_arn}
    if settings.key_name:
        parameters["KeyName"] = settings.key_name
    if settings.metadata_options:
        parameters["MetadataOptions"] = dict(settings.metadata_options)
    if settings.monitoring:
        parameters["Monitoring"] = {"Enabled": True}
    if settings.ebs_optimized:
        parameters["EbsOptimized"] = True
    return parameters
