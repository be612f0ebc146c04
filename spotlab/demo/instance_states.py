"""States of emulated instances: launch, checks, stop, start, reboot, termination, interruption.

In moto, every change is immediate. Here it takes time and is announced to EventBridge.
Source: EC2 User Guide, "Amazon EC2 instance state changes" and "Spot Instance interruptions".
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState, StateReason

from spotlab.demo import event_bus
from spotlab.demo.cloudtrail import evicted
from spotlab.demo.patcher import Patches
from spotlab.demo.spot_requests import close_request, is_one_time
from spotlab.demo.world import World

_CODES: Final = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
USER_INITIATED: Final = ("Client.UserInitiatedShutdown", "User initiated shutdown")
RECLAIMED: Final = ("Server.SpotInstanceTermination", "Spot instance termination")
LAUNCH_FAILED: Final = ("Client.InternalError", "Client error on launch")
"""StateReason codes and messages."""
_ENDED: Final = frozenset({"shutting-down", "terminated"})

_terminate = Instance.terminate
_stop = Instance.stop


def enter(world: World, instance: Any, name: str) -> Any:
    """Put an instance into a state, and announce it. Returns the state."""
    state = InstanceState(name, _CODES[name])
    instance._state = state
    backend = instance.ec2_backend
    event_bus.send(
        backend.account_id,
        backend.region_name,
        "EC2 Instance State-change Notification",
        {"instance-id": instance.id, "state": name},
        world.clock.now(),
    )
    return state


def _later(world: World, instance: Any, delay_s: float, then: Callable[[], None]) -> None:
    """Do something later, unless the instance has left its state before."""
    state = instance._state
    world.timeline.after(delay_s, lambda: then() if instance._state is state else None)


def begin_launch(world: World, instance: Any) -> None:
    """The instance is pending, then running, and later passes its status checks."""
    enter(world, instance, "pending")
    instance.checks = "initializing"

    def run() -> None:
        enter(world, instance, "running")
        _later(world, instance, world.delays.checks_s, lambda: setattr(instance, "checks", "ok"))

    _later(world, instance, world.delays.boot_s, run)


def fail_launch(world: World, instance: Any) -> None:
    """The instance is pending, and then terminated: its volumes cannot be decrypted."""
    enter(world, instance, "pending")
    _later(world, instance, world.delays.boot_s, lambda: _end(world, instance, LAUNCH_FAILED))


def begin_termination(
    world: World, instance: Any, reason: tuple[str, str] = USER_INITIATED
) -> None:
    """The instance shuts down, and is terminated a little later."""
    if instance._state.name in _ENDED:
        return
    enter(world, instance, "shutting-down")
    _set_reason(instance, reason)
    close_request(instance, reclaimed=reason is RECLAIMED)
    _later(world, instance, world.delays.shutting_down_s, lambda: _end(world, instance, reason))


def reclaim(world: World, instance: Any) -> None:
    """EC2 interrupts a spot instance, and CloudTrail records it."""
    if instance._state.name in _ENDED or instance.lifecycle != "spot":
        return
    begin_termination(world, instance, RECLAIMED)
    backend = instance.ec2_backend
    world.trail.add(
        evicted(backend.account_id, backend.region_name, [instance.id], world.clock.now())
    )


def _end(world: World, instance: Any, reason: tuple[str, str]) -> None:
    """Free what the instance used, and let EC2 forget it after about an hour."""
    backend = instance.ec2_backend
    for address in backend.addresses:
        if address.instance is instance or (address.eni and address.eni.instance is instance):
            backend.disassociate_address(address=address.public_ip)
    _terminate(instance)
    enter(world, instance, "terminated")
    _set_reason(instance, reason)
    close_request(instance, reclaimed=reason is RECLAIMED)
    world.timeline.after(world.delays.terminated_listed_s, lambda: _forget(backend, instance))


def _forget(backend: Any, instance: Any) -> None:
    for reservation in list(backend.reservations.values()):
        if instance in reservation.instances:
            reservation.instances = [each for each in reservation.instances if each is not instance]
            if not reservation.instances:
                backend.reservations.pop(reservation.id, None)


def _set_reason(instance: Any, reason: tuple[str, str]) -> None:
    code, message = reason
    instance.state_reason = StateReason(f"{code}: {message}", code)


def _begin_stop(world: World, instance: Any) -> None:
    if instance._state.name in {"stopping", "stopped"}:
        return
    if instance._state.name != "running":
        raise _wrong_state(instance, "stopped")
    if instance.lifecycle == "spot" and is_one_time(instance):
        raise EC2ClientError(
            "UnsupportedOperation",
            f"You can't stop the Spot Instance '{instance.id}' because it is associated with a "
            "one-time Spot Instance request. You can only stop Spot Instances associated with "
            "persistent Spot Instance requests.",
        )
    enter(world, instance, "stopping")

    def end() -> None:
        _stop(instance)
        enter(world, instance, "stopped")

    _later(world, instance, world.delays.stopping_s, end)


def _begin_start(world: World, instance: Any) -> None:
    if instance._state.name in {"pending", "running"}:
        return
    if instance._state.name != "stopped":
        raise _wrong_state(instance, "started")
    check_capacity(world, "StartInstances", instance._placement.zone, instance.instance_type)
    for interface in instance.nics.values():
        interface.start()
    instance._reason, instance.state_reason = "", StateReason()
    begin_launch(world, instance)


def _begin_reboot(world: World, instance: Any) -> None:
    """The instance stays "running", but its status checks fail for a moment."""
    if instance._state.name != "running":
        raise _wrong_state(instance, "rebooted")
    instance.checks = "impaired"
    _later(world, instance, world.delays.reboot_s, lambda: setattr(instance, "checks", "ok"))


def _wrong_state(instance: Any, verb: str) -> EC2ClientError:
    return EC2ClientError(
        "IncorrectInstanceState",
        f"The instance '{instance.id}' is not in a state from which it can be {verb}.",
    )


def check_capacity(world: World, operation: str, zone: str, instance_type: str) -> None:
    """Raise InsufficientInstanceCapacity if a fault or a shortage says that the pool has none."""
    if world.is_short(zone[:-1], instance_type) or world.faults.lacks_capacity(
        operation, zone, instance_type
    ):
        raise EC2ClientError(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {instance_type} capacity in the Availability "
            f"Zone you requested ({zone}). Our system will be working on provisioning additional "
            "capacity.",
        )


def patch_instance_states(patches: Patches, world: World) -> None:
    """Give moto's instances the states of AWS's, in time."""
    ready: Any = vars(Instance)["instance_status"].fget

    def terminate(self: Any) -> Any:
        before = copy.copy(self._state)
        begin_termination(world, self)
        return before

    def stop(self: Any) -> Any:
        before = copy.copy(self._state)
        _begin_stop(world, self)
        return before

    def start(self: Any) -> Any:
        before = copy.copy(self._state)
        _begin_start(world, self)
        return before

    def status(self: Any) -> dict[str, Any]:
        checks = getattr(self, "checks", "ok")
        if self._state.name != "running" or checks == "ok":
            return dict(ready(self))
        passed = "failed" if checks == "impaired" else checks
        return {"Details": [{"Name": "reachability", "Status": passed}], "Status": checks}

    patches.attribute(Instance, "terminate", terminate)
    patches.attribute(Instance, "stop", stop)
    patches.attribute(Instance, "start", start)
    patches.attribute(Instance, "reboot", lambda self: _begin_reboot(world, self))
    patches.attribute(Instance, "instance_status", property(status))
    patches.attribute(Instance, "system_status", property(status))
    _patch_attributes(patches)
    _patch_listing(patches, world)


def _patch_attributes(patches: Patches) -> None:
    modify = InstanceBackend.modify_instance_attribute

    def modify_instance_attribute(self: Any, instance_id: str, key: str, value: Any) -> Any:
        instance = self.get_instance(instance_id)
        if key in {"instance_type", "user_data"} and instance._state.name != "stopped":
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"The instance '{instance_id}' is not in the 'stopped' state.",
            )
        return modify(self, instance_id, key, value)

    patches.attribute(InstanceBackend, "modify_instance_attribute", modify_instance_attribute)


def _patch_listing(patches: Patches, world: World) -> None:
    """Listings do not contain instances that are not visible yet."""
    describe = InstanceBackend.describe_instances

    def describe_instances(self: Any, filters: Any = None) -> Any:
        reservations = describe(self, filters)
        ids = [each.id for reservation in reservations for each in reservation.instances]
        hidden = set(world.faults.hidden(ids))
        if not hidden:
            return reservations
        for reservation in reservations:
            reservation.instances = [
                each for each in reservation.instances if each.id not in hidden
            ]
        return [each for each in reservations if each.instances]

    patches.attribute(InstanceBackend, "describe_instances", describe_instances)
