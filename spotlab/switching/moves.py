"""Moving what an instance holds to its replacement, and back: tags, targets, volumes, addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import AddressMove, TargetMove, VolumeMove
from spotlab.domain.switches import Phase
from spotlab.switching.actions import ensure
from spotlab.switching.signals import Wait
from spotlab.switching.stage import NOT_VISIBLE_S, Stage

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


def copy_tags(stage: Stage, new: InstanceView) -> None:
    """Give the replacement the instance's tags."""
    missing = {
        name: value for name, value in stage.plan.tags.items() if new.tags.get(name) != value
    }
    if not missing:
        return

    def done() -> bool:
        now = stage.new().tags
        return all(now.get(name) == value for name, value in missing.items())

    ensure(
        stage.execution,
        f"copy {len(missing)} tags to {new.instance_id}",
        done,
        lambda: stage.aws.add_tags([new.instance_id], missing),
        detail={"tags": sorted(missing)},
    )


def move_forward(stage: Stage) -> None:
    """Move everything to the running replacement, addresses last. Raises Wait until all is there.

    Data volumes move only after the instance's connections are drained: until then it needs them.
    """
    new = stage.new()
    copy_tags(stage, new)
    there = Direction(stage.old_id, stage.new_id)
    old_alive = stage.old_is_alive()
    for target in stage.plan.targets:
        register(stage, there, target)
    for target in stage.plan.targets:
        require_healthy(stage, there, target)
    if stage.plan.volumes and old_alive:
        drain(stage)
    for volume in stage.plan.volumes:
        move_volume(stage, there, volume)
    for address in stage.plan.addresses:
        move_address(stage, there, address)


def move_back(stage: Stage, source_id: str) -> None:
    """Give everything back to the instance, which still runs. Raises Wait until all is there.

    Args:
        stage: the switch.
        source_id: the replacement that may have it; "": none.
    """
    back = Direction(source_id, stage.old_id, undo=True)
    for volume in stage.plan.volumes:
        move_volume(stage, back, volume)
    for address in stage.plan.addresses:
        move_address(stage, back, address)
    for target in stage.plan.targets:
        register(stage, back, target)
    for target in stage.plan.targets:
        # It may have been unhealthy before the switch.
        require_healthy(stage, back, target, or_unhealthy=True)
    for target in stage.plan.targets:
        deregister(stage, back, target)


def drain(stage: Stage) -> None:
    """Deregister the instance from its target groups and wait for its connections."""
    if stage.plan.targets and stage.old_is_alive():
        there = Direction(stage.old_id, stage.new_id)
        for target in stage.plan.targets:
            deregister(stage, there, target)


def missing(stage: Stage, new: InstanceView) -> list[str]:
    """What the replacement does not have of what it should have; read only."""
    lacking = [
        f"the address {address.public_ip or address.allocation_id}"
        for address in stage.plan.addresses
        if stage.aws.address_holder(address.allocation_id) not in (new.instance_id, None)
    ]
    for volume in stage.plan.volumes:
        view = stage.aws.volume(volume.volume_id)
        there = view is None or (view.attachment, view.instance_id) == ("attached", new.instance_id)
        if not there:
            lacking.append(f"the volume {volume.volume_id}")
    for target in stage.plan.targets:
        health = stage.aws.target_health(target.target_group_arn, new.instance_id, target.port)
        if health not in _SERVING:
            lacking.append(f"health in {short(target)} (it is {health or 'not registered'})")
    lacking += [
        f"the tag {name}" for name, value in stage.plan.tags.items() if new.tags.get(name) != value
    ]
    return lacking


def short(target: TargetMove) -> str:
    """A target group's name, from its ARN."""
    return target.target_group_arn.rpartition("targetgroup/")[2].partition("/")[0]


def register(stage: Stage, way: Direction, target: TargetMove) -> None:
    """Register the destination, unless it is registered."""

    def done() -> bool:
        health = stage.aws.target_health(target.target_group_arn, way.destination_id, target.port)
        return health not in ("", "draining")

    ensure(
        stage.execution,
        f"register {way.destination_id} in {short(target)}",
        done,
        lambda: stage.aws.register_target(target.target_group_arn, way.destination_id, target.port),
        phase=way.phase,
    )


def require_healthy(
    stage: Stage, way: Direction, target: TargetMove, *, or_unhealthy: bool = False
) -> None:
    """Wait until the destination is healthy in a target group, or checked at all."""
    health = stage.aws.target_health(target.target_group_arn, way.destination_id, target.port)
    if health not in _SERVING and not (or_unhealthy and health in ("unhealthy", "unavailable")):
        raise Wait(f"{way.destination_id} is {health or 'not registered'} in {short(target)}")


def deregister(stage: Stage, way: Direction, target: TargetMove) -> None:
    """Deregister the source and wait until its connections are closed."""

    def done() -> bool:
        health = stage.aws.target_health(target.target_group_arn, way.source_id, target.port)
        if health == "draining":
            raise Wait(f"{way.source_id} is draining in {short(target)}")
        return health == ""

    if not way.source_id:
        return
    ensure(
        stage.execution,
        f"deregister {way.source_id} from {short(target)}",
        done,
        lambda: stage.aws.deregister_target(target.target_group_arn, way.source_id, target.port),
        phase=way.phase,
    )


def move_volume(stage: Stage, way: Direction, volume: VolumeMove) -> None:
    """Detach a volume from the source, never by force, and attach it to the destination."""
    name = volume.volume_id

    def detached() -> bool:
        view = stage.aws.volume(name)
        if view is None:
            raise Wait(f"{name} is not visible")
        if view.attachment in ("detaching", "busy"):
            raise Wait(f"{name} is {view.attachment}")
        return view.instance_id != way.source_id or view.attachment == ""

    def attached() -> bool:
        view = stage.aws.volume(name)
        if view is None:
            raise Wait(f"{name} is not visible")
        if view.attachment == "attaching" or (view.attachment == "" and view.state != "available"):
            raise Wait(f"{name} is {view.attachment or view.state}")
        return view.attachment == "attached" and view.instance_id == way.destination_id

    if _is_lost(stage, volume):
        return
    if way.source_id and not attached():
        ensure(
            stage.execution,
            f"detach {name} from {way.source_id}",
            detached,
            lambda: stage.aws.detach_volume(name, way.source_id),
            phase=way.phase,
        )
    ensure(
        stage.execution,
        f"attach {name} to {way.destination_id}",
        attached,
        lambda: stage.aws.attach_volume(name, way.destination_id, volume.device),
        detail={"device": volume.device},
        phase=way.phase,
    )
    if volume.delete_on_termination:
        set_deletion(stage, way.destination_id, volume, delete=True, phase=way.phase)


def protect_volumes(stage: Stage) -> None:
    """Before a launch: data volumes that will move survive if AWS takes the instance meanwhile."""
    for volume in stage.plan.volumes:
        if volume.delete_on_termination:
            set_deletion(stage, stage.old_id, volume, delete=False)


def set_deletion(
    stage: Stage,
    instance_id: str,
    volume: VolumeMove,
    *,
    delete: bool,
    phase: Phase = Phase.AFTER,
) -> None:
    """Set whether a volume is deleted with the instance that it is attached to, if it is."""

    def done() -> bool:
        view = stage.look(instance_id)
        if view is None or view.gone:
            return True
        return all(
            each.delete_on_termination is delete
            for each in view.volumes
            if each.volume_id == volume.volume_id
        )

    ensure(
        stage.execution,
        f"{'delete' if delete else 'keep'} {volume.volume_id} when {instance_id} ends",
        done,
        lambda: stage.aws.keep_volume(instance_id, volume.device, delete_on_termination=delete),
        phase=phase,
    )


def _is_lost(stage: Stage, volume: VolumeMove) -> bool:
    """Whether AWS deleted a volume with the instance that it took; it is noted."""
    if stage.aws.volume(volume.volume_id) is not None:
        return False
    why = f"{volume.volume_id} is not visible"
    stage.execution.wait_at_most(why, NOT_VISIBLE_S, why)
    stage.execution.note(f"{volume.volume_id} does not exist any more")
    return True


def move_address(stage: Stage, way: Direction, address: AddressMove) -> None:
    """Associate an address with the destination, unless somebody gave it to a third instance."""

    def done() -> bool:
        holder = stage.aws.address_holder(address.allocation_id)
        if holder is None:
            stage.execution.note(f"{address.allocation_id} does not exist any more")
            return True
        if holder not in ("", way.source_id, way.destination_id):
            stage.execution.note(f"{address.allocation_id} belongs to {holder} now; it stays")
            return True
        return holder == way.destination_id

    ensure(
        stage.execution,
        f"move {address.public_ip or address.allocation_id} to {way.destination_id}",
        done,
        lambda: stage.aws.associate_address(address.allocation_id, way.destination_id),
        phase=way.phase,
    )
