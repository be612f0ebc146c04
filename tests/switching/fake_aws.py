"""An AWS account in memory that behaves as EC2 does over time, with faults and crashes.

It keeps watch: at every moment at least one healthy instance must serve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spotlab.domain.decision import Lifecycle
from spotlab.domain.ports.switching import (
    AttachedVolume,
    ImageView,
    InstanceView,
    OwnResource,
    VolumeView,
)
from spotlab.domain.switch_moves import LaunchRequest
from spotlab.domain.switch_tags import SWITCH_TAG
from spotlab.errors import (
    AccessDenied,
    AwsError,
    AwsUnreachable,
    CapacityRefused,
    NoSuchThing,
    Throttled,
)

START = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MAX_TAGS = 50
BOOT_S, CHECKS_S, IMAGE_S, VOLUME_S, TARGET_S, SHUTDOWN_S, STOP_S = 40, 60, 45, 6, 10, 20, 20
FAULTS = ("throttled", "timeout_before", "timeout_after", "capacity", "denied", "malformed")
"""What a call can fail with; "malformed": the answer of a call that took effect is unreadable."""


class Time:
    """A world's time, which passes only when somebody sleeps; the wall clock can jump."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.jump = timedelta()
        self.watchers: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) + self.jump

    def sleep(self, seconds: float) -> None:
        """Let time pass in steps, so that watchers see what happens in between."""
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds = min(end, self.seconds + 2.0)
            for watch in self.watchers:
                watch()


class Crash(BaseException):
    """The driver is killed: no handler of errors may catch it."""


@dataclass
class FakeInstance:
    """An instance and when it will be what."""

    instance_id: str
    instance_type: str
    zone: str
    lifecycle: Lifecycle
    launched_s: float
    tags: dict[str, str] = field(default_factory=dict)
    token: str = ""
    spot_request: str = ""
    state: str = "pending"
    running_s: float = 0.0
    visible_s: float = 0.0
    ended_s: float | None = None
    reason: str = ""
    impaired: bool = False
    root_volume: str = ""


@dataclass
class FakeVolume:
    """A volume and what it is attached to."""

    volume_id: str
    instance_id: str = ""
    device: str = ""
    attachment: str = ""
    ready_s: float = 0.0
    delete_on_termination: bool = False
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeImage:
    """An image that becomes available after a while."""

    image_id: str
    name: str
    ready_s: float
    snapshots: tuple[str, ...]
    tags: dict[str, str]
    why: str = ""


class FakeAws:
    """See the module. Implements `SwitchingPort`."""

    def __init__(self, time: Time, *, appears_after_s: float = 0.0) -> None:
        self.time = time
        self.instances: dict[str, FakeInstance] = {}
        self.volumes: dict[str, FakeVolume] = {}
        self.images: dict[str, FakeImage] = {}
        self.snapshots: dict[str, dict[str, str]] = {}
        self.addresses: dict[str, str] = {}
        self.targets: dict[tuple[str, str], tuple[str, float]] = {}
        self.drain_s = 30.0
        self.deleted_groups: set[str] = set()
        self.denies_all = False
        self.requests: dict[str, tuple[str, bool, dict[str, str]]] = {}
        self.tokens: dict[str, tuple[LaunchRequest, str]] = {}
        self.without_capacity: dict[tuple[str, str, Lifecycle], int] = {}
        self.calls: list[str] = []
        self.faults: dict[int, str] = {}
        self.always: dict[str, str] = {}
        self.crash_at: tuple[int, str] | None = None
        self.least_healthy = 1
        self.breaches: list[str] = []
        self.taken: set[str] = set()
        self.took_volume = False
        self.on_call: Callable[[str], None] = lambda _name: None
        self.appears_after_s = appears_after_s
        self.sent: Counter[str] = Counter()
        self._number = 0
        time.watchers.append(self.watch)

    # What a test sets up and looks at.

    def add(self, instance_id: str, instance_type: str, zone: str, lifecycle: Lifecycle) -> None:
        """A running, healthy instance."""
        self.instances[instance_id] = FakeInstance(
            instance_id, instance_type, zone, lifecycle, -3600.0, state="running",
            running_s=-3600.0, spot_request="sir-old" if lifecycle is Lifecycle.SPOT else "",
        )  # fmt: skip
        if lifecycle is Lifecycle.SPOT:
            self.requests["sir-old"] = (instance_id, True, {})

    def interrupt(self, instance_id: str) -> None:
        """AWS takes a spot instance."""
        if self.instances[instance_id].state in ("pending", "running"):
            self._end(self.instances[instance_id], "Server.SpotInstanceTermination")
            self.taken.add(instance_id)
            self.least_healthy = 1 if self.healthy() else 0

    def delete_group(self, arn: str) -> None:
        """Somebody deletes a target group."""
        self.deleted_groups.add(arn)
        self.targets = {key: value for key, value in self.targets.items() if key[0] != arn}

    def healthy(self) -> list[str]:
        """Ids of running instances that pass their status checks."""
        self._tick()
        return [
            each.instance_id
            for each in self.instances.values()
            if each.state == "running" and self._checks_ok(each)
        ]

    def alive(self) -> list[str]:
        """Ids of instances that cost money."""
        self._tick()
        return [
            each.instance_id
            for each in self.instances.values()
            if each.state in ("pending", "running", "stopping", "stopped")
        ]

    def watch(self) -> None:
        """Note a moment with too few healthy instances."""
        if len(self.healthy()) < self.least_healthy:
            self.breaches.append(f"no healthy instance at {self.time.seconds:.0f} s")

    def _checks_ok(self, each: FakeInstance) -> bool:
        return not each.impaired and self.time.seconds >= each.running_s + CHECKS_S

    def _tick(self) -> None:
        now = self.time.seconds
        for each in self.instances.values():
            if each.state == "pending" and now >= each.running_s:
                each.state = "running"
            if each.state == "shutting-down" and each.ended_s is not None and now >= each.ended_s:
                each.state = "terminated"
                self._release(each)
            if each.state == "stopping" and each.ended_s is not None and now >= each.ended_s:
                each.state = "stopped"
        for volume in self.volumes.values():
            if volume.attachment == "attaching" and now >= volume.ready_s:
                volume.attachment = "attached"
            if volume.attachment == "detaching" and now >= volume.ready_s:
                volume.attachment, volume.instance_id, volume.device = "", "", ""
        for key, (state, since) in list(self.targets.items()):
            if state == "initial" and now >= since + TARGET_S:
                healthy = key[1] in self.instances and self.instances[key[1]].state == "running"
                self.targets[key] = ("healthy" if healthy else "unhealthy", now)
            if state == "draining" and now >= since + self.drain_s:
                del self.targets[key]

    def _release(self, each: FakeInstance) -> None:
        """What happens to what a terminated instance had."""
        for volume in list(self.volumes.values()):
            if volume.instance_id == each.instance_id:
                if volume.delete_on_termination:
                    del self.volumes[volume.volume_id]
                    self.took_volume |= each.instance_id in self.taken and not volume.tags
                else:
                    volume.instance_id, volume.attachment, volume.device = "", "", ""
        for allocation, holder in self.addresses.items():
            if holder == each.instance_id:
                self.addresses[allocation] = ""
        for key in [key for key in self.targets if key[1] == each.instance_id]:
            del self.targets[key]
        if each.spot_request:
            self.requests.pop(each.spot_request, None)

    def _end(self, each: FakeInstance, reason: str) -> None:
        if each.state not in ("shutting-down", "terminated"):
            each.state, each.reason = "shutting-down", reason
            each.ended_s = self.time.seconds + SHUTDOWN_S

    def _id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number:04d}"

    def _call(self, name: str, effect: Callable[[], Any], *, changes: bool) -> Any:
        """Make a call, with its fault or crash."""
        self._tick()
        number = len(self.calls)
        self.calls.append(name)
        self.sent[name] += 1
        self.on_call(name)
        self._tick()
        fault = self.faults.pop(number, self.always.get(name, ""))
        if self.denies_all:
            fault = "denied"
        if self.crash_at == (number, "before"):
            raise Crash
        match fault:
            case "throttled":
                raise Throttled(f"{name} was throttled", code="RequestLimitExceeded")
            case "timeout_before":
                raise AwsUnreachable(f"{name} timed out")
            case "denied":
                raise AccessDenied(f"{name} was denied", code="UnauthorizedOperation")
            case "capacity" if name in ("run_instance", "start"):
                raise CapacityRefused("no capacity", code="InsufficientInstanceCapacity")
            case "not_yet" if changes:
                raise NoSuchThing(f"{name}: not found", code="InvalidInstanceID.NotFound")
        result = effect()
        self._tick()
        self.watch()
        if fault in ("timeout_after", "malformed"):
            raise AwsUnreachable(f"the answer of {name} was lost")
        if self.crash_at == (number, "after"):
            raise Crash
        return result

    def _read(self, name: str, effect: Callable[[], Any]) -> Any:
        return self._call(name, effect, changes=False)

    def _change(self, name: str, effect: Callable[[], Any]) -> Any:
        return self._call(name, effect, changes=True)

    # Reads.

    def _view(self, each: FakeInstance) -> InstanceView:
        volumes = tuple(
            AttachedVolume(volume.volume_id, volume.device, volume.delete_on_termination)
            for volume in self.volumes.values()
            if volume.instance_id == each.instance_id
        )
        return InstanceView(
            each.instance_id, each.state, each.instance_type, each.zone, each.lifecycle,
            checks_ok=each.state == "running" and self._checks_ok(each),
            impaired=each.impaired, state_reason=each.reason, spot_request_id=each.spot_request,
            tags=dict(each.tags), volumes=volumes, client_token=each.token,
            launched_at=START + timedelta(seconds=each.launched_s),
        )  # fmt: skip

    def instance(self, instance_id: str) -> InstanceView | None:
        def effect() -> InstanceView | None:
            each = self.instances.get(instance_id)
            if each is None or self.time.seconds < each.visible_s:
                return None
            return self._view(each)

        return self._read("instance", effect)  # type: ignore[no-any-return]

    def launched(self, switch_id: str, token: str = "") -> Sequence[InstanceView]:
        def effect() -> list[InstanceView]:
            return [
                self._view(each)
                for each in self.instances.values()
                if self.time.seconds >= each.visible_s
                and (each.tags.get(SWITCH_TAG) == switch_id or (token and each.token == token))
            ]

        return self._read("launched", effect)  # type: ignore[no-any-return]

    def _image_view(self, image: FakeImage) -> ImageView:
        ready = self.time.seconds >= image.ready_s
        state = "failed" if image.why else "available" if ready else "pending"
        return ImageView(image.image_id, state, image.snapshots, image.why, image.tags)

    def image(self, image_id: str) -> ImageView | None:
        def effect() -> ImageView | None:
            image = self.images.get(image_id)
            return None if image is None else self._image_view(image)

        return self._read("image", effect)  # type: ignore[no-any-return]

    def image_named(self, name: str) -> ImageView | None:
        def effect() -> ImageView | None:
            found = [each for each in self.images.values() if each.name == name]
            return self._image_view(found[0]) if found else None

        return self._read("image_named", effect)  # type: ignore[no-any-return]

    def volume(self, volume_id: str) -> VolumeView | None:
        def effect() -> VolumeView | None:
            each = self.volumes.get(volume_id)
            if each is None:
                return None
            state = "in-use" if each.instance_id else "available"
            return VolumeView(
                volume_id, state, each.attachment, each.instance_id, each.device, each.tags
            )

        return self._read("volume", effect)  # type: ignore[no-any-return]

    def address_holder(self, allocation_id: str) -> str | None:
        return self._read(  # type: ignore[no-any-return]
            "address_holder", lambda: self.addresses.get(allocation_id)
        )

    def target_health(self, target_group_arn: str, instance_id: str, port: int) -> str | None:
        def effect() -> str | None:
            if target_group_arn in self.deleted_groups:
                return None
            return self.targets.get((target_group_arn, instance_id), ("", 0))[0]

        return self._read("target_health", effect)  # type: ignore[no-any-return]

    def spot_request_open(self, request_id: str) -> bool:
        return self._read(  # type: ignore[no-any-return]
            "spot_request_open", lambda: self.requests.get(request_id, ("", False, {}))[1]
        )

    def own(self, switch_id: str | None = None) -> Sequence[OwnResource]:
        return self._read("own", lambda: self.leftovers(switch_id))  # type: ignore[no-any-return]

    def leftovers(self, switch_id: str | None = None) -> list[OwnResource]:
        """What carries the tag, without a call."""
        self._tick()
        alive = {each: self.instances[each].tags for each in self.alive()}
        kinds: Mapping[str, Mapping[str, dict[str, str]]] = {
            "instance": alive,
            "image": {each.image_id: each.tags for each in self.images.values()},
            "snapshot": self.snapshots,
            "volume": {each.volume_id: each.tags for each in self.volumes.values()},
            "spot-instances-request": {
                name: tags for name, (_, opened, tags) in self.requests.items() if opened
            },
        }
        return [
            OwnResource(kind, name, tags[SWITCH_TAG], tags=dict(tags))
            for kind, resources in kinds.items()
            for name, tags in resources.items()
            if SWITCH_TAG in tags and switch_id in (None, tags[SWITCH_TAG])
        ]

    # Changes.

    def create_image(
        self,
        instance_id: str,
        name: str,
        *,
        reboot: bool,
        without_devices: Sequence[str],
        tags: Mapping[str, str],
    ) -> str:
        def effect() -> str:
            if any(each.name == name for each in self.images.values()):
                raise AwsError("the name is used", code="InvalidAMIName.Duplicate")
            snapshot = self._id("snap")
            self.snapshots[snapshot] = dict(tags)
            image = FakeImage(
                self._id("ami"), name, self.time.seconds + IMAGE_S, (snapshot,), dict(tags)
            )
            self.images[image.image_id] = image
            return image.image_id

        return self._change("create_image", effect)  # type: ignore[no-any-return]

    def run_instance(self, request: LaunchRequest) -> str:
        def effect() -> str:
            return self._run(request)

        return self._change("run_instance", effect)  # type: ignore[no-any-return]

    def _run(self, request: LaunchRequest) -> str:
        known = self.tokens.get(request.client_token)
        if known is not None:
            if known[0] != request:
                raise AwsError("other parameters", code="IdempotentParameterMismatch")
            if self.instances[known[1]].state in ("shutting-down", "terminated"):
                raise AwsError("it has ended", code="IdempotentInstanceTerminated")
            return known[1]
        pool = (request.instance_type, request.availability_zone, request.lifecycle)
        if self.without_capacity.get(pool, 0) > 0:
            self.without_capacity[pool] -= 1
            raise CapacityRefused("no capacity", code="InsufficientInstanceCapacity")
        now = self.time.seconds
        made = FakeInstance(
            self._id("i"), request.instance_type, request.availability_zone, request.lifecycle,
            now, dict(request.tags), request.client_token, running_s=now + BOOT_S,
            visible_s=now + self.appears_after_s,
        )  # fmt: skip
        if request.lifecycle is Lifecycle.SPOT:
            made.spot_request = self._id("sir")
            self.requests[made.spot_request] = (made.instance_id, True, dict(request.tags))
        root = FakeVolume(
            self._id("vol"), made.instance_id, "/dev/xvda", "attached", 0.0, True,
            dict(request.tags),
        )  # fmt: skip
        self.volumes[root.volume_id] = root
        self.instances[made.instance_id] = made
        self.tokens[request.client_token] = (request, made.instance_id)
        return made.instance_id

    def _existing(self, instance_id: str) -> FakeInstance:
        if instance_id not in self.instances:
            raise NoSuchThing("not found", code="InvalidInstanceID.NotFound")
        return self.instances[instance_id]

    def terminate(self, instance_id: str) -> None:
        self._change(
            "terminate",
            lambda: self._end(self._existing(instance_id), "Client.UserInitiatedShutdown"),
        )

    def stop(self, instance_id: str) -> None:
        def effect() -> None:
            each = self._existing(instance_id)
            if each.state == "running":
                each.state, each.ended_s = "stopping", self.time.seconds + STOP_S

        self._change("stop", effect)

    def start(self, instance_id: str) -> None:
        def effect() -> None:
            each = self._existing(instance_id)
            if each.state != "stopped":
                raise AwsError("not stopped", code="IncorrectInstanceState")
            pool = (each.instance_type, each.zone, each.lifecycle)
            if self.without_capacity.get(pool, 0) > 0:
                self.without_capacity[pool] -= 1
                raise CapacityRefused("no capacity", code="InsufficientInstanceCapacity")
            each.state, each.running_s = "pending", self.time.seconds + BOOT_S

        self._change("start", effect)

    def change_type(self, instance_id: str, instance_type: str) -> None:
        def effect() -> None:
            each = self._existing(instance_id)
            if each.state != "stopped":
                raise AwsError("not stopped", code="IncorrectInstanceState")
            each.instance_type = instance_type

        self._change("change_type", effect)

    def cancel_spot_request(self, request_id: str) -> None:
        def effect() -> None:
            if request_id in self.requests:
                instance_id, _, tags = self.requests[request_id]
                self.requests[request_id] = (instance_id, False, tags)

        self._change("cancel_spot_request", effect)

    def _tags_of(self, resource_id: str) -> dict[str, str] | None:
        if resource_id in self.instances:
            return self.instances[resource_id].tags
        if resource_id in self.volumes:
            return self.volumes[resource_id].tags
        if resource_id in self.requests:
            return self.requests[resource_id][2]
        return self.snapshots.get(resource_id)

    def add_tags(self, resource_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        def effect() -> None:
            for each in resource_ids:
                if len({**(self._tags_of(each) or {}), **tags}) > MAX_TAGS:
                    raise AwsError("more than 50 tags", code="TagLimitExceeded")
                (self._tags_of(each) or {}).update(tags)

        self._change("add_tags", effect)

    def remove_tags(self, resource_ids: Sequence[str], names: Sequence[str]) -> None:
        def effect() -> None:
            for each in resource_ids:
                for name in names:
                    (self._tags_of(each) or {}).pop(name, None)

        self._change("remove_tags", effect)

    def associate_address(self, allocation_id: str, instance_id: str) -> None:
        def effect() -> None:
            if self._existing(instance_id).state != "running":
                raise AwsError("pending", code="InvalidInstanceID")
            self.addresses[allocation_id] = instance_id

        self._change("associate_address", effect)

    def register_target(self, target_group_arn: str, instance_id: str, port: int) -> None:
        def effect() -> None:
            self._require_group(target_group_arn)
            if self._existing(instance_id).state != "running":
                raise AwsError("not running", code="InvalidTarget")
            state = self.targets.get((target_group_arn, instance_id), ("", 0))[0]
            if state in ("", "draining"):
                self.targets[target_group_arn, instance_id] = ("initial", self.time.seconds)

        self._change("register_target", effect)

    def _require_group(self, arn: str) -> None:
        if arn in self.deleted_groups:
            raise NoSuchThing("no such target group", code="TargetGroupNotFound")

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int) -> None:
        def effect() -> None:
            self._require_group(target_group_arn)
            if (target_group_arn, instance_id) in self.targets:
                self.targets[target_group_arn, instance_id] = ("draining", self.time.seconds)

        self._change("deregister_target", effect)

    def detach_volume(self, volume_id: str, instance_id: str) -> None:
        def effect() -> None:
            each = self.volumes[volume_id]
            if each.instance_id != instance_id or each.attachment != "attached":
                raise AwsError("not attached", code="IncorrectState")
            each.attachment, each.ready_s = "detaching", self.time.seconds + VOLUME_S

        self._change("detach_volume", effect)

    def attach_volume(self, volume_id: str, instance_id: str, device: str) -> None:
        def effect() -> None:
            each = self.volumes[volume_id]
            if each.instance_id:
                raise AwsError("in use", code="VolumeInUse")
            if self._existing(instance_id).state != "running":
                raise AwsError("not running", code="IncorrectState")
            each.instance_id, each.device, each.delete_on_termination = instance_id, device, False
            each.attachment, each.ready_s = "attaching", self.time.seconds + VOLUME_S

        self._change("attach_volume", effect)

    def keep_volume(self, instance_id: str, device: str, *, delete_on_termination: bool) -> None:
        def effect() -> None:
            for each in self.volumes.values():
                if (each.instance_id, each.device) == (instance_id, device):
                    each.delete_on_termination = delete_on_termination

        self._change("keep_volume", effect)

    def deregister_image(self, image_id: str) -> None:
        def effect() -> None:
            if self.images.pop(image_id, None) is None:
                raise NoSuchThing("not found", code="InvalidAMIID.NotFound")

        self._change("deregister_image", effect)

    def delete_snapshot(self, snapshot_id: str) -> None:
        def effect() -> None:
            if any(snapshot_id in each.snapshots for each in self.images.values()):
                raise AwsError("in use", code="InvalidSnapshot.InUse")
            if self.snapshots.pop(snapshot_id, None) is None:
                raise NoSuchThing("not found", code="InvalidSnapshot.NotFound")

        self._change("delete_snapshot", effect)

    def delete_volume(self, volume_id: str) -> None:
        def effect() -> None:
            if self.volumes[volume_id].instance_id:
                raise AwsError("in use", code="VolumeInUse")
            del self.volumes[volume_id]

        self._change("delete_volume", effect)
