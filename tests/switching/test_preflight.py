"""The preflight refuses what would lose something, and says why and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import Placement, SpotRequest, UserData
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Fate, Finding, Method, Preflight, Strategy
from spotlab.domain.unknown import Unknown
from spotlab.domain.workload import NO_WORKLOAD
from spotlab.switching.preflight.check import check
from tests.support import switch_facts as some
from tests.support.switch_facts import (
    CHECKPOINTED,
    KEY,
    OTHER_REGION,
    OTHER_ZONE,
    SAME_ZONE,
    STATEFUL,
    STATELESS,
)

DENIED = Unknown("Reading its volumes was refused by AWS.", "ec2:DescribeVolumes")

ENCRYPTED: dict[str, Any] = {"encrypted": True, "kms_key": KEY, "kms_key_aws_managed": False}


def planned(facts: Any = None, target: Pool = SAME_ZONE, **changes: Any) -> Preflight:
    """The preflight of a switch to spot of a stateless workload, with some inputs changed."""
    facts = facts or some.facts()
    return check(
        facts,
        target,
        changes.pop("lifecycle", Lifecycle.SPOT),
        changes.pop("applied", STATELESS),
        changes.pop("source_type", some.type_facts(facts.pool.instance_type)),
        changes.pop("target_type", some.type_facts(target.instance_type)),
        changes.pop("region", some.region(region=target.region)),
        **changes,
    )


def finding(plan: Preflight, code: str) -> Finding:
    found = [each for each in plan.findings if each.code == code]
    assert found, f"{code} is not among {[each.code for each in plan.findings]}"
    return found[0]


def codes(plan: Preflight) -> set[str]:
    return {each.code for each in plan.blocking}


def test_a_stateless_instance_that_nothing_forbids_is_switched_from_an_image() -> None:
    plan = planned()
    assert not plan.refused
    assert plan.strategy is Strategy.FROM_IMAGE
    assert "web is stateless" in plan.strategy_reason
    assert plan.subnet_id == "subnet-a"
    assert any("10.0.0.10" in sentence for sentence in plan.lost)
    assert [call.action for call in plan.calls] == [
        "ec2:CreateImage",
        "ec2:RunInstances",
        "ec2:CancelSpotInstanceRequests",
        "ec2:TerminateInstances",
        "ec2:DeregisterImage",
        "ec2:DeleteSnapshot",
    ]


REFUSALS: dict[str, dict[str, Any]] = {
    "not-running": {"facts": some.facts(state="stopped")},
    "already-there": {"facts": some.facts(pool=SAME_ZONE)},
    "operating-system": {"target": replace(SAME_ZONE, operating_system="Windows")},
    "termination-protection": {"facts": some.facts(termination_protection=True)},
    "stop-protection": {"facts": some.facts(stop_protection=True)},
    "dedicated-tenancy": {"facts": some.facts(placement=Placement("host", "h-0123"))},
    "placement-group": {
        "facts": some.facts(placement=Placement(group_name="hpc", group_strategy="cluster")),
        "target": OTHER_ZONE,
    },
    "capacity-reservation": {
        "facts": some.facts(placement=Placement(capacity_reservation_id="cr-1"))
    },
    "persistent-spot-request": {
        "facts": some.facts(spot_request=SpotRequest("sir-2", True, "stop", True))
    },
    "hibernation": {"facts": some.facts(hibernation=True)},
    "enclave": {"facts": some.facts(enclave=True)},
    "cloudformation": {"facts": some.facts(tags={"aws:cloudformation:stack-name": "web"})},
    "spot-role-missing": {"region": some.region(spot_role="")},
    "tag-rights": {
        "region": some.region(rights=dict.fromkeys(some.ACTIONS, True) | {"ec2:CreateTags": False})
    },
    "missing-right": {
        "region": some.region(rights=dict.fromkeys(some.ACTIONS, True) | {"ec2:CreateImage": False})
    },
    "rights-not-tested": {"region": some.region(rights={})},
    "launch-refused": {"region": some.region(launch_refusal="Unsupported in us-east-1a.")},
    "multi-attach": {
        "facts": some.facts(volumes=(some.volume(), some.data_volume(multi_attach=True)))
    },
    "instance-store-root": {"facts": some.facts(root_device_type="instance-store", volumes=())},
    "kms-key-without-grant": {
        "facts": some.facts(volumes=(some.volume(**ENCRYPTED),)),
        "region": some.region(key_grants={KEY: False}),
    },
    "kms-key-of-moved-volume": {
        "facts": some.facts(volumes=(some.volume(), some.data_volume(**ENCRYPTED))),
        "region": some.region(key_grants={KEY: True}, attach_grants={KEY: False}),
    },
    "unknown-kms-grant": {
        "facts": some.facts(volumes=(some.volume(**ENCRYPTED),)),
        "region": some.region(key_grants={KEY: Unknown("Denied.", "kms:ListGrants")}),
    },
    "architecture": {"target_type": some.type_facts("m7g.large", architectures=("arm64",))},
    "boot-mode": {
        "facts": some.facts(image=some.image(boot_mode="uefi")),
        "target_type": some.type_facts(boot_modes=("legacy-bios",)),
    },
    "image-without-ena": {
        "facts": some.facts(ena=False, image=some.image(ena=False)),
        "source_type": some.xen_type(),
    },
    "image-without-nvme": {"source_type": some.xen_type()},
    "virtualization": {"facts": some.facts(image=some.image(virtualization="paravirtual"))},
    "usage-class": {"target_type": some.type_facts(usage_classes=("on-demand",))},
    "nitro-tpm": {
        "facts": some.facts(image=some.image(tpm=True)),
        "target_type": some.type_facts(tpm=False),
    },
    "cpu-options": {"facts": some.facts(cpu_options=(1, 1))},
    "unknown-type": {"target_type": Unknown("EC2 does not list it in us-east-1.")},
    "no-vpc": {"facts": some.facts(interfaces=(), vpc_id="")},
    "several-interfaces": {"facts": some.facts(interfaces=(some.interface(), some.interface(1)))},
    "efa": {"facts": some.facts(interfaces=(some.interface(kind="efa"),))},
    "router": {"facts": some.facts(interfaces=(some.interface(source_dest_check=False),))},
    "delegated-prefixes": {
        "facts": some.facts(interfaces=(some.interface(prefixes=("10.0.1.0/28",)),))
    },
    "secondary-addresses": {
        "facts": some.facts(
            interfaces=(some.interface(secondary_private_addresses=("10.0.0.50",)),)
        )
    },
    "elastic-address-not-primary": {
        "facts": some.facts(elastic_addresses=(some.elastic(private_address="10.0.0.50"),))
    },
    "ip-target": {
        "facts": some.facts(targets=(some.target(target_type="ip", target_id="10.0.0.10"),))
    },
    "no-subnet": {"target": replace(SAME_ZONE, availability_zone="us-east-1f")},
    "no-zone": {"target": replace(SAME_ZONE, availability_zone=None)},
    "subnet-full": {
        "target": OTHER_ZONE,
        "region": some.region(
            subnets=(some.subnet(), some.subnet("subnet-b", "us-east-1b", free_addresses=0))
        ),
    },
    "other-subnet": {
        "target": OTHER_ZONE,
        "region": some.region(
            subnets=(some.subnet(), some.subnet("subnet-b", "us-east-1b", route_table_id="rtb-2"))
        ),
    },
    "other-region": {"target": OTHER_REGION},
    "regional-resources": {
        "target": OTHER_REGION,
        "facts": some.facts(elastic_addresses=(some.elastic(),)),
    },
    "stop-start-impossible": {"strategy": Strategy.STOP_START},
    "reboot": {"strategy": Strategy.FROM_IMAGE_REBOOT},
    "no-launch-template": {"strategy": Strategy.FROM_TEMPLATE},
    "template-names-spot": {
        "facts": some.facts(launch_template=some.template(names_spot=True)),
        "strategy": Strategy.FROM_TEMPLATE,
        "lifecycle": Lifecycle.ON_DEMAND,
    },
    "template-image-missing": {
        "facts": some.facts(launch_template=some.template(image=some.image(exists=False))),
        "strategy": Strategy.FROM_TEMPLATE,
    },
    "template-differs": {
        "facts": some.facts(
            launch_template=some.template(image=some.image(image_id="ami-0old")),
            instance_profile="arn:aws:iam::123456789012:instance-profile/web",
        ),
        "strategy": Strategy.FROM_TEMPLATE,
    },
    "template-interfaces": {
        "facts": some.facts(launch_template=some.template(interface_count=2)),
        "strategy": Strategy.FROM_TEMPLATE,
    },
    "data-volumes-lost": {
        "facts": some.facts(
            volumes=(some.volume(), some.data_volume()),
            launch_template=some.template(devices=("/dev/xvda", "/dev/sdf")),
        ),
        "strategy": Strategy.FROM_TEMPLATE,
    },
    "instance-store-data": {"facts": some.facts(instance_store_gb=900.0), "applied": STATEFUL},
    "inconsistent-file-system": {"applied": NO_WORKLOAD, "strategy": Strategy.FROM_IMAGE},
    "root-volume-lost": {
        "facts": some.facts(launch_template=some.template()),
        "applied": NO_WORKLOAD,
        "strategy": Strategy.FROM_TEMPLATE,
    },
    "data-volumes-other-zone": {
        "facts": some.facts(volumes=(some.volume(), some.data_volume())),
        "target": OTHER_ZONE,
        "applied": some.applied(),
    },
    "unknown-facts": {"facts": some.facts(targets=DENIED)},
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refused_with_the_reason_and_what_to_do(code: str) -> None:
    plan = planned(**REFUSALS[code])
    assert plan.refused
    found = finding(plan, code)
    assert found.blocks
    assert found.text.endswith((".", "!")), found.text
    assert found.remedy, "a refusal says what to do"
    assert plan.findings[: len(plan.blocking)] == plan.blocking, "what blocks comes first"


@pytest.mark.parametrize("code", REFUSALS)
def test_only_questions_can_be_confirmed(code: str) -> None:
    question = finding(planned(**REFUSALS[code]), code).question
    confirmed = planned(**REFUSALS[code], confirmed={code})
    assert finding(confirmed, code).blocks is not question


def test_an_unknown_fact_names_the_missing_permission() -> None:
    plan = planned(some.facts(targets=DENIED, user_data=DENIED, stop_protection=DENIED))
    found = finding(plan, "unknown-facts")
    assert "target groups" in found.text
    assert "user data" in found.text
    assert found.remedy == "Grant ec2:DescribeVolumes to SpotLab's role."
    assert [each.code for each in plan.blocking] == ["unknown-facts"], "one for each reason"


@pytest.mark.parametrize("fact", ["shutdown_behavior", "launch_template", "credit_specification"])
def test_an_unknown_fact_that_loses_nothing_is_a_note(fact: str) -> None:
    plan = planned(some.facts(**{fact: DENIED}))
    assert not plan.refused
    assert not finding(plan, "unknown-facts").blocks


def test_the_size_of_a_volume_does_not_matter() -> None:
    assert not planned(
        some.facts(volumes=(some.volume(size_gb=DENIED, volume_type=DENIED),))
    ).refused


def test_unknown_user_data_matters_only_to_an_image() -> None:
    known_template = some.facts(user_data=DENIED, launch_template=some.template())
    assert not planned(known_template).refused
    assert planned(some.facts(user_data=DENIED)).refused


def test_unknown_facts_of_the_region_block() -> None:
    for fact in ("subnets", "spot_role"):
        denied = Unknown("Denied.", "iam:GetRole")
        plan = planned(region=some.region(**{fact: denied}))
        assert finding(plan, "unknown-facts").blocks
    on_demand = planned(region=some.region(spot_role=None), lifecycle=Lifecycle.ON_DEMAND)
    assert not on_demand.refused, "the spot role does not matter on-demand"


def test_a_type_with_nvme_proves_that_the_driver_is_there() -> None:
    plan = planned(some.facts(ena=False, image=some.image(ena=False)))
    assert not plan.refused, "it runs on m5, which needs ENA and NVMe"


def test_the_drivers_of_another_template_image_are_not_proven() -> None:
    other = some.template(image=some.image(image_id="ami-0new", ena=False))
    plan = planned(some.facts(launch_template=other), strategy=Strategy.FROM_TEMPLATE)
    assert {"image-without-ena", "image-without-nvme"} <= codes(plan)


def test_local_storage_counts_only_as_ec2_reports_it() -> None:
    named_d = some.facts(pool=Pool("us-east-1", "us-east-1a", "m5d.large"), instance_store_gb=0.0)
    assert not planned(named_d).refused
    unnamed = some.facts(pool=Pool("us-east-1", "us-east-1a", "i3.large"), instance_store_gb=475.0)
    plan = planned(unnamed, applied=some.applied())
    question = finding(plan, "instance-store-data")
    assert question.question
    assert "475 GB" in question.text
    assert any("instance store" in sentence for sentence in plan.lost)


def test_a_stateless_workload_needs_no_instance_store() -> None:
    plan = planned(some.facts(instance_store_gb=475.0))
    assert not finding(plan, "instance-store-data").blocks


def test_a_secondary_address_that_something_depends_on_cannot_be_confirmed() -> None:
    plan = planned(
        some.facts(
            interfaces=(some.interface(secondary_private_addresses=("10.0.0.50",)),),
            elastic_addresses=(some.elastic(private_address="10.0.0.50"),),
        ),
        confirmed={"secondary-addresses"},
    )
    found = finding(plan, "secondary-addresses")
    assert found.blocks
    assert "203.0.113.7 maps to 10.0.0.50" in found.text


def test_only_what_a_launch_makes_needs_a_grant_to_the_spot_role() -> None:
    facts = some.facts(volumes=(some.volume(), some.data_volume(**ENCRYPTED)))
    region = some.region(key_grants={KEY: False}, attach_grants={KEY: True})
    assert not planned(facts, region=region).refused, "in its zone, the volume moves"
    plan = planned(facts, OTHER_ZONE, region=region)
    assert codes(plan) == {"kms-key-without-grant"}, "in another, the image copies it"


def test_a_key_of_aws_needs_no_grant() -> None:
    managed = some.volume(**(ENCRYPTED | {"kms_key_aws_managed": True}))
    assert not planned(some.facts(volumes=(managed,))).refused


def test_a_grant_is_ready_to_copy() -> None:
    found = finding(planned(**REFUSALS["kms-key-without-grant"]), "kms-key-without-grant")
    (snippet,) = found.snippets
    assert KEY in snippet.text
    assert some.SPOT_ROLE_ARN in snippet.text
    assert "CreateGrant" in snippet.text


# -- strategies -----------------------------------------------------------------------------------


def test_from_the_template_where_nothing_is_lost() -> None:
    plan = planned(some.facts(launch_template=some.template()))
    assert plan.strategy is Strategy.FROM_TEMPLATE
    assert "lt-0web, version 3" in plan.strategy_reason
    assert not plan.refused
    assert "ec2:CreateImage" not in [call.action for call in plan.calls]


def test_not_from_the_template_if_it_would_leave_a_volume_behind() -> None:
    facts = some.facts(volumes=(some.volume(), some.data_volume()), launch_template=some.template())
    assert planned(facts).strategy is Strategy.FROM_TEMPLATE, "the volume moves"
    assert planned(facts, OTHER_ZONE).strategy is Strategy.FROM_IMAGE


def test_not_from_a_template_that_launches_something_else() -> None:
    plan = planned(some.facts(launch_template=some.template(has_user_data=True)))
    assert plan.strategy is Strategy.FROM_IMAGE
    assert "user data" in plan.strategy_reason
    assert not plan.refused


def test_a_checkpoint_tolerates_an_image_without_a_reboot() -> None:
    plan = planned(applied=CHECKPOINTED)
    assert plan.strategy is Strategy.FROM_IMAGE
    assert "checkpoint" in plan.strategy_reason


@pytest.mark.parametrize("workload", [NO_WORKLOAD, some.applied(), STATEFUL])
def test_otherwise_a_reboot_is_asked_for(workload: Any) -> None:
    plan = planned(applied=workload)
    assert plan.strategy is Strategy.FROM_IMAGE_REBOOT
    assert [each.code for each in plan.questions] == ["reboot"]
    assert not planned(applied=workload, confirmed={"reboot"}).refused


def test_stop_and_start_where_only_the_type_of_an_on_demand_instance_changes() -> None:
    facts = some.on_demand(
        volumes=(some.volume(), some.data_volume()),
        elastic_addresses=(some.elastic(),),
        termination_protection=True,
    )
    plan = planned(facts, lifecycle=Lifecycle.ON_DEMAND, confirmed={"stop"})
    assert plan.strategy is Strategy.STOP_START
    assert not plan.refused, "nothing is terminated"
    assert {effect.fate for effect in plan.effects if effect.kind != "memory"} == {Fate.KEPT}
    assert [call.action for call in plan.calls] == [
        "ec2:StopInstances",
        "ec2:ModifyInstanceAttribute",
        "ec2:StartInstances",
    ]


@pytest.mark.parametrize(
    ("target", "lifecycle"), [(OTHER_ZONE, Lifecycle.ON_DEMAND), (SAME_ZONE, Lifecycle.SPOT)]
)
def test_no_stop_and_start_to_another_zone_or_to_spot(target: Pool, lifecycle: Lifecycle) -> None:
    plan = planned(some.on_demand(), target, lifecycle=lifecycle)
    assert plan.strategy is not Strategy.STOP_START


def test_another_region_needs_a_launch_template_there() -> None:
    there = some.template(template_id="lt-ireland", image=some.image(image_id="ami-0ireland"))
    facts = some.facts(launch_template=some.template())
    plan = planned(
        facts,
        OTHER_REGION,
        source_type=some.xen_type(),
        region=some.region(region="eu-west-1", subnets=(), templates=(there,)),
        confirmed={"image-without-nvme"},
    )
    assert plan.strategy is Strategy.FROM_TEMPLATE
    assert not plan.refused
    launch = next(call for call in plan.calls if call.step == "launch")
    assert launch.parameters["LaunchTemplate"]["LaunchTemplateId"] == "lt-ireland"
    assert "SecurityGroupIds" not in launch.parameters, "groups belong to a region"


def test_a_template_that_differs_says_in_what() -> None:
    found = finding(planned(**REFUSALS["template-differs"]), "template-differs")
    assert "image ami-0old instead of ami-0web" in found.text
    assert "no instance profile instead of web" in found.text
    same = some.template(instance_profile="web", has_user_data=True)
    facts = some.facts(
        launch_template=same,
        instance_profile="arn:aws:iam::123456789012:instance-profile/web",
        user_data=UserData("ab" * 32),
    )
    assert not planned(facts).refused, "a name and an ARN name the same profile"


# -- what is kept ---------------------------------------------------------------------------------


def test_in_the_same_zone_data_volumes_and_elastic_addresses_move() -> None:
    facts = some.facts(
        volumes=(some.volume(), some.data_volume()), elastic_addresses=(some.elastic(),)
    )
    plan = planned(facts)
    fates = {effect.id: (effect.fate, effect.method) for effect in plan.effects}
    assert fates["vol-data"] == (Fate.KEPT, Method.MOVED)
    assert fates["vol-root"] == (Fate.RECREATED, Method.IMAGED)
    assert fates["203.0.113.7"] == (Fate.KEPT, Method.MOVED)
    image = next(call for call in plan.calls if call.step == "image")
    assert image.parameters["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/sdf", "NoDevice": ""}
    ], "a volume that moves is not copied"
    assert "nofail" in finding(plan, "data-volumes-moved").remedy


def test_in_another_zone_the_image_copies_data_volumes() -> None:
    facts = some.facts(volumes=(some.volume(), some.data_volume()))
    plan = planned(facts, OTHER_ZONE)
    assert not plan.refused, "the workload is stateless"
    (effect,) = [each for each in plan.effects if each.id == "vol-data"]
    assert (effect.fate, effect.method) == (Fate.RECREATED, Method.IMAGED)
    assert "writes after it are lost" in effect.text
    assert "detached, and is billed" in effect.text
    image = next(call for call in plan.calls if call.step == "image")
    assert "BlockDeviceMappings" not in image.parameters


def test_a_target_group_gets_the_new_instance_before_the_old_one_is_drained() -> None:
    plan = planned(some.facts(targets=(some.target(),)))
    assert any("web, port 80" in text and "120 s" in text for text in plan.recreated)
    actions = [call.action.partition(":")[2] for call in plan.calls]
    assert actions.index("RegisterTargets") < actions.index("DeregisterTargets")
    assert actions.index("DeregisterTargets") < actions.index("TerminateInstances")


def test_tags_of_aws_are_lost_and_others_recreated() -> None:
    plan = planned(some.facts(tags={"Name": "web", "aws:ec2launchtemplate:id": "lt-1"}))
    assert any("1 tag is" in text for text in plan.recreated)
    assert any("aws:ec2launchtemplate:id" in text for text in plan.lost)


def test_user_data_never_appears_in_a_plan() -> None:
    plan = planned(some.facts(user_data=UserData("ab" * 32)))
    launch = next(call for call in plan.calls if call.step == "launch")
    assert launch.parameters["UserData"] == "<not shown>"


def test_a_template_with_an_interface_takes_the_subnet_through_it() -> None:
    facts = some.facts(launch_template=some.template(interface_count=1))
    launch = next(call for call in planned(facts).calls if call.step == "launch")
    assert "SubnetId" not in launch.parameters
    assert launch.parameters["NetworkInterfaces"] == [
        {"DeviceIndex": 0, "SubnetId": "subnet-a", "Groups": ["sg-web"]}
    ]


def test_of_several_subnets_the_one_with_the_same_routes_is_chosen() -> None:
    others = (
        some.subnet("subnet-b1", "us-east-1b", route_table_id="rtb-public", free_addresses=4000),
        some.subnet("subnet-b2", "us-east-1b", free_addresses=20),
    )
    plan = planned(target=OTHER_ZONE, region=some.region(subnets=(some.subnet(), *others)))
    assert plan.subnet_id == "subnet-b2"
    assert not finding(plan, "other-subnet").blocks


def test_a_type_named_by_hand_that_is_worse_is_a_question() -> None:
    assert planned(shortfall="less memory: 8 GiB instead of 16").questions
    plan = planned(shortfall="less memory: 8 GiB instead of 16", confirmed=["worse-hardware"])
    answered = finding(plan, "worse-hardware")
    assert "is no like-for-like replacement of m5.large: less memory" in answered.text
    assert not plan.refused
    assert "worse-hardware" not in {each.code for each in planned().findings}


def test_tags_that_would_not_fit_beside_spotlabs_are_refused() -> None:
    def tagged(count: int) -> Preflight:
        own = {f"tag-{number}": "x" for number in range(count)}
        return planned(some.facts(tags={**own, "aws:createdBy": "AWS"}))

    assert "too-many-tags" not in codes(tagged(47))
    refusal = finding(tagged(49), "too-many-tags")
    assert "has 49 tags" in refusal.text
    assert refusal.remedy == "Remove 2 of them."
