"""The permissions are those of the calls that the code makes, and the policy limits each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from spotlab.aws import onboarding
from spotlab.aws.onboarding import RoleTemplate, new_external_id, principal_of, to_yaml
from spotlab.aws.permissions import (
    PERMISSIONS,
    WITHOUT_PERMISSION,
    Access,
    compact,
    explanation,
    permissions_of,
    policy,
)
from spotlab.aws.policy_statements import STATEMENTS
from spotlab.aws.regions import AWS, AWS_CHINA, AWS_GOVCLOUD, PARTITIONS, Partition
from spotlab.domain.switch_tags import ALLOW_TAG, SWITCH_TAG
from spotlab.errors import InvalidInput
from tests.support.aws_calls import calls_in, operations

AWS_MODULES: Final = Path(onboarding.__file__).parent
TRY_THE_TABLE: Final = ("permission_checks.py", "permission_samples.py")
"""They make the calls of the table, without effect, and are no reason for a permission."""
ACCOUNT_ID: Final = "123456789012"
IAM_PREFIXES: Final = {"elbv2": "elasticloadbalancing"}


def calls_of_the_code() -> dict[str, str]:
    """The calls in `spotlab/aws/`, and a module that makes each."""
    return {
        call: path.name
        for path in sorted(AWS_MODULES.rglob("*.py"))
        if path.name not in TRY_THE_TABLE
        for call in calls_in(path)
    }


def test_every_call_has_its_permission() -> None:
    covered = {call for each in PERMISSIONS for call in each.calls} | set(WITHOUT_PERMISSION)
    missing = {call: name for call, name in calls_of_the_code().items() if call not in covered}
    assert not missing, "add these calls to spotlab/aws/permissions.py"


def test_every_permission_has_its_call() -> None:
    made = calls_of_the_code()
    unused = [each.action for each in PERMISSIONS if not any(call in made for call in each.calls)]
    assert not unused, "no code needs these permissions: remove them"


def test_a_permission_is_the_action_of_its_call() -> None:
    for each in PERMISSIONS:
        if each.implied:
            continue
        (call,) = each.calls
        service, name = call.split(".")
        action = operations()[name][service].removesuffix("Batch")
        assert each.action == f"{IAM_PREFIXES.get(service, service)}:{action}"


def test_no_permission_is_listed_twice() -> None:
    actions = [each.action for each in PERMISSIONS]
    assert sorted(actions) == sorted(set(actions))


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("ec2.describe_instances()", {"ec2.describe_instances"}),
        ("call(self._ec2.run_instances, DryRun=True)", {"ec2.run_instances"}),
        ('client.get_paginator("describe_volumes")', {"ec2.describe_volumes"}),
        ('client.get_waiter("instance_running")', {"ec2.describe_instances"}),
        ('"""Uses describe_volumes."""', set()),
        ('x = sessions.client("elbv2", a, r)\nx.add_tags()', {"elbv2.add_tags"}),
    ],
)
def test_calls_are_found_in_source(tmp_path: Path, source: str, calls: set[str]) -> None:
    path = tmp_path / "module.py"
    path.write_text(source)
    assert calls_in(path) == calls


def test_a_calculated_name_of_an_operation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('client.get_paginator(f"describe_{kind}")')
    with pytest.raises(AssertionError, match="write the name of the operation"):
        calls_in(path)


def template(access: Access = Access.SWITCHING, partition: Partition = AWS) -> RoleTemplate:
    principal = f"arn:{partition.name}:iam::999999999999:role/spotlab-server"
    return RoleTemplate(access, partition, ACCOUNT_ID, principal)


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("access", Access)
def test_the_policy_fits_and_contains_every_permission(
    access: Access, partition: Partition
) -> None:
    document = policy(access, partition, ACCOUNT_ID)
    assert len(compact(document)) <= 6_144
    granted = {action for each in document["Statement"] for action in each["Action"]}
    assert granted == {each.action for each in permissions_of(access)}
    assert "*" not in "".join(granted), "no wildcard in an action"
    arns = re.findall(r'"(arn:[^"]*)"', json.dumps(document))
    assert all(each.startswith(f"arn:{partition.name}:") for each in arns)


def test_read_only_changes_nothing_but_its_own_queue() -> None:
    document = policy(Access.READ_ONLY, AWS, ACCOUNT_ID)
    for statement in document["Statement"]:
        changing = [
            action
            for action in statement["Action"]
            if not action.split(":")[1].startswith(("Describe", "Get", "Lookup"))
        ]
        assert not changing or all(":spotlab-events" in arn for arn in statement["Resource"])


READS: Final = ("Describe", "Get", "List", "Lookup")
CREATED: Final = {"StringLike": {f"aws:RequestTag/{SWITCH_TAG}": "*"}}


def statements_with(action: str) -> dict[str, dict[str, Any]]:
    document = policy(Access.SWITCHING, AWS, ACCOUNT_ID)
    return {each["Sid"]: each for each in document["Statement"] if action in each["Action"]}


def test_no_change_is_allowed_on_every_resource() -> None:
    for statement in policy(Access.SWITCHING, AWS, ACCOUNT_ID)["Statement"]:
        if statement["Resource"] == "*":
            for action in statement["Action"]:
                assert action.split(":")[1].startswith(READS), action


@pytest.mark.parametrize(
    "action",
    [
        "ec2:TerminateInstances",
        "ec2:StopInstances",
        "ec2:StartInstances",
        "ec2:DeleteTags",
        "ec2:DeregisterImage",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "elasticloadbalancing:RegisterTargets",
        "elasticloadbalancing:DeregisterTargets",
    ],
)
def test_what_exists_is_changed_only_by_its_tag(action: str) -> None:
    allowed = statements_with(action)
    assert allowed
    for statement in allowed.values():
        (condition,) = statement["Condition"].values()
        (key,) = condition
        assert key in (f"aws:ResourceTag/{ALLOW_TAG}", f"aws:ResourceTag/{SWITCH_TAG}")


@pytest.mark.parametrize(
    "action",
    ["ec2:AssociateAddress", "ec2:AttachVolume", "ec2:DetachVolume", "ec2:ModifyInstanceAttribute"],
)
def test_volumes_move_only_between_tagged_instances(action: str) -> None:
    without_condition = [
        arn
        for statement in statements_with(action).values()
        if "Condition" not in statement
        for arn in statement["Resource"]
    ]
    assert not any(":instance/" in arn or ":elastic-ip/" in arn for arn in without_condition)


def test_launches_and_images_are_tagged_as_ours() -> None:
    launch = statements_with("ec2:RunInstances")
    probe = {f"aws:RequestTag/{SWITCH_TAG}": "probe-*"}
    assert launch["LaunchOwn"]["Condition"] == CREATED | {"StringNotLike": probe}
    assert launch["ProbeLaunches"]["Condition"] == {"StringLike": probe}
    assert not any(":instance/" in arn for arn in launch["LaunchFrom"]["Resource"])
    assert statements_with("ec2:CreateImage")["CreateOwnImages"]["Condition"] == CREATED


def test_tags_are_set_at_creation_or_on_what_may_be_switched() -> None:
    tagging = statements_with("ec2:CreateTags")
    assert all("Condition" in each for each in tagging.values())
    assert tagging["TagNew"]["Condition"] == {
        "StringEquals": {"ec2:CreateAction": ["CreateImage", "RunInstances"]}
    }


@pytest.mark.parametrize(
    ("partition", "service"),
    [
        (AWS, "ec2.amazonaws.com"),
        (AWS_CHINA, "ec2.amazonaws.com.cn"),
        (AWS_GOVCLOUD, "ec2.amazonaws.com"),
    ],
    ids=lambda each: getattr(each, "name", each),
)
def test_roles_are_passed_to_ec2_only(partition: Partition, service: str) -> None:
    document = policy(Access.SWITCHING, partition, ACCOUNT_ID)
    (statement,) = (each for each in document["Statement"] if "iam:PassRole" in each["Action"])
    assert statement["Action"] == ["iam:PassRole"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": service}}
    assert statement["Resource"] == f"arn:{partition.name}:iam::{ACCOUNT_ID}:role/*"


def test_every_statement_is_used_and_explained() -> None:
    assert [statement for statement, _ in explanation(Access.SWITCHING)] == list(STATEMENTS)
    for statement in STATEMENTS:
        assert statement.allows.endswith(".")


def test_the_trust_policy_names_spotlab_and_the_external_id() -> None:
    (statement,) = template().trust_policy("id-1")["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::999999999999:role/spotlab-server"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "id-1"}}


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each.name)
def test_cloudformation_has_the_same_content(partition: Partition) -> None:
    role = template(partition=partition)
    document = yaml.safe_load(role.cloudformation())
    assert document["Parameters"]["ExternalId"]["NoEcho"] is True
    properties = document["Resources"]["SpotLabRole"]["Properties"]
    assert properties["Policies"][0]["PolicyDocument"] == role.policy()
    assert properties["AssumeRolePolicyDocument"] == role.trust_policy({"Ref": "ExternalId"})
    assert document["Outputs"]["RoleArn"]["Value"] == {"Fn::GetAtt": ["SpotLabRole", "Arn"]}
    assert role.role_arn == f"arn:{partition.name}:iam::{ACCOUNT_ID}:role/SpotLab"


def test_terraform_has_the_same_content() -> None:
    role = template()
    text = role.terraform()
    policies = [
        json.loads(each.replace("var.spotlab_external_id", '"EXTERNAL_ID"'))
        for each in re.findall(r"jsonencode\((\{.*?\n  \})\)", text, re.DOTALL)
    ]
    assert policies == [role.trust_policy(), role.policy()]
    assert "sensitive = true" in text
    assert "${" not in text


def test_the_templates_say_what_each_statement_allows() -> None:
    role = template()
    for sentence in role.explanation():
        assert f"# {sentence}\n" in role.cloudformation()
        assert f"# {sentence}\n" in role.terraform()


def test_external_ids_are_random_and_valid() -> None:
    made = {new_external_id() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[\w-]{43}", each, re.ASCII) for each in made)


@pytest.mark.parametrize(
    ("identity", "principal"),
    [
        ("arn:aws:iam::1:user/ana", "arn:aws:iam::1:user/ana"),
        (
            "arn:aws-cn:sts::123456789012:assumed-role/lab/i-0a",
            "arn:aws-cn:iam::123456789012:role/lab",
        ),
    ],
)
def test_a_session_is_trusted_as_its_role(identity: str, principal: str) -> None:
    assert principal_of(identity) == principal


@pytest.mark.parametrize(
    ("principal", "said"),
    [
        ("", "is not an identity"),
        ("*", "is not an identity"),
        ("arn:aws:iam::999999999999:role/a\nb", "is not an identity"),
        ("arn:aws-cn:iam::999999999999:role/lab", "in the partition aws-cn, and the account is in"),
    ],
)
def test_a_principal_that_cannot_be_trusted_is_refused(principal: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        RoleTemplate(Access.READ_ONLY, AWS, ACCOUNT_ID, principal)


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"b": ["x", {"c": "1"}, ["y", "z"]], "d": []}, "no": "yes", "e": True, "f": 3},
        ["2012-10-17", "a: b", "# c", "*", "", "Über", 'q"uote', "line\nline"],
        "plain",
    ],
)
def test_yaml_reads_back(value: object) -> None:
    assert yaml.safe_load(to_yaml(value)) == value
