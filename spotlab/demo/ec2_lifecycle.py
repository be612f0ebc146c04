"""EC2's launches, instance states and images, closer to AWS than moto's.

In moto, launches, status checks and images complete immediately, ClientToken is ignored, and the
filters `client-token` and `instance-lifecycle` do not exist. Here launches are idempotent, fail
where they fail in AWS, and everything takes a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Final
from weakref import WeakKeyDictionary

from moto.ec2 import utils as ec2_utils
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState
from moto.ec2.utils import random_spot_request_id

from spotlab.demo.catalogue import TypeSpec, is_offered, region_named, type_named
from spotlab.demo.patcher import Patches
from spotlab.demo.world import World
from spotlab.domain.instance_types import parse_type

PENDING_S: Final = 2.0
CHECKS_S: Final = 6.0
SHUTTING_DOWN_S: Final = 2.0
IMAGE_S: Final = 4.0
"""How long each step takes: long enough to observe, short enough to wait for. AWS takes minutes."""

_NO_TOKEN: Final = "ABCDE"  # noqa: S105  (moto's value if the caller sets no ClientToken)
_IGNORED_ARGUMENTS: Final = frozenset({"client_token", "is_instance_type_default"})


class Lifecycle:
    """When instances and images entered their state.

    Args:
        elapsed_s: a monotonic clock, seconds.
    """

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self.lock = RLock()
        self._elapsed_s = elapsed_s
        self._since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def begin(self, resource: Any) -> None:
        """Record that a resource enters its state now."""
        self._since[resource] = self._elapsed_s()

    def age_s(self, resource: Any) -> float:
        """Seconds since it entered its state; infinite if that was not recorded."""
        since = self._since.get(resource)
        return float("inf") if since is None else self._elapsed_s() - since

    def settle(self, instance: Any) -> None:
        """Update an instance's state if its time has come."""
        state, age_s = instance._state, self.age_s(instance)
        if state.name == "pending" and age_s >= PENDING_S:
            instance._state = InstanceState("running", 16)
        if state.name == "shutting-down" and age_s >= SHUTTING_DOWN_S:
            instance._state = InstanceState("terminated", 48)


def patch_lifecycle(patches: Patches, world: World) -> None:
    """Give moto's instances and images the life cycle of AWS's."""
    lifecycle = Lifecycle(world.clock.elapsed_s)
    patches.attribute(InstanceBackend, "run_instances", _run_instances(world, lifecycle))
    _patch_states(patches, lifecycle)
    _patch_images(patches, lifecycle)
    for name, attribute in (
        ("client-token", "client_token"),
        ("instance-lifecycle", "lifecycle"),
        # moto compares the zone's name with the placement object
        ("availability-zone", "placement.zone"),
    ):
        patches.item(ec2_utils.filter_dict_attribute_mapping, name, attribute)


def _run_instances(world: World, lifecycle: Lifecycle) -> Callable[..., Any]:
    launch = InstanceBackend.run_instances
    launched: dict[tuple[str, str, str], tuple[object, Any]] = {}

    def run_instances(
        self: Any, image_id: str, count: int, user_data: Any, groups: list[str], **kwargs: Any
    ) -> Any:
        if kwargs.get("client_token") == _NO_TOKEN:
            kwargs["client_token"] = None
        token = (self.account_id, self.region_name, str(kwargs.get("client_token")))
        request = (image_id, count, str(user_data), groups, _comparable(kwargs))
        with lifecycle.lock:
            if kwargs.get("client_token") and token in launched:
                return _checked_repeat(request, *launched[token])
            _check_and_place(self, image_id, kwargs)
            reservation = launch(self, image_id, count, user_data, groups, **kwargs)
            for instance in reservation.instances:
                instance._state = InstanceState("pending", 0)
                instance.launch_time = world.clock.now().replace(tzinfo=None)
                if instance.lifecycle == "spot":
                    instance.spot_instance_request_id = random_spot_request_id()
                lifecycle.begin(instance)
            launched[token] = (request, reservation)
            return reservation

    return run_instances


def _comparable(kwargs: dict[str, Any]) -> str:
    return repr(
        sorted((key, value) for key, value in kwargs.items() if key not in _IGNORED_ARGUMENTS)
    )


def _checked_repeat(request: object, first_request: object, reservation: Any) -> Any:
    if request != first_request:
        raise EC2ClientError(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in "
            "previous request(s).",
        )
    return reservation


def _check_and_place(backend: Any, image_id: str, kwargs: dict[str, Any]) -> None:
    """Raise the errors that AWS would raise; choose a zone if none is requested."""
    spec = _known_type(kwargs["instance_type"])
    _check_image(backend, image_id, spec)
    zones = [
        zone
        for zone in region_named(backend.region_name).zones
        if is_offered(zone, spec.family.name)
    ]
    if not kwargs.get("placement") and not kwargs.get("subnet_id"):
        kwargs["placement"] = zones[0] if zones else None
    subnet = kwargs.get("subnet_id")
    zone = backend.get_subnet(subnet).availability_zone if subnet else kwargs["placement"]
    if zone not in zones:
        raise EC2ClientError(
            "Unsupported",
            f"Your requested instance type ({spec.name}) is not supported in your requested "
            f"Availability Zone ({zone}). Please retry by choosing {', '.join(zones)}.",
        )


def _known_type(name: str) -> TypeSpec:
    try:
        return type_named(name)
    except KeyError as exc:
        raise EC2ClientError(
            "InvalidParameterValue", f"Invalid value '{name}' for InstanceType."
        ) from exc


def _check_image(backend: Any, image_id: str, spec: TypeSpec) -> None:
    (image,) = backend.describe_images(ami_ids=[image_id])
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


def _patch_states(patches: Patches, lifecycle: Lifecycle) -> None:
    reservations, terminate = InstanceBackend.all_reservations, Instance.terminate
    ready: Any = vars(Instance)["instance_status"].fget

    def all_reservations(self: Any, filters: Any = None) -> Any:
        for reservation in list(self.reservations.values()):
            for instance in reservation.instances:
                lifecycle.settle(instance)
        return reservations(self, filters)

    def terminate_slowly(self: Any) -> Any:
        if self._state.name in {"shutting-down", "terminated"}:
            return self._state
        before = terminate(self)
        self._state = InstanceState("shutting-down", 32)
        lifecycle.begin(self)
        return before

    def status(self: Any) -> dict[str, Any]:
        if self._state.name == "running" and lifecycle.age_s(self) < CHECKS_S:
            details = [{"Name": "reachability", "Status": "initializing"}]
            return {"Details": details, "Status": "initializing"}
        return dict(ready(self))

    patches.attribute(InstanceBackend, "all_reservations", all_reservations)
    patches.attribute(Instance, "terminate", terminate_slowly)
    patches.attribute(Instance, "instance_status", property(status))
    patches.attribute(Instance, "system_status", property(status))


def _patch_images(patches: Patches, lifecycle: Lifecycle) -> None:
    create, describe = AmiBackend.create_image, AmiBackend.describe_images

    def create_image(
        self: Any, instance_id: str, name: str, description: str, tag_specifications: Any
    ) -> Any:
        # moto rejects tags of snapshots, which AWS accepts
        tags = [each for each in tag_specifications if each["ResourceType"] == "image"]
        image = create(self, instance_id, name, description, tags)
        image.state = "pending"
        lifecycle.begin(image)
        return image

    def describe_images(self: Any, *args: Any, **kwargs: Any) -> Any:
        for image in list(self.amis.values()):
            if image.state == "pending" and lifecycle.age_s(image) >= IMAGE_S:
                image.state = "available"
        return describe(self, *args, **kwargs)

    patches.attribute(AmiBackend, "create_image", create_image)
    patches.attribute(AmiBackend, "describe_images", describe_images)
