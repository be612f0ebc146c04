"""The preflight refuses what would lose something, says why and what to do, and loses nothing silently."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import Placement, SpotRequest, UserData
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Fate, Finding, Method, Preflight, Strategy
from spotlab.domain.unknown import Unknown
from spotlab.domain.workload import NO_WORKLOAD
from spotlab.switching.preflight import check
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
    "multi-attach": {
        "facts": some.facts(volumes=(some.volume(), some.data_volume(multi_attach=True)))
    },
    "instance-store-root": {"facts": some.facts(root_device_type="instance-store", volumes=())},
    "kms-key-without-grant": {
        "facts": some.facts(
            volumes=(some.volume(encrypted=True, kms_key=KEY, kms_key_aws_managed=False),)
        ),
        "region": some.region(key_grants={KEY: False}),
    },
    "kms-key-of-moved-volume": {
        "region": some.region(key_grants={KEY: True}, attach_grants={KEY: False})
    },
    "unknown-kms-grant": {
        "region": some.region(key_grants={KEY: Unknown("Denied.", "kms:ListGrants")})
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


# -- owners ---------------------------------------------------------------------------------------
