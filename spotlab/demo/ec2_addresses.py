"""Elastic IP addresses as in AWS: not for pending instances, and moved rather than shared.

In moto, an address can go to an instance in any state, and its last instance keeps it as well.
Source: EC2 API reference, AssociateAddress; terraform-provider-aws, issues 3041 and 21228 (codes).
"""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.responses import EC2Response

from spotlab.demo.patcher import Patches


def patch_addresses(patches: Patches) -> None:
    """Give moto AWS's rules for addresses."""
    associate, move = EC2Response.associate_address, ElasticAddressBackend.associate_address

    def associate_address(self: Any) -> Any:
        params = self.params
        if params.get("AllowReassociation") is None:
            # an address of a VPC moves unless the caller forbids it
            params["AllowReassociation"] = True
        _check_states(self.ec2_backend, params)
        return associate(self)

    def move_address(self: Any, **kwargs: Any) -> Any:
        address = _address(self, kwargs)
        before = address.eni if address is not None else None
        eip: Any = move(self, **kwargs)
        if before is not None and before is not eip.eni:
            before.public_ip = None
            if before.instance is not None and before.instance._state.name == "running":
                before.check_auto_public_ip()
        if eip.instance is None and eip.eni is not None:
            eip.instance = eip.eni.instance
        return eip

    patches.attribute(EC2Response, "associate_address", associate_address)
    patches.attribute(ElasticAddressBackend, "associate_address", move_address)


def _check_states(backend: Any, params: Any) -> None:
    if params.get("InstanceId"):
        instance = backend.get_instance(params["InstanceId"])
        if instance._state.name not in {"running", "stopped", "stopping"}:
            raise EC2ClientError(
                "InvalidInstanceID",
                f"The {instance._state.name} instance '{instance.id}' is not in a valid state for "
                "this operation.",
            )
    elif params.get("NetworkInterfaceId"):
        interface = backend.get_network_interface(params["NetworkInterfaceId"])
        instance = interface.instance
        if instance is not None and instance._state.name == "pending":
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"The pending-instance-creation instance to which '{interface.id}' is attached is "
                "not in a valid state for this operation",
            )


def _address(backend: Any, kwargs: dict[str, Any]) -> Any:
    for address in backend.addresses:
        if address.allocation_id == kwargs.get("allocation_id") or (
            address.public_ip == kwargs.get("address")
        ):
            return address
    return None
