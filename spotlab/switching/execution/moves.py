"""Moving what an instance holds to its replacement, and back: tags, targets, volumes, addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import AddressMove, TargetMove, VolumeMove
from spotlab.domain.switches import Phase
from spotlab.switching.execution.idempotent_actions import ensure
from spotlab.switching.execution.signals import Wait
from spotlab.switching.execution.step_context import NOT_VISIBLE_S, StepContext

_SERVING: Final = ("healthy", "unused")
""""unused": the group is behind no load balancer, so AWS checks nothing."""


@dataclass(frozen=True, slots=True)
class Direction:
    """From one instance to the other; `undo`: back to the instance that is replaced."""

    source_id: str
    destination_id: str
    undo: bool = False

    @property
    def phase(self) -> Phase:
        """Of the journal entries."""
        return Phase.UNDONE if self.undo else Phase.AFTER


def copy_tags(context: StepContext, new: InstanceView) -> None:
    """Give the replacement the instance's tags."""
    missing = {
        name: value for name, value in context.plan.tags.items() if new.tags.get(name) != value
    }
    if not missing:
        return

    def done() -> bool:
        now = context.new().tags
        return all(now.get(name) == value for name, value in missing.items())

    ensure(
        context.record,
        f"copy {len(missing)} tags to {new.instance_id}",
        done,
        lambda: context.aws.add_tags([new.instance_id], missing),
        detail={"tags": sorted(missing)},
    )


def move_forward(context: StepContext) -> None:
    """Move everything to the running replacement, addresses last. Raises Wait until all is there.

    Data volumes move only after the instance's connections are drained: until then it needs them.
    """
    new = context.new()
    copy_tags(context, new)
    there = Direction(context.old_id, context.new_id)
    old_alive = context.old_is_alive()
    for target in context.plan.targets:
        register(context, there, target)
    for target in context.plan.targets:
        require_healthy(context, there, target)
    if context.plan.volumes and old_alive:
        drain(context)
    for volume in context.plan.volumes:
        move_volume(context, there, volume)
    for address in context.plan.addresses:
        move_address(context, there, address)


def move_back(context: StepContext, source_id: str) -> None:
    """Give everything back to the instance, which still runs. Raises Wait until all is there.

    Args:
        context: the switch.
        source_id: the replacement that may have it; "": none.
    """
    back = Direction(source_id, context.old_id, undo=True)
    for volume in context.plan.volumes:
        move_volume(context, back, volume)
    for address in context.plan.addresses:
        move_address(context, back, address)
    for target in context.plan.targets:
        register(context, back, target)
    for target in context.plan.targets:
        # It may have been unhealthy before the switch.
        require_healthy(context, back, target, or_unhealthy=True)
    for target in context.plan.targets:
        deregister(context, back, target)


def drain(context: StepContext) -> None:
    """Deregister the instance from its target groups and wait for its connections."""
    if context.plan.targets and context.old_is_alive():
        there = Direction(context.old_id, context.new_id)
        for target in context.plan.targets:
            deregister(context, there, target)


def missing(context: StepContext, new: InstanceView) -> list[str]:
    """What the replacement does not have of what it should have; nothing is changed.

    What somebody deleted, or gave to a third instance, is not lacking: it stays as it is.
    """
    lacking = []
    for address in context.plan.addresses:
        holder = context.aws.address_holder(address.allocation_id)
        if holder not in (new.instance_id, None) and not context.is_foreign(holder):
            lacking.append(f"the address {address.public_ip or address.allocation_id}")
    for volume in context.plan.volumes:
        view = context.aws.volume(volume.volume_id)
        if view is None or context.is_foreign(view.instance_id):
            continue
        if (view.attachment, view.instance_id) != ("attached", new.instance_id):
            lacking.append(f"the volume {volume.volume_id}")
    for target in context.plan.targets:
        health = _health(context, target, new.instance_id)
        if health is not None and health not in _SERVING:
            lacking.append(f"health in {short(target)} (it is {health or 'not registered'})")
    lacking += [
        f"the tag {name}"
        for name, value in context.plan.tags.items()
        if new.tags.get(name) != value
    ]
    return lacking


def short(target: TargetMove) -> str:
    """A target group's name, from its ARN."""
    return target.target_group_arn.rpartition("targetgroup/")[2].partition("/")[0]


def _health(context: StepContext, target: TargetMove, instance_id: str) -> str | None:
    """Health of an instance in a target group; None: somebody deleted the group; it is noted."""
    health = context.aws.target_health(target.target_group_arn, instance_id, target.port)
    if health is None:
        context.record.note(f"the target group {short(target)} does not exist any more")
    return health


def register(context: StepContext, way: Direction, target: TargetMove) -> None:
    """Register the destination, unless it is registered."""

    def done() -> bool:
        health = _health(context, target, way.destination_id)
        return health not in ("", "draining")

    ensure(
        context.record,
        f"register {way.destination_id} in {short(target)}",
        done,
        lambda: context.aws.register_target(
            target.target_group_arn, way.destination_id, target.port
        ),
        phase=way.phase,
    )


def require_healthy(
    context: StepContext, way: Direction, target: TargetMove, *, or_unhealthy: bool = False
) -> None:
    """Wait until the destination is healthy in a target group, or checked at all."""
    health = _health(context, target, way.destination_id)
    if health is None:
        return
    if health not in _SERVING and not (or_unhealthy and health in ("unhealthy", "unavailable")):
        raise Wait(f"{way.destination_id} is {health or 'not registered'} in {short(target)}")


def deregister(context: StepContext, way: Direction, target: TargetMove) -> None:
    """Deregister the source and wait until its connections are closed."""

    def done() -> bool:
        health = _health(context, target, way.source_id)
        if health == "draining":
            raise Wait(f"{way.source_id} is draining in {short(target)}")
        return not health

    if not way.source_id:
        return
    ensure(
        context.record,
        f"deregister {way.source_id} from {short(target)}",
        done,
        lambda: context.aws.deregister_target(target.target_group_arn, way.source_id, target.port),
        phase=way.phase,
    )


def move_volume(context: StepContext, way: Direction, volume: VolumeMove) -> None:
    """Detach a volume from the source, never by force, and attach it to the destination."""
    name = volume.volume_id

    def detached() -> bool:
        view = context.aws.volume(name)
        if view is None:
            raise Wait(f"{name} is not visible")
        if view.attachment in ("detaching", "busy"):
            raise Wait(f"{name} is {view.attachment}")
        return view.instance_id != way.source_id or view.attachment == ""

    def attached() -> bool:
        view = context.aws.volume(name)
        if view is None:
            raise Wait(f"{name} is not visible")
        if view.attachment == "attaching" or (view.attachment == "" and view.state != "available"):
            raise Wait(f"{name} is {view.attachment or view.state}")
        return view.attachment == "attached" and view.instance_id == way.destination_id

    if _stays(context, volume):
        return
    if way.source_id and not attached():
        ensure(
            context.record,
            f"detach {name} from {way.source_id}",
            detached,
            lambda: context.aws.detach_volume(name, way.source_id),
            phase=way.phase,
        )
    ensure(
        context.record,
        f"attach {name} to {way.destination_id}",
        attached,
        lambda: context.aws.attach_volume(name, way.destination_id, volume.device),
        detail={"device": volume.device},
        phase=way.phase,
    )
    if volume.delete_on_termination:
        set_deletion(context, way.destination_id, volume, delete=True, phase=way.phase)


def protect_volumes(context: StepContext) -> None:
    """Before a launch: data volumes that will move survive if AWS takes the instance meanwhile."""
    for volume in context.plan.volumes:
        if volume.delete_on_termination:
            set_deletion(context, context.old_id, volume, delete=False)


def set_deletion(
    context: StepContext,
    instance_id: str,
    volume: VolumeMove,
    *,
    delete: bool,
    phase: Phase = Phase.AFTER,
) -> None:
    """Set whether a volume is deleted with the instance that it is attached to, if it is."""

    def done() -> bool:
        view = context.look(instance_id)
        if view is None or view.gone:
            return True
        return all(
            each.delete_on_termination is delete
            for each in view.volumes
            if each.volume_id == volume.volume_id
        )

    ensure(
        context.record,
        f"{'delete' if delete else 'keep'} {volume.volume_id} when {instance_id} ends",
        done,
        lambda: context.aws.keep_volume(instance_id, volume.device, delete_on_termination=delete),
        phase=phase,
    )


def _stays(context: StepContext, volume: VolumeMove) -> bool:
    """Whether AWS deleted a volume with the instance that it took, or somebody attached it to a
    third instance; it is noted."""
    view = context.aws.volume(volume.volume_id)
    if view is not None:
        if context.is_foreign(view.instance_id):
            context.record.note(f"{view.volume_id} belongs to {view.instance_id} now; it stays")
            return True
        return False
    why = f"{volume.volume_id} is not visible"
    context.record.wait_at_most(why, NOT_VISIBLE_S, why)
    context.record.note(f"{volume.volume_id} does not exist any more")
    return True


def move_address(context: StepContext, way: Direction, address: AddressMove) -> None:
    """Associate an address with the destination, unless somebody gave it to a third instance."""

    def done() -> bool:
        holder = context.aws.address_holder(address.allocation_id)
        if holder is None:
            context.record.note(f"{address.allocation_id} does not exist any more")
            return True
        if context.is_foreign(holder):
            context.record.note(f"{address.allocation_id} belongs to {holder} now; it stays")
            return True
        return holder == way.destination_id

    ensure(
        context.record,
        f"move {address.public_ip or address.allocation_id} to {way.destination_id}",
        done,
        lambda: context.aws.associate_address(address.allocation_id, way.destination_id),
        phase=way.phase,
    )
