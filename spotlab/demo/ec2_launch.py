"""RunInstances as in AWS: client tokens, launch templates, price limits, zones, volumes and keys.

moto ignores client tokens and spot options, takes few fields of a launch template, and gives an
instance of an image none of the image's volumes.
Source: EC2 API reference, RunInstances, and "Ensuring idempotency in Amazon EC2 API requests".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response
from moto.ec2.utils import convert_tag_spec, random_spot_request_id
from moto.iam.models import iam_backends

from spotlab.demo.block_devices import SPOT_ROLE, launch_mappings, locked_key
from spotlab.demo.catalogue import (
    POOLS,
    TypeSpec,
    is_offered,
    region_named,
    type_named,
)
from spotlab.demo.cloudtrail import launched
from spotlab.demo.instance_states import begin_launch, check_capacity, fail_launch
from spotlab.demo.patcher import Patches
from spotlab.demo.spot_requests import add_request
from spotlab.demo.world import World
from spotlab.domain.instance_types import parse_type

_MAX_TOKEN: Final = 64
_NOT_COMPARED: Final = frozenset({"ClientToken", "DryRun"})
_FROM_TEMPLATE: Final = (
    "BlockDeviceMappings",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceMarketOptions",
    "InstanceType",
    "KeyName",
    "MetadataOptions",
    "Monitoring",
    "NetworkInterfaces",
    "Placement",
    "SecurityGroupIds",
    "SecurityGroups",
)
"""Fields of a launch template that a call takes unless it has its own; moto adds UserData."""


@dataclass(frozen=True, slots=True)
class _FirstLaunch:
    """The first launch with a token, for repeated calls."""

    request: str
    reservation: Any


def patch_launches(patches: Patches, world: World) -> None:
    """Give moto AWS's RunInstances."""
    patches.attribute(EC2Response, "run_instances", _run_instances(world))


def _run_instances(world: World) -> Callable[[Any], Any]:
    run = EC2Response.run_instances
    tokens: dict[tuple[str, str, str, str], _FirstLaunch] = {}
    lock = RLock()

    def run_instances(self: Any) -> Any:
        params = self.params
        request = _comparable(params)
        _merge_template(self.ec2_backend, params)
        key = _token_key(self, params)
        with lock:
            if key is not None and key in tokens:
                self.error_on_dryrun()
                return _repeat(request, tokens[key])
            _check(world, self, params)
            result = run(self)
            reservation: Any = result.result
            tags = convert_tag_spec(params.get("TagSpecifications") or [])
            for instance in reservation.instances:
                _finish(world, instance, params, tags.get("spot-instances-request", {}))
            if key is not None:
                tokens[key] = _FirstLaunch(request, reservation)
            return result

    def _repeat(request: str, first: _FirstLaunch) -> Any:
        if request != first.request:
            raise EC2ClientError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in "
                "previous request(s).",
            )
        if all(each._state.name == "terminated" for each in first.reservation.instances):
            raise EC2ClientError(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with an instance that has been "
                "terminated.",
            )
        return ActionResult(first.reservation)

    return run_instances


def _comparable(params: Any) -> str:
    plain = {name: value for name, value in params.items() if name not in _NOT_COMPARED}
    return json.dumps(plain, sort_keys=True, default=str)


def _token_key(response: Any, params: Any) -> tuple[str, str, str, str] | None:
    """Account, region, zone and token; the zone is "" if the call names none.

    Calls are idempotent in the zone that they name, or else in the region.
    """
    token = params.get("ClientToken")
    if not token:
        return None
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Invalid value '{token}' for clientToken. It must have at most 64 ASCII characters.",
        )
    backend = response.ec2_backend
    zone = (params.get("Placement") or {}).get("AvailabilityZone") or ""
    subnet = _subnet(params)
    if subnet:
        zone = backend.get_subnet(subnet).availability_zone
    return backend.account_id, backend.region_name, zone, str(token)


def _merge_template(backend: Any, params: Any) -> None:
    """Add the fields of the launch template that the call does not have."""
    named = params.get("LaunchTemplate")
    if not named:
        return
    _check_template(backend, named)
    data = backend._get_template_from_args(named).data
    for name in _FROM_TEMPLATE:
        if data.get(name) is None:
            continue
        if name == "NetworkInterfaces" and params.get("SubnetId"):
            continue
        own = params.get(name)
        if isinstance(own, dict) and isinstance(data[name], dict):
            for key, value in data[name].items():
                if own.get(key) is None:
                    own[key] = value
        elif own is None or own == []:
            params[name] = data[name]
    tags = data.get("TagSpecifications") or []
    if tags:
        # those of the call come last, so that they win
        params["TagSpecifications"] = [*tags, *(params.get("TagSpecifications") or [])]


def _check_template(backend: Any, named: Any) -> None:
    template_id, name = named.get("LaunchTemplateId"), named.get("LaunchTemplateName")
    if template_id and template_id not in backend.launch_templates:
        raise EC2ClientError(
            "InvalidLaunchTemplateId.NotFound",
            f"The specified launch template, with template ID {template_id}, does not exist.",
        )
    if name and name not in backend.launch_template_name_to_ids:
        raise EC2ClientError(
            "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template name {name}, does not exist.",
        )


def _check(world: World, response: Any, params: Any) -> None:
    """Raise the errors that AWS would raise, and complete the zone and the volumes."""
    market = params.get("InstanceMarketOptions") or {}
    spot = market.get("MarketType") == "spot"
    tags = convert_tag_spec(params.get("TagSpecifications") or [])
    if "spot-instances-request" in tags and not spot:
        raise EC2ClientError(
            "InvalidParameterCombination",
            "You cannot specify tags for Spot instances requests if there are no Spot instances "
            "requests being created by the request.",
        )
    backend = response.ec2_backend
    _check_identities(world, backend, params, spot=spot)
    spec = _known_type(params.get("InstanceType") or "m1.small")
    image = _checked_image(backend, params.get("ImageId"), spec)
    zone = _placed(backend, params, spec)
    mappings = launch_mappings(image, params.get("BlockDeviceMappings") or [])
    params["BlockDeviceMappings"] = mappings
    if spot:
        limit = (market.get("SpotOptions") or {}).get("MaxPrice")
        _check_price(world, zone, spec.name, limit)
    if not params.get("DryRun"):
        check_capacity(world, "RunInstances", zone, spec.name)


def _check_identities(world: World, backend: Any, params: Any, *, spot: bool) -> None:
    """Check the key pair, and the service-linked role, which the first spot launch creates."""
    key_name = params.get("KeyName")
    if key_name and key_name not in backend.key_pairs:
        raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
    iam = iam_backends[backend.account_id]["aws"]
    if not spot or any(role.name == SPOT_ROLE for role in iam.roles.values()):
        return
    if world.denials.denies(backend.account_id, "iam:CreateServiceLinkedRole"):
        raise EC2ClientError(
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            "The provided credentials do not have permission to create the service-linked role "
            "for EC2 Spot Instances.",
        )
    if not params.get("DryRun"):
        iam.create_service_linked_role("spot.amazonaws.com", "", "")


def _check_price(world: World, zone: str, instance_type: str, limit: str | None) -> None:
    price = spot_usd_per_hour(world, zone, instance_type)
    if limit is not None and price is not None and float(limit) < price:
        raise EC2ClientError(
            "SpotMaxPriceTooLow",
            f"Your Spot request price of {limit} is lower than the minimum required Spot request "
            f"fulfillment price of {price:.4f}.",
        )


def spot_usd_per_hour(world: World, zone: str, instance_type: str) -> float | None:
    """The simulated spot price of a Linux pool now, USD per hour; None: no such pool."""
    prices = world.market.prices_at(world.clock.now()).usd_per_hour
    for index, pool in enumerate(POOLS):
        if (pool.zone, pool.spec.name) == (zone, instance_type):
            return float(prices[index])
    return None


def _finish(world: World, instance: Any, params: Any, tags: Mapping[str, str]) -> None:
    """Complete an instance that moto has just launched."""
    instance.launch_time = world.clock.now().replace(tzinfo=None)
    instance.ena_support = True
    instance.client_token = params.get("ClientToken")
    instance.disable_api_termination = bool(params.get("DisableApiTermination"))
    market = params.get("InstanceMarketOptions") or {}
    backend, zone = instance.ec2_backend, instance._placement.zone
    spot = market.get("MarketType") == "spot"
    if spot:
        options = market.get("SpotOptions") or {}
        spec, region = type_named(instance.instance_type), region_named(backend.region_name)
        limit = options.get("MaxPrice") or str(spec.on_demand_usd_per_hour(region))
        now = world.clock.now()
        add_request(instance, random_spot_request_id(), str(limit), options, tags, now)
    world.trail.add(
        launched(
            backend.account_id,
            backend.region_name,
            instance.id,
            (zone, instance.instance_type),
            world.clock.now(),
            spot=spot,
        )
    )
    if locked_key(instance, spot=spot):
        fail_launch(world, instance)
    else:
        begin_launch(world, instance)


def _placed(backend: Any, params: Any, spec: TypeSpec) -> str:
    """The zone of a launch; the first that offers the type if the call names none."""
    zones = [
        zone
        for zone in region_named(backend.region_name).zones
        if is_offered(zone, spec.family.name)
    ]
    placement = params.get("Placement") or {}
    zone = placement.get("AvailabilityZone")
    subnet = _subnet(params)
    if subnet:
        zone = backend.get_subnet(subnet).availability_zone
    elif not zone:
        zone = zones[0] if zones else ""
        params["Placement"] = {**placement, "AvailabilityZone": zone}
    if zone not in zones:
        raise EC2ClientError(
            "Unsupported",
            f"Your requested instance type ({spec.name}) is not supported in your requested "
            f"Availability Zone ({zone}). Please retry by choosing {', '.join(zones)}.",
        )
    return str(zone)


def _subnet(params: Any) -> str | None:
    interfaces = params.get("NetworkInterfaces") or []
    subnets = [params.get("SubnetId"), *(each.get("SubnetId") for each in interfaces)]
    return next((str(each) for each in subnets if each), None)


def _known_type(name: str) -> TypeSpec:
    try:
        return type_named(name)
    except KeyError as exc:
        raise EC2ClientError(
            "InvalidParameterValue", f"Invalid value '{name}' for InstanceType."
        ) from exc


def _checked_image(backend: Any, image_id: str | None, spec: TypeSpec) -> Any:
    if not image_id:
        raise EC2ClientError("MissingParameter", "The request must contain the parameter ImageId")
    found = backend.describe_images(ami_ids=[image_id])
    if not found:
        raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    image = found[0]
    if image.state != "available":
        raise EC2ClientError(
            "InvalidAMIID.Unavailable", f"The image ID '{image_id}' is {image.state}"
        )
    architecture = parse_type(spec.name).architecture.value
    if image.architecture != architecture:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{architecture}' of the specified instance type does not match the "
            f"architecture '{image.architecture}' of the specified AMI. Specify an instance type "
            "and an AMI that have matching architectures, and try again.",
        )
    return image
