"""Networks that a switch does not support, and addresses that change.

Source: Amazon EC2 User Guide, "Elastic network interfaces", "Elastic Fabric Adapter" and "Elastic
IP addresses"; Elastic Load Balancing user guides, target type.
"""

from __future__ import annotations

from collections.abc import Iterator

from spotlab.domain.attachments import Interface
from spotlab.domain.switch_plan import Finding, Strategy
from spotlab.domain.unknown import Unknown, known
from spotlab.switching.preflight.case import SwitchCase


def network_findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """What forbids the switch because of the network, or what changes."""
    facts = case.facts
    if strategy.in_place:
        if facts.public_address:
            yield _public_address(facts.public_address)
        return
    if not facts.interfaces or not facts.vpc_id:
        yield Finding(
            "no-vpc",
            "The instance has no network interface in a VPC.",
            "Launch it in a VPC first.",
        )
    if len(facts.interfaces) > 1:
        names = ", ".join(interface.interface_id for interface in facts.interfaces)
        yield Finding(
            "several-interfaces",
            f"The instance has {len(facts.interfaces)} network interfaces: {names}. SpotLab moves "
            "instances with one.",
            "Detach the others, or replace the instance by hand.",
        )
    for interface in facts.interfaces:
        yield from _interface(case, interface)
    yield from _elastic_addresses(case)
    for target in known(facts.targets) or ():
        if target.target_type == "ip":
            yield Finding(
                "ip-target",
                f"Target group {target.group_name} has the private address {target.target_id}, "
                "which the new instance does not get.",
                "Register the instance by its id in a target group of type instance.",
            )
    yield from _changes(case)
    if case.same_region:
        yield from _subnet(case)


def _interface(case: SwitchCase, interface: Interface) -> Iterator[Finding]:
    id_ = interface.interface_id
    if interface.efa:
        yield Finding(
            "efa",
            f"{id_} is an Elastic Fabric Adapter: its peers use its address.",
            "Replace the whole cluster by hand.",
        )
    if not interface.source_dest_check:
        yield Finding(
            "router",
            f"{id_} forwards packets (no source/destination check): route tables name it.",
            "Point the routes elsewhere and enable the check, or replace the instance by hand.",
        )
    if interface.prefixes:
        yield Finding(
            "delegated-prefixes",
            f"{id_} has delegated prefixes: {', '.join(interface.prefixes)}.",
            "Remove the prefixes, or replace the instance by hand.",
        )
    if interface.secondary_private_addresses:
        listed = ", ".join(interface.secondary_private_addresses)
        used = _used(case, interface)
        yield Finding(
            "secondary-addresses",
            f"{id_} has secondary private addresses ({listed}), which are not assigned again"
            + (f"; {used}." if used else "."),
            "Move what depends on them first, and unassign them."
            if used
            else "Confirm that nothing depends on them.",
            question=not used,
        )


def _used(case: SwitchCase, interface: Interface) -> str:
    """What depends on secondary addresses, as far as AWS knows."""
    for elastic in case.facts.elastic_addresses:
        if elastic.private_address in interface.secondary_private_addresses:
            return f"Elastic IP {elastic.public_address} maps to {elastic.private_address}"
    for target in known(case.facts.targets) or ():
        if target.target_id in interface.secondary_private_addresses:
            return f"target group {target.group_name} has {target.target_id}"
    return ""


def _elastic_addresses(case: SwitchCase) -> Iterator[Finding]:
    primary = case.facts.primary_interface
    for elastic in case.facts.elastic_addresses:
        if primary is None or elastic.private_address not in (
            "",
            primary.primary_private_address,
        ):
            yield Finding(
                "elastic-address-not-primary",
                f"Elastic IP {elastic.public_address} is not associated with the primary private "
                "address.",
                "Associate it with the primary address, or replace the instance by hand.",
            )


def _changes(case: SwitchCase) -> Iterator[Finding]:
    facts = case.facts
    primary = facts.primary_interface
    if primary is not None and primary.primary_private_address:
        yield Finding(
            "private-address-changes",
            f"The private address {primary.primary_private_address} changes: it cannot move "
            "between instances.",
            "Let clients use a DNS name or a load balancer.",
            blocks=False,
        )
    if any(interface.ipv6_addresses for interface in facts.interfaces):
        yield Finding(
            "ipv6-addresses-change",
            "The IPv6 addresses change.",
            "Let clients use a DNS name or a load balancer.",
            blocks=False,
        )
    if facts.public_address:
        yield _public_address(facts.public_address)


def _public_address(address: str) -> Finding:
    return Finding(
        "public-address-changes",
        f"The public address {address} is no Elastic IP, and changes.",
        "Associate an Elastic IP first if clients use the address.",
        blocks=False,
    )


def _subnet(case: SwitchCase) -> Iterator[Finding]:
    zone = case.target.availability_zone
    subnets = case.region.subnets
    if isinstance(subnets, Unknown):
        return  # among the unknown facts
    if zone is None:
        yield Finding(
            "no-zone",
            f"The pool {case.target.label} has no availability zone.",
            "Choose a pool with a zone.",
        )
        return
    chosen = case.subnet
    primary = case.facts.primary_interface
    if chosen is None or not chosen.free_addresses:
        in_zone = [each.subnet_id for each in subnets if each.zone == zone]
        if in_zone:
            text = f"No subnet in {zone} has a free address: {', '.join(in_zone)}."
            yield Finding("subnet-full", text, "Free addresses, or add a subnet in the zone.")
        else:
            yield Finding(
                "no-subnet",
                f"VPC {case.facts.vpc_id} has no subnet in {zone}.",
                "Add a subnet there, with the routes of the present one, or choose another zone.",
            )
        return
    if primary is None or chosen.subnet_id == primary.subnet_id:
        return
    present = next((each for each in subnets if each.subnet_id == primary.subnet_id), None)
    table = chosen.route_table_id
    alike = (
        present is not None
        and not isinstance(table, Unknown)
        and table == present.route_table_id
        and chosen.public_addresses == present.public_addresses
    )
    text = f"The new instance is in subnet {chosen.subnet_id} ({zone}), not {primary.subnet_id}"
    if alike:
        yield Finding("other-subnet", f"{text}; both use route table {table}.", blocks=False)
    else:
        yield Finding(
            "other-subnet",
            f"{text}; its routes or public addresses differ, or are not known.",
            "Check its route table, network ACL and reachability; then confirm.",
            question=True,
        )
