"""An instance of a group is refused, with the change to the group ready to copy."""

from __future__ import annotations

import json
import re
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import Owner, OwnerKind
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Finding
from spotlab.switching.preflight.check import check
from spotlab.switching.preflight.group_overrides import MAX_TYPES
from tests.support import switch_facts as some

CANDIDATES = (
    Pool("us-east-1", "us-east-1b", "m6i.large"),
    Pool("us-east-1", "us-east-1a", "m6a.large"),
    Pool("us-east-1", "us-east-1a", "m6i.large"),
)
OWNERS = {
    "auto-scaling-group": Owner(OwnerKind.AUTO_SCALING_GROUP, "web", "aws:autoscaling:groupName"),
    "ec2-fleet": Owner(OwnerKind.EC2_FLEET, "fleet-12345678-1234-1234", "aws:ec2:fleet-id"),
    "spot-fleet": Owner(OwnerKind.SPOT_FLEET, "sfr-1", "aws:ec2spot:fleet-request-id"),
    "eks-node": Owner(OwnerKind.EKS, "prod", "eks:cluster-name"),
    "kubernetes-node": Owner(OwnerKind.KUBERNETES, "k8s", "kubernetes.io/cluster/k8s"),
    "karpenter-node": Owner(OwnerKind.KARPENTER, "default", "karpenter.sh/nodepool"),
    "emr-node": Owner(OwnerKind.EMR, "j-1", "aws:elasticmapreduce:job-flow-id"),
}
REQUESTS = {
    "auto-scaling-group": ("autoscaling", "UpdateAutoScalingGroup"),
    "ec2-fleet": ("ec2", "ModifyFleet"),
    "eks-node": ("eks", "CreateNodegroup"),
}


def refused(*owners: Owner, candidates: tuple[Pool, ...] = CANDIDATES, **changes: Any) -> Finding:
    """The first finding for an instance with owners."""
    plan = check(
        some.facts(owners=owners, **changes),
        some.SAME_ZONE,
        Lifecycle.SPOT,
        some.STATELESS,
        some.type_facts("m5.large"),
        some.type_facts(),
        some.region(),
        candidates=candidates,
    )
    assert plan.refused
    return plan.findings[0]


@pytest.mark.parametrize("code", OWNERS)
def test_a_group_is_named_with_what_to_change_in_it(code: str) -> None:
    found = refused(OWNERS[code])
    assert found.code == code
    assert found.blocks
    assert not found.question, "nobody can confirm it away"
    assert OWNERS[code].name in found.text
    assert found.remedy


@pytest.mark.parametrize("code", sorted(set(OWNERS) - {"emr-node"}))
def test_the_types_of_the_decision_are_ready_to_copy_in_its_order(code: str) -> None:
    for snippet in refused(OWNERS[code]).snippets:
        named = re.findall(r"m6[ia]\.large", snippet.text)
        assert [*dict.fromkeys(named)] == ["m6i.large", "m6a.large"]


@pytest.mark.parametrize("code", REQUESTS)
def test_json_is_a_request_that_aws_accepts(code: str) -> None:
    (snippet,) = [each for each in refused(OWNERS[code]).snippets if each.language == "json"]
    service, operation = REQUESTS[code]
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(json.loads(snippet.text), shape)
    assert not report.has_errors(), report.generate_report()


def test_the_overrides_of_an_auto_scaling_group() -> None:
    found = refused(OWNERS["auto-scaling-group"], launch_template=some.template())
    policy = json.loads(found.snippets[0].text)
    mixed = policy["MixedInstancesPolicy"]["LaunchTemplate"]
    assert policy["AutoScalingGroupName"] == "web"
    assert mixed["Overrides"] == [{"InstanceType": "m6i.large"}, {"InstanceType": "m6a.large"}]
    assert mixed["LaunchTemplateSpecification"]["LaunchTemplateId"] == "lt-0web"
    assert "us-east-1a, us-east-1b" in found.remedy, "the zones that its subnets need"
    terraform = found.snippets[1].text
    assert terraform.count("override {") == 2
    assert terraform.count("{") == terraform.count("}")


def test_a_node_of_a_managed_node_group_is_changed_through_the_node_group() -> None:
    owners = [OWNERS[code] for code in ("ec2-fleet", "auto-scaling-group", "eks-node")]
    found = refused(*owners)
    assert found.code == "eks-node"
    assert "Auto Scaling group web" in found.text


def test_a_group_gets_no_pools_of_other_regions() -> None:
    elsewhere = (Pool("eu-west-1", "eu-west-1a", "c7i.large"), *CANDIDATES)
    found = refused(OWNERS["auto-scaling-group"], candidates=elsewhere)
    assert "c7i.large" not in found.snippets[0].text
    assert "eu-west-1a" not in found.remedy


def test_without_a_decision_the_target_is_offered() -> None:
    found = refused(OWNERS["auto-scaling-group"], candidates=())
    assert "m6i.large" in found.snippets[0].text


def test_a_hostile_name_stays_text() -> None:
    owner = Owner(OwnerKind.AUTO_SCALING_GROUP, 'a"\n${file("/etc/passwd")}%{x}', "")
    policy, terraform = refused(owner).snippets
    assert json.loads(policy.text)["AutoScalingGroupName"] == owner.name
    assert "/etc/passwd" not in terraform.text


def test_a_policy_lists_no_more_types_than_it_may() -> None:
    many = tuple(Pool("us-east-1", "us-east-1a", f"m{n}.large") for n in range(60))
    policy = json.loads(refused(OWNERS["auto-scaling-group"], candidates=many).snippets[0].text)
    assert len(policy["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]) == MAX_TYPES
