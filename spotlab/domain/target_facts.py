"""Facts of the place that a switch would launch into: types, subnets, keys and rights.

Source: Amazon EC2 API Reference, InstanceTypeInfo and Subnet; AWS KMS API Reference, ListGrants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from spotlab.domain.instance_facts import InstanceFacts, LaunchTemplate
from spotlab.domain.market import Pool
from spotlab.domain.unknown import Unknown

RUN_RIGHT: Final = "ec2:RunInstances"
TAG_RIGHT: Final = "ec2:CreateTags"
IMAGE_RIGHT: Final = "ec2:CreateImage"
ROLE_RIGHT: Final = "iam:PassRole"
SPOT_ROLE: Final = "AWSServiceRoleForEC2Spot"
"""Name of the service-linked role with which EC2 launches spot instances."""


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What DescribeInstanceTypes says about a type.

    Args:
        instance_type: such as "m6i.large".
        architectures: such as ("x86_64",).
        instance_store_gb: 0: none.
        ena: "unsupported", "supported" or "required".
        ebs_nvme: "unsupported", "supported" or "required".
        nitro: whether its hypervisor is Nitro, or it is bare metal.
        boot_modes: such as ("legacy-bios", "uefi").
        usage_classes: such as ("on-demand", "spot").
        virtualization: such as ("hvm",).
        root_device_types: such as ("ebs",).
        max_interfaces: network interfaces that it can have.
        addresses_per_interface: private IPv4 addresses.
        efa: whether it supports EFA.
        burstable: whether its CPU is limited by credits.
        hibernation: whether it supports hibernation.
        tpm: whether it supports NitroTPM.
        enclaves: whether it supports Nitro Enclaves.
        default_cores, threads_per_core: None: not said.
    """

    instance_type: str
    architectures: tuple[str, ...]
    instance_store_gb: float
    ena: str
    ebs_nvme: str
    nitro: bool
    boot_modes: tuple[str, ...]
    usage_classes: tuple[str, ...]
    virtualization: tuple[str, ...] = ("hvm",)
    root_device_types: tuple[str, ...] = ("ebs",)
    max_interfaces: int | None = None
    addresses_per_interface: int | None = None
    efa: bool = False
    burstable: bool = False
    hibernation: bool = False
    tpm: bool = False
    enclaves: bool = False
    default_cores: int | None = None
    threads_per_core: int | None = None


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet of the instance's VPC.

    Args:
        subnet_id: such as "subnet-0abc…".
        zone: its availability zone.
        free_addresses: private IPv4 addresses that are left.
        public_addresses: whether a launch in it gets a public IPv4 address.
        route_table_id: its own or the VPC's main one.
    """

    subnet_id: str
    zone: str
    free_addresses: int
    public_addresses: bool
    route_table_id: str | Unknown


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """What the target region and the account's rights say about a launch there.

    Args:
        region: such as "us-east-1".
        subnets: of the instance's VPC; empty in another region.
        spot_role: ARN of the service-linked role of EC2 Spot; "": it does not exist; None: not
            needed.
        key_grants: by ARN of a customer key: whether the identity that launches (the spot role
            for spot, else SpotLab's role) may use it.
        attach_grants: by ARN of a customer key of a data volume: whether SpotLab's role may use
            it, as attaching the volume to another instance needs.
        rights: by IAM action: whether a dry run was allowed.
        launch_refusal: why EC2 would refuse the launch, from a dry run; "": it would not, or the
            role lacks a right.
        templates: launch templates of that region with the name of the instance's; empty: none.
    """

    region: str
    subnets: tuple[Subnet, ...] | Unknown
    spot_role: str | Unknown | None
    key_grants: Mapping[str, bool | Unknown] = field(default_factory=dict)
    attach_grants: Mapping[str, bool | Unknown] = field(default_factory=dict)
    rights: Mapping[str, bool | Unknown] = field(default_factory=dict)
    launch_refusal: str = ""
    templates: tuple[LaunchTemplate, ...] | Unknown = ()


def choose_subnet(facts: InstanceFacts, target: Pool, subnets: Sequence[Subnet]) -> Subnet | None:
    """The subnet to launch into: the present one, or in another zone the one most like it.

    Most alike is one with the same route table, then one that gives public addresses as the
    present one does, then the one with the most free addresses.

    Args:
        facts: of the instance.
        target: pool; its zone must be known.
        subnets: of the VPC.
    Returns:
        None if the zone has no subnet with a free address.
    """
    primary = facts.primary_interface
    present = next(
        (each for each in subnets if primary and each.subnet_id == primary.subnet_id), None
    )
    if present is not None and present.zone == target.availability_zone:
        return present
    return max(
        (each for each in subnets if each.zone == target.availability_zone and each.free_addresses),
        key=lambda each: (*_likeness(each, present), each.free_addresses, each.subnet_id),
        default=None,
    )


def _likeness(subnet: Subnet, present: Subnet | None) -> tuple[bool, bool]:
    if present is None:
        return (False, False)
    table = subnet.route_table_id
    return (
        not isinstance(table, Unknown) and table == present.route_table_id,
        subnet.public_addresses == present.public_addresses,
    )
