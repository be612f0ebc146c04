"""Port of what a switch reads and changes in AWS, in one account and region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_moves import LaunchRequest


@dataclass(frozen=True, slots=True)
class AttachedVolume:
    """A volume as an instance has it attached."""

    volume_id: str
    device: str
    delete_on_termination: bool = False


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance as EC2 describes it now.

    Args:
        instance_id: such as "i-…".
        state: pending, running, shutting-down, terminated, stopping or stopped.
        instance_type, availability_zone: where it runs.
        lifecycle: spot or on-demand.
        checks_ok: both status checks pass; False also while they are initialising.
        impaired: a status check has failed.
        state_reason: code, such as "Server.SpotInstanceTermination"; "".
        spot_request_id: "" for on-demand.
        private_ip, public_ip: "" if it has none.
        tags: all of them.
        volumes: attached.
        root_device: such as "/dev/xvda".
        launched_at: aware UTC; None: unknown.
        client_token: of the launch; "".
    """

    instance_id: str
    state: str
    instance_type: str
    availability_zone: str
    lifecycle: Lifecycle = Lifecycle.ON_DEMAND
    checks_ok: bool = False
    impaired: bool = False
    state_reason: str = ""
    spot_request_id: str = ""
    private_ip: str = ""
    public_ip: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[AttachedVolume, ...] = ()
    root_device: str = ""
    launched_at: datetime | None = None
    client_token: str = ""

    @property
    def gone(self) -> bool:
        """Whether it is terminated or about to be."""
        return self.state in ("shutting-down", "terminated")


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image: state pending, available or failed; why it failed."""

    image_id: str
    state: str
    snapshot_ids: tuple[str, ...] = ()
    why: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume: creating, available, in-use, deleting or error, and what it is attached to.

    Args:
        attachment: attaching, attached, detaching, busy; "": not attached.
        instance_id: "": not attached.
    """

    volume_id: str
    state: str
    attachment: str = ""
    instance_id: str = ""
    device: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnResource:
    """Something that carries SpotLab's tag.

    Args:
        kind: "instance", "image", "snapshot", "volume" or "spot-instances-request".
        resource_id: its id.
        switch_id: the tag's value.
        state: as EC2 reports it; "" where it has none.
        tags: all of them.
        created_at: aware UTC; None: unknown.
    """

    kind: str
    resource_id: str
    switch_id: str
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


class SwitchingPort(Protocol):
    """Reads and changes of one account and region. Every method raises AwsError.

    Changes are single calls without retries where a repetition could matter: the engine looks
    whether the effect is there before it repeats one.
    """

    def instance(self, instance_id: str) -> InstanceView | None:
        """An instance with its status checks; None: not found (also a new id, for a while)."""
        ...

    def launched(self, switch_id: str, token: str = "") -> Sequence[InstanceView]:
        """Instances with the switch's tag or this client token, also terminated ones."""
        ...

    def image(self, image_id: str) -> ImageView | None:
        """An image; None: not found."""
        ...

    def image_named(self, name: str) -> ImageView | None:
        """The account's own image of this name; None: none."""
        ...

    def volume(self, volume_id: str) -> VolumeView | None:
        """A volume; None: not found."""
        ...

    def address_holder(self, allocation_id: str) -> str | None:
        """The instance, or else the network interface, that an Elastic IP address is associated
        with; "": none; None: the address does not exist."""
        ...

    def target_health(self, target_group_arn: str, instance_id: str, port: int) -> str | None:
        """initial, healthy, unhealthy, draining, unavailable or unused; "": not registered; None:
        the target group does not exist."""
        ...

    def own(self, switch_id: str | None = None) -> Sequence[OwnResource]:
        """What carries SpotLab's tag (of one switch), without terminated instances."""
        ...

    def create_image(
        self,
        instance_id: str,
        name: str,
        *,
        reboot: bool,
        without_devices: Sequence[str],
        tags: Mapping[str, str],
    ) -> str:
        """Begin to create an image of an instance, without some of its devices; its id."""
        ...

    def run_instance(self, request: LaunchRequest) -> str:
        """Launch one instance; its id."""
        ...

    def terminate(self, instance_id: str) -> None:
        """Terminate an instance."""
        ...

    def stop(self, instance_id: str) -> None:
        """Stop an instance."""
        ...

    def start(self, instance_id: str) -> None:
        """Start a stopped instance."""
        ...

    def change_type(self, instance_id: str, instance_type: str) -> None:
        """Change the type of a stopped instance."""
        ...

    def cancel_spot_request(self, request_id: str) -> None:
        """Cancel a spot request; its instance keeps running."""
        ...

    def spot_request_open(self, request_id: str) -> bool:
        """Whether a spot request is open or active; False: cancelled, closed or not found."""
        ...

    def add_tags(self, resource_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        ...

    def remove_tags(self, resource_ids: Sequence[str], names: Sequence[str]) -> None:
        """Remove tags."""
        ...

    def associate_address(self, allocation_id: str, instance_id: str) -> None:
        """Associate an Elastic IP address, also if another instance has it."""
        ...

    def register_target(self, target_group_arn: str, instance_id: str, port: int) -> None:
        """Register an instance in a target group."""
        ...

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int) -> None:
        """Deregister an instance; its connections stay open for the group's delay."""
        ...

    def detach_volume(self, volume_id: str, instance_id: str) -> None:
        """Begin to detach a volume, never by force."""
        ...

    def attach_volume(self, volume_id: str, instance_id: str, device: str) -> None:
        """Begin to attach a volume."""
        ...

    def keep_volume(self, instance_id: str, device: str, *, delete_on_termination: bool) -> None:
        """Set whether an attached volume is deleted with the instance."""
        ...

    def deregister_image(self, image_id: str) -> None:
        """Deregister an image; its snapshots stay."""
        ...

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        ...

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume that is attached to nothing."""
        ...
