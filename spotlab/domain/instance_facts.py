"""Facts of one EC2 instance that a switch must keep.

A fact that could not be read is `Unknown`, with the reason; it is never replaced by a default.
None, an empty tuple or "" means that EC2 says there is none.

Source: Amazon EC2 API Reference, Instance and DescribeInstanceAttribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from spotlab.domain.attachments import ElasticAddress, Interface, Target, Volume
from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.unknown import Unknown


class OwnerKind(StrEnum):
    """What launched the instance and would replace it; the value is what a person reads."""

    AUTO_SCALING_GROUP = "Auto Scaling group"
    EC2_FLEET = "EC2 Fleet"
    SPOT_FLEET = "Spot Fleet"
    EKS = "EKS cluster"
    KUBERNETES = "Kubernetes cluster"
    KARPENTER = "Karpenter node pool"
    EMR = "EMR cluster"


@dataclass(frozen=True, slots=True)
class Owner:
    """A group that the instance belongs to.

    Args:
        kind: of the group.
        name: its name or id.
        tag: the tag that says so.
    """

    kind: OwnerKind
    name: str
    tag: str


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """How the instance metadata service may be used.

    Args:
        tokens: "required" (IMDSv2 only) or "optional".
        hop_limit: of the responses to token requests.
        endpoint: "enabled" or "disabled".
        instance_tags: whether tags are in the metadata: "enabled" or "disabled".
        ipv6: whether its IPv6 endpoint is "enabled" or "disabled".
    """

    tokens: str
    hop_limit: int
    endpoint: str
    instance_tags: str = "disabled"
    ipv6: str = "disabled"


@dataclass(frozen=True, slots=True)
class UserData:
    """That an instance has user data, never its text.

    Args:
        sha256: of the data as the instance sees it, hexadecimal.
    """

    sha256: str


@dataclass(frozen=True, slots=True)
class SpotRequest:
    """The spot request that the instance fulfils.

    Args:
        request_id: such as "sir-abc…".
        persistent: whether EC2 would launch another instance after this one.
        interruption_behavior: "terminate", "stop" or "hibernate".
        valid: whether it is still open or active.
    """

    request_id: str
    persistent: bool | Unknown
    interruption_behavior: str | Unknown
    valid: bool | Unknown


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how the instance is placed.

    Args:
        tenancy: "default", "dedicated" or "host".
        host_id: of a Dedicated Host; None: none.
        group_name: of its placement group; None: none.
        group_strategy: "cluster", "spread" or "partition"; None: no group.
        partition: number in a partition placement group; None: none.
        capacity_reservation_id: that it runs in; None: none.
        capacity_reservation_targeted: whether it was launched into that one, by id or group.
    """

    tenancy: str = "default"
    host_id: str | None = None
    group_name: str | None = None
    group_strategy: str | Unknown | None = None
    partition: int | None = None
    capacity_reservation_id: str | None = None
    capacity_reservation_targeted: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """The image the instance was launched from.

    Args:
        image_id: such as "ami-0abc…".
        exists: False: deregistered, or not shared any more; the other facts are then unknown.
        ena: whether it is marked as supporting ENA.
        architecture: such as "x86_64".
        boot_mode: "legacy-bios", "uefi", "uefi-preferred"; None: not said.
        virtualization: "hvm" or "paravirtual".
        root_device_type: "ebs" or "instance-store".
        tpm: whether it needs NitroTPM.
    """

    image_id: str
    exists: bool | Unknown
    ena: bool | Unknown
    architecture: str | Unknown
    boot_mode: str | Unknown | None
    virtualization: str | Unknown
    root_device_type: str | Unknown
    tpm: bool | Unknown


@dataclass(frozen=True, slots=True)
class LaunchTemplate:
    """The launch template that an instance was launched from, in the version it was.

    Args:
        template_id: such as "lt-0abc…".
        version: its number.
        name: its name; "" if unknown.
        image: that it names; None: none.
        devices: device names of its block device mappings.
        subnet_ids: of its network interfaces; empty: it names none.
        has_user_data: whether it has user data.
        instance_profile: name or ARN; None: none.
        security_group_ids: of the version or its first interface.
        interface_count: network interfaces that it describes; with one or more, EC2 accepts a
            subnet and security groups only as those of an interface.
        names_spot: whether it has spot market options, which a launch cannot take away.
    """

    template_id: str
    version: str
    name: str = ""
    image: Image | None = None
    devices: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    has_user_data: bool = False
    instance_profile: str | None = None
    security_group_ids: tuple[str, ...] = ()
    interface_count: int = 0
    names_spot: bool = False


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What a switch must keep of an instance, and what may forbid it.

    Args:
        instance_id: such as "i-0abc…".
        account: name of its account.
        pool: where it runs now.
        lifecycle: how it is paid for.
        state: "running", "stopped", …
        read_at: when the facts were read, aware UTC.
        launched_at: aware UTC.
        owners: groups that launched it; empty: none.
        launch_template: it was launched from; None: none.
        volumes: attached EBS volumes.
        instance_store_gb: size of the instance store of its type; 0: it has none.
        interfaces: by device index.
        vpc_id: its VPC; "" without one.
        public_address: the public IPv4 address that is not an Elastic IP; None: none.
        elastic_addresses: associated with it.
        targets: registrations in target groups.
        instance_profile: ARN; None: none.
        user_data: None: it has none.
        tags: all, those of AWS too.
        metadata_options: of the metadata service.
        termination_protection, stop_protection: whether the API refuses to.
        shutdown_behavior: "stop" or "terminate".
        key_pair: name; None: none.
        placement: tenancy, groups, reservation.
        image: it was launched from.
        ena: whether the instance is marked as supporting ENA.
        architecture: "x86_64" or "arm64".
        boot_mode: that it booted with; None: not said.
        root_device_type: "ebs" or "instance-store".
        spot_request: None: not a spot instance.
        detailed_monitoring: whether CloudWatch gets values each minute.
        credit_specification: "standard" or "unlimited"; None: not a burstable type.
        hibernation: whether it is enabled for hibernation.
        enclave: whether Nitro Enclaves are enabled.
        cpu_options: (cores, threads per core) that were set or are the type's; None: not said.
        ebs_optimized: whether it is.
    """

    instance_id: str
    account: str
    pool: Pool
    lifecycle: Lifecycle
    state: str
    read_at: datetime
    launched_at: datetime | None
    owners: tuple[Owner, ...]
    launch_template: LaunchTemplate | Unknown | None
    volumes: tuple[Volume, ...]
    instance_store_gb: float | Unknown
    interfaces: tuple[Interface, ...]
    vpc_id: str
    public_address: str | None
    elastic_addresses: tuple[ElasticAddress, ...]
    targets: tuple[Target, ...] | Unknown
    instance_profile: str | None
    user_data: UserData | Unknown | None
    tags: Mapping[str, str] = field(repr=False)
    metadata_options: MetadataOptions | Unknown
    termination_protection: bool | Unknown
    stop_protection: bool | Unknown
    shutdown_behavior: str | Unknown
    key_pair: str | None
    placement: Placement
    image: Image
    ena: bool
    architecture: str
    boot_mode: str | None
    root_device_type: str
    spot_request: SpotRequest | None
    detailed_monitoring: bool
    credit_specification: str | Unknown | None
    hibernation: bool
    enclave: bool = False
    cpu_options: tuple[int, int] | None = None
    ebs_optimized: bool = False

    @property
    def root_volume(self) -> Volume | None:
        """The root volume; None for an instance-store root."""
        return next((volume for volume in self.volumes if volume.root), None)

    @property
    def data_volumes(self) -> tuple[Volume, ...]:
        """The volumes that are not the root."""
        return tuple(volume for volume in self.volumes if not volume.root)

    @property
    def primary_interface(self) -> Interface | None:
        """The interface with device index 0."""
        return next((each for each in self.interfaces if each.device_index == 0), None)

    def unknown(self) -> dict[str, Unknown]:
        """Every fact that could not be read, by its path: "volumes[vol-1].encrypted"."""
        found: dict[str, Unknown] = {}
        _collect(self, "", found)
        return found


def _collect(value: Any, path: str, found: dict[str, Unknown]) -> None:
    if isinstance(value, Unknown):
        found[path] = value
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            _collect(each, f"{path}[{_id_of(each, index)}]", found)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            _collect(getattr(value, name), f"{path}.{name}" if path else name, found)


def _id_of(value: Any, index: int) -> str:
    for name in ("volume_id", "interface_id", "public_address", "group_name"):
        if isinstance(found := getattr(value, name, None), str):
            return found
    return str(index)
