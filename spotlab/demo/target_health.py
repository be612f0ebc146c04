"""Health of load balancer targets over time: initial, healthy, draining, gone.

In moto, a target is healthy at once, and gone at once when it is deregistered.
Source: Elastic Load Balancing user guide, "Health checks for target groups" and "Deregistration
delay".
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

from spotlab.demo.patcher import Patches
from spotlab.demo.world import World

_DELAY: Final = "deregistration_delay.timeout_seconds"


def patch_target_health(patches: Patches, world: World) -> None:
    """Give moto's target groups health that takes time."""
    register = FakeTargetGroup.register
    health_for, describe = FakeTargetGroup.health_for, ELBv2Backend.describe_target_health

    def register_slowly(self: Any, targets: list[dict[str, Any]]) -> None:
        known = set(self.targets)
        register(self, targets)
        for target in targets:
            if target["Id"] in known:
                continue
            entry = self.targets[target["Id"]]
            entry["Initial"] = True
            world.timeline.after(world.delays.target_healthy_s, partial(entry.pop, "Initial"))

    def deregister_slowly(self: Any, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            entry = self.targets.pop(target["Id"], None)
            # AWS accepts a target that is not registered
            if entry is not None:
                _drain(world, self, entry)

    def end_of_instances(self: Any, instance_ids: list[str]) -> None:
        deregister_slowly(self, [{"Id": each} for each in instance_ids])

    def health(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        entry = self.targets.get(target["Id"])
        if entry is not None and entry.get("Initial"):
            return _status(self, entry, "initial", "Elb.InitialHealthChecking", "Initial checks")
        instance = ec2_backend.get_instance_by_id(target["Id"]) if entry is not None else None
        if instance is not None and getattr(instance, "checks", "ok") == "impaired":
            return _status(self, entry, "unhealthy", "Target.Timeout", "Request timed out")
        if entry is None and target["Id"] in self.deregistered_targets:
            entry = self.deregistered_targets[target["Id"]]
            text = "Target deregistration is in progress"
            return _status(self, entry, "draining", "Target.DeregistrationInProgress", text)
        return health_for(self, target, ec2_backend)

    def describe_target_health(
        self: Any, target_group_arn: str, targets: list[dict[str, Any]]
    ) -> list[Any]:
        group = self.target_groups.get(target_group_arn)
        if group is not None and not targets:
            targets = [*group.targets.values(), *group.deregistered_targets.values()]
        # moto lists all registered targets if it is asked for none
        return list(describe(self, target_group_arn, targets))

    patches.attribute(FakeTargetGroup, "register", register_slowly)
    patches.attribute(FakeTargetGroup, "deregister", deregister_slowly)
    patches.attribute(FakeTargetGroup, "deregister_terminated_instances", end_of_instances)
    patches.attribute(FakeTargetGroup, "health_for", health)
    patches.attribute(ELBv2Backend, "describe_target_health", describe_target_health)


def _drain(world: World, group: Any, entry: dict[str, Any]) -> None:
    """The target drains for the group's deregistration delay."""
    group.deregistered_targets[entry["Id"]] = entry
    delay_s = float(group.attributes.get(_DELAY, 300)) * world.delays.deregistration_share

    def end() -> None:
        if group.deregistered_targets.get(entry["Id"]) is entry:
            del group.deregistered_targets[entry["Id"]]

    world.timeline.after(delay_s, end)


def _status(group: Any, entry: Any, state: str, reason: str, description: str) -> Any:
    return FakeHealthStatus(
        entry["Id"], entry["Port"], group.health_check_port, state, reason, description
    )
