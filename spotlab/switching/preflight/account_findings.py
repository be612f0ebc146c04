"""Protection, placement, requests, regions and rights: what forbids a switch outside the machine.

Source: Amazon EC2 User Guide, "Termination protection", "Stop protection", "Dedicated Hosts",
"Placement groups", "Spot Instance requests" and "Tag your Amazon EC2 resources".
"""

from __future__ import annotations

from collections.abc import Iterator

from spotlab.domain.decision import Lifecycle
from spotlab.domain.switch_plan import Finding, Snippet, Strategy
from spotlab.domain.switch_tags import AWS_TAG_PREFIX, OWN_TAGS
from spotlab.domain.target_facts import IMAGE_RIGHT, ROLE_RIGHT, RUN_RIGHT, TAG_RIGHT
from spotlab.domain.unknown import Unknown
from spotlab.switching.preflight.case import SwitchCase
from spotlab.switching.preflight.remedies import grant

MAX_TAGS = 50
"""That EC2 allows on a resource, without those of AWS itself."""
_STACK_TAG = "aws:cloudformation:stack-name"


def account_findings(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """What forbids the switch, or needs a person's word."""
    yield from _pools(case, strategy)
    yield from _protection(case, strategy)
    yield from _placement(case)
    yield from _spot_request(case)
    yield from _special(case)
    yield from _tags(case, strategy)
    yield from _spot_role(case)
    if not case.same_region:
        yield from _other_region(case, strategy)
        return
    if case.region.launch_refusal and not strategy.in_place:
        yield Finding(
            "launch-refused",
            f"EC2 would refuse the launch in {case.target.label}: {case.region.launch_refusal}",
            "Choose another pool, or change what EC2 objects to.",
        )
    yield from _rights(case, strategy)


def _pools(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    facts = case.facts
    if facts.state != "running":
        yield Finding(
            "not-running",
            f"The instance is {facts.state}, not running.",
            "Start it, or wait until it runs.",
        )
    if case.target == facts.pool and case.lifecycle is facts.lifecycle:
        yield Finding(
            "already-there",
            f"The instance already runs {case.lifecycle.value} on {case.target.label}.",
            "Choose another pool.",
        )
    if case.target.operating_system != facts.pool.operating_system:
        yield Finding(
            "operating-system",
            f"The instance runs {facts.pool.operating_system}, and the pool is for "
            f"{case.target.operating_system}.",
            "Choose a pool of the same operating system.",
        )
    if strategy.in_place and not case.can_stop_and_start:
        yield Finding(
            "stop-start-impossible",
            "Stop and start changes only the type of an on-demand instance in its zone; a spot "
            "instance cannot change its type.",
            "Launch from an image or a launch template.",
        )


def _protection(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    id_ = case.facts.instance_id
    if case.facts.termination_protection is True and not strategy.in_place:
        yield Finding(
            "termination-protection",
            "Termination protection is on.",
            "Turn it off if a switch may end the instance: aws ec2 modify-instance-attribute "
            f"--instance-id {id_} --no-disable-api-termination",
        )
    if case.facts.stop_protection is True:
        yield Finding(
            "stop-protection",
            "Stop protection is on; it forbids stopping and terminating.",
            "Turn it off if a switch may end the instance: aws ec2 modify-instance-attribute "
            f"--instance-id {id_} --no-disable-api-stop",
        )


def _placement(case: SwitchCase) -> Iterator[Finding]:
    placement = case.facts.placement
    if placement.tenancy != "default" or placement.host_id:
        where = f"Dedicated Host {placement.host_id}" if placement.host_id else "dedicated hardware"
        yield Finding(
            "dedicated-tenancy",
            f"The instance runs on {where} (tenancy {placement.tenancy}).",
            "Licences and rules may need it; move it to default tenancy by hand first.",
        )
    group, strategy = placement.group_name, placement.group_strategy
    if group and strategy == "cluster" and not case.same_zone:
        yield Finding(
            "placement-group",
            f"Cluster placement group {group} is in one zone, and the target is in another.",
            "Choose a pool in the same zone, or replace the whole group.",
        )
    elif group:
        yield Finding(
            "placement-group",
            f"The new instance is launched into placement group {group}, which makes a lack of "
            "capacity more likely.",
            blocks=False,
        )
    reservation = placement.capacity_reservation_id
    if reservation:
        targeted = placement.capacity_reservation_targeted
        yield Finding(
            "capacity-reservation",
            f"The instance uses capacity reservation {reservation}, which is billed after the "
            "switch too" + (" and was chosen by name." if targeted else "."),
            "Cancel the reservation after the switch, or let another instance use it; then "
            "confirm.",
            question=True,
        )


def _spot_request(case: SwitchCase) -> Iterator[Finding]:
    request = case.facts.spot_request
    if request is None or request.persistent is not True:
        return
    yield Finding(
        "persistent-spot-request",
        f"Spot request {request.request_id} is persistent: EC2 would launch another instance after "
        "the old one ends.",
        "Cancel the request; the instance goes on running: aws ec2 cancel-spot-instance-requests "
        f"--spot-instance-request-ids {request.request_id}",
    )


def _tags(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    """The replacement has the instance's tags and SpotLab's until the switch is finished."""
    own = [name for name in case.facts.tags if not name.startswith(AWS_TAG_PREFIX)]
    most = MAX_TAGS - len(OWN_TAGS)
    if not strategy.in_place and len(set(own) - set(OWN_TAGS)) > most:
        yield Finding(
            "too-many-tags",
            f"The instance has {len(own)} tags. EC2 allows {MAX_TAGS}, and during the switch the "
            f"replacement has {len(OWN_TAGS)} of SpotLab's too.",
            f"Remove {len(own) - most} of them.",
        )


def _special(case: SwitchCase) -> Iterator[Finding]:
    facts = case.facts
    if facts.hibernation:
        yield Finding(
            "hibernation",
            "The instance is enabled for hibernation, which a new one must be at its launch.",
            "Replace it by hand, with hibernation options.",
        )
    if facts.enclave:
        yield Finding(
            "enclave",
            "Nitro Enclaves are enabled; their keys and attestation belong to the instance.",
            "Replace it by hand, with enclave options.",
        )
    stack = facts.tags.get(_STACK_TAG)
    if stack:
        yield Finding(
            "cloudformation",
            f"CloudFormation stack {stack} made the instance; it would still name the old one, and "
            "its next update may fail.",
            "Change the type in the stack's template instead; or confirm.",
            question=True,
        )


def _other_region(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    source, target = case.facts.pool.region, case.target.region
    templates = case.region.templates
    if isinstance(templates, Unknown):
        return  # among the unknown facts
    if not templates or strategy is not Strategy.FROM_TEMPLATE:
        yield Finding(
            "other-region",
            "SpotLab does not copy images to other regions"
            + (
                f"; a launch template in {target} can be used instead."
                if templates
                else f", and {target} has no launch template with the name of the instance's."
            ),
            f"Copy the image to {target} (aws ec2 copy-image --source-region {source} --region "
            f"{target} …) and make a launch template there with the same name; or choose a pool "
            f"in {source}.",
        )
    facts = case.facts
    regional = [
        *(volume.volume_id for volume in facts.data_volumes),
        *(address.public_address for address in facts.elastic_addresses),
        *(
            ()
            if isinstance(facts.targets, Unknown)
            else (target.group_name for target in facts.targets)
        ),
    ]
    if regional:
        yield Finding(
            "regional-resources",
            f"{', '.join(regional)} cannot leave {source}.",
            f"Choose a pool in {source}, or move them by hand first.",
        )


def _spot_role(case: SwitchCase) -> Iterator[Finding]:
    if case.lifecycle is Lifecycle.SPOT and case.region.spot_role == "":
        command = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        yield Finding(
            "spot-role-missing",
            "The account has no service-linked role AWSServiceRoleForEC2Spot, which spot "
            "instances need.",
            "Create it once; it costs nothing.",
            snippets=(Snippet("Create the role", "sh", command),),
        )


def _needed_rights(case: SwitchCase, strategy: Strategy) -> list[str]:
    """The IAM actions of a strategy that a dry run can test."""
    if strategy.in_place:
        return ["ec2:StopInstances", "ec2:StartInstances", "ec2:ModifyInstanceAttribute"]
    needed = ["ec2:TerminateInstances"]
    if strategy.makes_image:
        needed.append(IMAGE_RIGHT)
    if case.facts.elastic_addresses:
        needed.append("ec2:AssociateAddress")
    if not case.region.launch_refusal:
        # a refused launch says nothing about the rights to launch
        needed += [RUN_RIGHT, TAG_RIGHT]
        needed += [ROLE_RIGHT] if case.facts.instance_profile else []
    if case.same_zone and case.facts.data_volumes:
        needed += ["ec2:DetachVolume", "ec2:AttachVolume"]
    return needed


def _rights(case: SwitchCase, strategy: Strategy) -> Iterator[Finding]:
    rights = case.region.rights
    unsure = []
    for action in _needed_rights(case, strategy):
        allowed = rights.get(action, Unknown("It was not tested."))
        if isinstance(allowed, Unknown):
            unsure.append((action, allowed))
        elif not allowed and action == TAG_RIGHT:
            spot = case.lifecycle is Lifecycle.SPOT
            kinds = "instances, volumes, network interfaces"
            kinds += ", images, snapshots" if strategy.makes_image else ""
            kinds += " and spot-instances-request" if spot else ""
            yield Finding(
                "tag-rights",
                f"SpotLab's role may not tag what a switch makes ({kinds}); without its tags, "
                "nothing can be found again after a failure.",
                f"Grant {TAG_RIGHT} for these resources.",
            )
        elif not allowed:
            yield Finding(
                "missing-right",
                f"SpotLab's role lacks the right {action}.",
                grant(action, case.facts),
            )
    if unsure:
        names = ", ".join(action for action, _ in unsure)
        yield Finding(
            "rights-not-tested",
            f"Whether SpotLab's role has {names} is not known: {unsure[0][1].reason}",
            "Confirm that it has; a missing right stops the switch before the old instance ends.",
            question=True,
        )
