"""What is attached to an instance: volumes, network interfaces, addresses and target groups.

Source: Amazon EC2 API Reference, Volume, Address and InstanceNetworkInterface; Elastic Load
Balancing API Reference, TargetGroup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spotlab.domain.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Volume:
    """An attached EBS volume. The device and delete_on_termination are those of the attachment.

    Args:
        volume_id: such as "vol-0abc…".
        device: such as "/dev/xvda".
        root: whether it is the root device.
        delete_on_termination: whether EC2 deletes it with the instance.
        size_gb: GiB.
        volume_type: such as "gp3".
        iops, throughput_mb_per_s: provisioned; None: the type has none.
        encrypted: whether it is encrypted.
        kms_key: ARN of its key; None: not encrypted.
        kms_key_aws_managed: whether AWS manages the key; None: not encrypted.
        attached_to: ids of every instance it is attached to.
        multi_attach: whether it may be attached to several instances.
    """

    volume_id: str
    device: str
    root: bool
    delete_on_termination: bool
    size_gb: int | Unknown
    volume_type: str | Unknown
    iops: int | Unknown | None
    throughput_mb_per_s: int | Unknown | None
    encrypted: bool | Unknown
    kms_key: str | Unknown | None
    kms_key_aws_managed: bool | Unknown | None
    attached_to: tuple[str, ...] | Unknown
    multi_attach: bool | Unknown


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface.

    Args:
        interface_id: such as "eni-0abc…".
        device_index: 0 is the primary one.
        subnet_id: its subnet.
        security_group_ids: in order.
        primary_private_address: IPv4.
        secondary_private_addresses: IPv4.
        ipv6_addresses: its IPv6 addresses.
        delete_on_termination: True: made at the launch and deleted with the instance; False: it
            stays, such as one that somebody attached.
        kind: "interface", "efa", "efa-only" or another of EC2's.
        source_dest_check: False for a router or NAT instance.
        prefixes: IPv4 and IPv6 prefixes delegated to it.
    """

    interface_id: str
    device_index: int
    subnet_id: str
    security_group_ids: tuple[str, ...]
    primary_private_address: str
    secondary_private_addresses: tuple[str, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    delete_on_termination: bool = True
    kind: str = "interface"
    source_dest_check: bool = True
    prefixes: tuple[str, ...] = ()

    @property
    def efa(self) -> bool:
        """Whether it is an Elastic Fabric Adapter."""
        return self.kind.startswith("efa")


@dataclass(frozen=True, slots=True)
class ElasticAddress:
    """An Elastic IP address of the instance.

    Args:
        public_address: IPv4.
        allocation_id: such as "eipalloc-0abc…".
        association_id: such as "eipassoc-0abc…".
        interface_id: the interface it is associated with.
        private_address: the private address it maps to.
    """

    public_address: str
    allocation_id: str | Unknown
    association_id: str | Unknown
    interface_id: str
    private_address: str


@dataclass(frozen=True, slots=True)
class Target:
    """A registration in a target group.

    Args:
        group_arn: of the target group.
        group_name: its name.
        target_type: "instance" or "ip".
        target_id: the instance id or the address that is registered.
        port: None: the group's protocol has none.
        health: such as "healthy", "initial", "draining".
        deregistration_delay_s: seconds that the load balancer drains a target.
    """

    group_arn: str
    group_name: str
    target_type: str
    target_id: str
    port: int | None
    health: str
    deregistration_delay_s: int | Unknown


def customer_keys(volumes: Iterable[Volume]) -> set[str]:
    """ARNs of the keys of volumes that AWS does not manage."""
    return {
        volume.kms_key
        for volume in volumes
        if isinstance(volume.kms_key, str) and volume.kms_key_aws_managed is False
    }
