"""What a switch launches and moves: the launch, and addresses, volumes, targets and tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spotlab.domain.decision import Lifecycle


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check of the user's.

    Args:
        kind: "http" or "tcp".
        port: 1..65535.
        path: of an HTTP check, such as "/health".
        address: which address of the replacement is asked.
        time_limit_s: of one try, seconds.
        successes: consecutive successes that count as healthy.
    """

    kind: Literal["http", "tcp"]
    port: int
    path: str = "/"
    address: Literal["private", "public"] = "private"
    time_limit_s: float = 5.0
    successes: int = 2


@dataclass(frozen=True, slots=True)
class AddressMove:
    """An Elastic IP address that goes to the replacement.

    Args:
        allocation_id: such as "eipalloc-…".
        public_ip: for a person.
    """

    allocation_id: str
    public_ip: str = ""


@dataclass(frozen=True, slots=True)
class TargetMove:
    """A registration in a target group.

    Args:
        target_group_arn: of the group.
        port: of the target; 0: the group's protocol has none.
        deregistration_delay_s: for which connections of a deregistered target stay open.
    """

    target_group_arn: str
    port: int
    deregistration_delay_s: float = 300.0


@dataclass(frozen=True, slots=True)
class VolumeMove:
    """A data volume that is detached from the instance and attached to the replacement.

    Args:
        volume_id: such as "vol-…".
        device: such as "/dev/sdf".
        delete_on_termination: of the attachment.
    """

    volume_id: str
    device: str
    delete_on_termination: bool = False


@dataclass(frozen=True, slots=True)
class LaunchSettings:
    """What a replacement takes over from the instance.

    Args:
        template_id, template_version: of the launch template; "": launched from an image.
        subnets: subnet id by availability zone.
        security_group_ids: of the primary network interface.
        instance_profile_arn, key_name: "": none.
        user_data_sha256: of the instance's user data, which is copied, never stored; "": none.
        metadata_options: as RunInstances names them, such as HttpTokens.
        monitoring: detailed monitoring.
        ebs_optimized: as on the instance.
        as_interface: the template describes interfaces, so that subnet and security groups are
            those of an interface.
        placement_group, credit_specification, shutdown_behavior: "": not set.
        image_devices: devices of data volumes that are moved, and so left out of the image.
    """

    template_id: str = ""
    template_version: str = ""
    subnets: Mapping[str, str] = field(default_factory=dict)
    security_group_ids: tuple[str, ...] = ()
    instance_profile_arn: str = ""
    key_name: str = ""
    user_data_sha256: str = ""
    metadata_options: Mapping[str, Any] = field(default_factory=dict)
    monitoring: bool = False
    ebs_optimized: bool = False
    as_interface: bool = False
    placement_group: str = ""
    credit_specification: str = ""
    shutdown_behavior: str = ""
    image_devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What is launched, and what goes over to the replacement.

    Args:
        launch: what the replacement takes over.
        addresses, targets, volumes: in the order in which they move.
        attached: ids of all volumes of the instance; empty: not known.
        tags: of the instance, without AWS's own.
        spot_request_id: of the instance; "": it is on-demand.
        former_type: instance type before the switch.
        excluded: why a candidate may not be launched, by its label.
    """

    launch: LaunchSettings = field(default_factory=LaunchSettings)
    addresses: tuple[AddressMove, ...] = ()
    targets: tuple[TargetMove, ...] = ()
    volumes: tuple[VolumeMove, ...] = ()
    attached: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    spot_request_id: str = ""
    former_type: str = ""
    excluded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """All parameters of one RunInstances call. Equal requests have equal client tokens.

    Args:
        client_token: of the attempt.
        instance_type, availability_zone: of the target.
        lifecycle: spot: one-time, terminated when interrupted.
        max_price_usd_per_hour: of spot: the on-demand price; None: AWS's default, the same.
        image_id: "": the launch template's.
        subnet_id: in the zone; "": the template's or the default.
        settings: taken over from the instance.
        tags: SpotLab's tags of everything that the launch creates.
        user_data_from: instance whose user data is copied; "": none.
    """

    client_token: str
    instance_type: str
    availability_zone: str
    lifecycle: Lifecycle
    max_price_usd_per_hour: float | None
    image_id: str
    subnet_id: str
    settings: LaunchSettings
    tags: Mapping[str, str]
    user_data_from: str = ""
