"""The AWS calls that a switch will make, in order, as far as they are known before.

Source: Amazon EC2 API Reference and Elastic Load Balancing API Reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_plan import Call, Effect, Method, Strategy
from spotlab.domain.unknown import known
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.effects import VOLUME

NEW_INSTANCE: Final = "<new instance>"
IMAGE: Final = "<image>"
SNAPSHOTS: Final = "<snapshots of the image>"
_NOT_SHOWN: Final = "<not shown>"


def calls_of(case: SwitchCase, strategy: Strategy, effects: tuple[Effect, ...]) -> tuple[Call, ...]:
    """The calls that change something, in order.

    Args:
        case: the switch.
        strategy: how the replacement comes to be.
        effects: of the switch; they say which volumes move.
    """
    if strategy.in_place:
        return tuple(_in_place(case))
    moved = [
        effect.id for effect in effects if effect.kind == VOLUME and effect.method is Method.MOVED
    ]
    return (
        *(_image(case, strategy, moved) if strategy.makes_image else ()),
        *_launch(case, strategy),
        *_move(case, moved),
        *_end(case),
        *(_cleanup() if strategy.makes_image else ()),
    )


def _in_place(case: SwitchCase) -> Iterator[Call]:
    id_, wanted = case.facts.instance_id, case.target.instance_type
    yield Call("stop_start", "ec2:StopInstances", {"InstanceIds": [id_]}, f"Stop {id_}.")
    yield Call(
        "stop_start",
        "ec2:ModifyInstanceAttribute",
        {"InstanceId": id_, "InstanceType": {"Value": wanted}},
        f"Change its type to {wanted}.",
    )
    yield Call("stop_start", "ec2:StartInstances", {"InstanceIds": [id_]}, f"Start {id_}.")


def _image(case: SwitchCase, strategy: Strategy, moved: list[str]) -> Iterator[Call]:
    facts = case.facts
    request: dict[str, Any] = {
        "InstanceId": facts.instance_id,
        "NoReboot": strategy is Strategy.FROM_IMAGE,
    }
    left_out = [
        {"DeviceName": volume.device, "NoDevice": ""}
        for volume in facts.volumes
        if volume.volume_id in moved
    ]
    if left_out:
        request["BlockDeviceMappings"] = left_out
    how = "without a reboot" if strategy is Strategy.FROM_IMAGE else "with a reboot"
    text = f"Make an image of {facts.instance_id} {how}."
    yield Call("image", "ec2:CreateImage", request, text)


def _launch(case: SwitchCase, strategy: Strategy) -> Iterator[Call]:
    template = case.template
    request: dict[str, Any] = {"InstanceType": case.target.instance_type}
    if strategy is Strategy.FROM_TEMPLATE and template is not None:
        request["LaunchTemplate"] = {
            "LaunchTemplateId": template.template_id,
            "Version": template.version,
        }
    else:
        request["ImageId"] = IMAGE
        request |= _settings(case)
    request |= _place(case, strategy)
    if case.lifecycle is Lifecycle.SPOT:
        request["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
                "MaxPrice": "<the on-demand price>",
            },
        }
    text = f"Launch a {case.lifecycle.value} {case.target.label}."
    yield Call("launch", "ec2:RunInstances", request, text)


def _place(case: SwitchCase, strategy: Strategy) -> dict[str, Any]:
    """Subnet and security groups; a template with interfaces takes them only as an interface's."""
    primary, template = case.facts.primary_interface, case.template
    subnet = {"SubnetId": case.subnet.subnet_id} if case.subnet is not None else {}
    groups = [*primary.security_group_ids] if case.same_region and primary is not None else []
    from_template = strategy is Strategy.FROM_TEMPLATE and template is not None
    if from_template and template is not None and template.interface_count:
        interface: dict[str, Any] = {"DeviceIndex": 0, **subnet}
        return {"NetworkInterfaces": [interface | ({"Groups": groups} if groups else {})]}
    placement = {}
    if not subnet and case.target.availability_zone:
        placement["AvailabilityZone"] = case.target.availability_zone
    if not from_template and case.facts.placement.group_name:
        placement["GroupName"] = case.facts.placement.group_name
    return {
        **subnet,
        **({"Placement": placement} if placement else {}),
        **({"SecurityGroupIds": groups} if groups else {}),
    }


def _settings(case: SwitchCase) -> dict[str, Any]:
    facts = case.facts
    request: dict[str, Any] = {}
    if facts.instance_profile:
        request["IamInstanceProfile"] = {"Arn": facts.instance_profile}
    if facts.key_pair:
        request["KeyName"] = facts.key_pair
    if facts.user_data is not None:
        request["UserData"] = _NOT_SHOWN
    options = known(facts.metadata_options)
    if options is not None:
        request["MetadataOptions"] = {
            "HttpTokens": options.tokens,
            "HttpPutResponseHopLimit": options.hop_limit,
            "HttpEndpoint": options.endpoint,
            "InstanceMetadataTags": options.instance_tags,
        }
    if facts.detailed_monitoring:
        request["Monitoring"] = {"Enabled": True}
    credits_, target = known(facts.credit_specification), known(case.target_type)
    if credits_ and target is not None and target.burstable:
        request["CreditSpecification"] = {"CpuCredits": credits_}
    return request


def _move(case: SwitchCase, moved: list[str]) -> Iterator[Call]:
    facts = case.facts
    for target in known(facts.targets) or ():
        port = {} if target.port is None else {"Port": target.port}
        group = {"TargetGroupArn": target.group_arn}
        new = [{"Id": NEW_INSTANCE} | port]
        old = [{"Id": target.target_id} | port]
        text = f"Register the new instance in {target.group_name}."
        action = "elasticloadbalancing:RegisterTargets"
        yield Call("move", action, group | {"Targets": new}, text)
        text = f"Drain the old instance from {target.group_name}."
        action = "elasticloadbalancing:DeregisterTargets"
        yield Call("drain", action, group | {"Targets": old}, text)
    devices = {volume.volume_id: volume.device for volume in facts.volumes}
    for id_ in moved:
        request = {"VolumeId": id_, "InstanceId": facts.instance_id}
        yield Call("move", "ec2:DetachVolume", request, f"Detach {id_} from the old instance.")
        request = {"VolumeId": id_, "InstanceId": NEW_INSTANCE, "Device": devices[id_]}
        yield Call("move", "ec2:AttachVolume", request, f"Attach {id_} to the new instance.")
    for address in facts.elastic_addresses:
        allocation = known(address.allocation_id) or address.public_address
        parameters = {
            "AllocationId": allocation,
            "InstanceId": NEW_INSTANCE,
            "AllowReassociation": True,
        }
        text = f"Move Elastic IP {address.public_address} to the new instance."
        yield Call("move", "ec2:AssociateAddress", parameters, text)


def _end(case: SwitchCase) -> Iterator[Call]:
    facts = case.facts
    request = facts.spot_request
    if request is not None and request.request_id:
        ids = {"SpotInstanceRequestIds": [request.request_id]}
        text = "Cancel the spot request of the old instance."
        yield Call("terminate", "ec2:CancelSpotInstanceRequests", ids, text)
    ids = {"InstanceIds": [facts.instance_id]}
    text = f"Terminate {facts.instance_id}; this cannot be undone."
    yield Call("terminate", "ec2:TerminateInstances", ids, text)


def _cleanup() -> Iterator[Call]:
    yield Call("cleanup", "ec2:DeregisterImage", {"ImageId": IMAGE}, "Remove the image.")
    yield Call("cleanup", "ec2:DeleteSnapshot", {"SnapshotId": SNAPSHOTS}, "Remove its snapshots.")
