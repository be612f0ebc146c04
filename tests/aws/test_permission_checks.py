"""Permissions are tried one by one, without changing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSResponse

from spotlab.aws.permission_checks import ALL_REGIONS, PermissionCheck, State, check_permissions
from spotlab.aws.permission_samples import PARAMETERS
from spotlab.aws.permissions import PERMISSIONS, Access, permissions_of
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from tests.support.boto import _Raw
from tests.support.market import StillClock

ACCOUNT = Account("shop", "123456789012", regions=("us-east-1", "eu-west-1"))
READS = ("Describe", "Get", "List", "Lookup")


INSTANCE = "i-0123456789abcdef0"


class Aws:
    """Answers requests as AWS does: dry runs, one instance in us-east-1, and refusals."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refused: dict[str, str] = {}
        self.refused_regions: dict[str, str] = {}
        self.tags = {"spotlab:allow-switching": "true"}

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        fields = {key: values[0] for key, values in parse_qs(_text(request.body)).items()}
        # The JSON protocol names the operation in a header.
        target = _text(request.headers.get("X-Amz-Target", "")).rpartition(".")[2]
        action = fields.get("Action", target)
        region = next((each for each in ACCOUNT.regions if each in request.url), "")
        self.requests.append((action, fields))
        code = self.refused_regions.get(region) or self.refused.get(action)
        if code is None and fields.get("DryRun") == "true":
            code = "DryRunOperation"
        if code is not None:
            error = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
            body = f"<Response><Errors>{error}</Errors></Response>"
            return AWSResponse(request.url, 403, {}, _Raw(body.encode()))
        if target:
            return AWSResponse(request.url, 200, {}, _Raw(b"{}"))
        body = f"<{action}Response>{self._content(action, fields, region)}</{action}Response>"
        return AWSResponse(request.url, 200, {}, _Raw(body.encode()))

    def _content(self, action: str, fields: dict[str, str], region: str) -> str:
        asked_tag = fields.get("Filter.2.Name", "").removeprefix("tag:")
        if action != "DescribeInstances" or region != "us-east-1":
            return "<reservationSet/>"
        if asked_tag and asked_tag not in self.tags:
            return "<reservationSet/>"
        return (
            "<reservationSet><item><instancesSet><item>"
            f"<instanceId>{INSTANCE}</instanceId><imageId>ami-1</imageId>"
            "<instanceType>m5.large</instanceType><subnetId>subnet-1</subnetId>"
            "<spotInstanceRequestId>sir-1</spotInstanceRequestId>"
            "<iamInstanceProfile><arn>arn:aws:iam::123456789012:instance-profile/web</arn>"
            "</iamInstanceProfile><blockDeviceMapping><item><ebs><volumeId>vol-1</volumeId></ebs>"
            "</item></blockDeviceMapping></item></instancesSet></item></reservationSet>"
        )


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


class CurrentAws:
    """Passes requests of the module's clients to the AWS of the running test."""

    aws = Aws()

    def __call__(self, request: Any, **more: Any) -> AWSResponse:
        return self.aws(request, **more)


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    """One for all tests: its clients take seconds to build."""
    made = Sessions(
        clock=StillClock(), access_key_id="AKIATESTTESTTESTTEST", secret_access_key="testing"
    )
    build = made._client

    def built(*args: Any) -> Any:
        client = build(*args)
        client.meta.events.register("before-send", CurrentAws())
        return client

    made._client = built  # type: ignore[method-assign]
    return made


@pytest.fixture
def aws() -> Aws:
    CurrentAws.aws = Aws()
    return CurrentAws.aws


Checks = dict[tuple[str, str], PermissionCheck]
Check = Callable[..., Checks]


@pytest.fixture
def checks(sessions: Sessions, aws: Aws) -> Check:
    def check(access: Access = Access.SWITCHING) -> Checks:
        found = check_permissions(sessions, ACCOUNT, access)
        return {(each.permission, each.region): each for each in found}

    return check


def test_every_permission_is_reported_for_each_region(aws: Aws, checks: Check) -> None:
    found = checks()
    once = {"iam:GetRole", "pricing:GetProducts"}
    assert set(found) == {
        (each.action, region)
        for each in permissions_of(Access.SWITCHING)
        for region in ([ALL_REGIONS] if each.action in once else ACCOUNT.regions)
    }
    assert found["ec2:DescribeInstances", "us-east-1"].state is State.ALLOWED
    for action in ("RunInstances", "TerminateInstances", "CreateImage", "CreateTags"):
        assert found[f"ec2:{action}", "us-east-1"].state is State.ALLOWED, action
        elsewhere = found[f"ec2:{action}", "eu-west-1"]
        assert elsewhere.state is State.UNKNOWN
        assert elsewhere.reason == "There is no instance to try it on."
    assert all(each.reason.endswith(".") for each in found.values())
    assert not any(each.state is State.DENIED for each in found.values())


def test_nothing_is_changed(aws: Aws, checks: Check) -> None:
    checks()
    changing = [(action, fields) for action, fields in aws.requests if not action.startswith(READS)]
    assert len(changing) > 10
    for action, fields in changing:
        assert fields.get("DryRun") == "true", action


def test_a_change_that_has_no_dry_run_is_never_tried() -> None:
    for each in PERMISSIONS:
        service, operation = each.action.split(":")
        if service != "ec2" and not operation.startswith(READS) and each.action != "iam:PassRole":
            with pytest.raises(Exception, match="no dry run"):
                PARAMETERS[each.action](None)  # type: ignore[arg-type]


def test_each_permission_has_its_own_result(aws: Aws, checks: Check) -> None:
    aws.refused = {
        "TerminateInstances": "UnauthorizedOperation",
        "DescribeSpotPriceHistory": "UnauthorizedOperation",
        "StopInstances": "RequestLimitExceeded",
    }
    found = checks()
    denied = {action for (action, region), each in found.items() if each.state is State.DENIED}
    assert denied == {"ec2:TerminateInstances", "ec2:DescribeSpotPriceHistory"}
    assert "UnauthorizedOperation" in found["ec2:TerminateInstances", "us-east-1"].reason
    limited = found["ec2:StopInstances", "us-east-1"]
    assert limited.state is State.UNKNOWN
    assert "RequestLimitExceeded" in limited.reason


def test_a_denial_without_the_tag_says_to_tag_an_instance(aws: Aws, checks: Check) -> None:
    aws.tags = {}
    found = checks()
    assert "may do more" in found["ec2:TerminateInstances", "us-east-1"].reason
    aws.refused = {"TerminateInstances": "UnauthorizedOperation"}
    check = checks()["ec2:TerminateInstances", "us-east-1"]
    assert check.state is State.UNKNOWN
    assert f"{INSTANCE} lacks the tag spotlab:allow-switching=true" in check.reason


def test_a_role_that_may_not_launch_says_nothing_about_passing_roles(
    aws: Aws, checks: Check
) -> None:
    aws.refused = {"RunInstances": "UnauthorizedOperation"}
    found = checks()
    assert found["ec2:RunInstances", "us-east-1"].state is State.DENIED
    assert found["iam:PassRole", "us-east-1"].state is State.UNKNOWN


def test_a_region_that_is_not_enabled_is_unknown_and_asked_only_once(
    aws: Aws, checks: Check
) -> None:
    aws.refused_regions = {"eu-west-1": "OptInRequired"}
    found = checks()
    there = [each for (_, region), each in found.items() if region == "eu-west-1"]
    assert {each.state for each in there} == {State.UNKNOWN}
    assert all("OptInRequired" in each.reason for each in there)
    assert found["ec2:DescribeInstances", "us-east-1"].state is State.ALLOWED


def test_read_only_tries_no_change(aws: Aws, checks: Check) -> None:
    found = checks(Access.READ_ONLY)
    assert {action for action, _ in found} == {
        each.action for each in permissions_of(Access.READ_ONLY)
    }
    assert all(action.startswith(READS) for action, _ in aws.requests)
    assert found["sqs:ReceiveMessage", "us-east-1"].state is State.UNKNOWN
    assert found["sqs:GetQueueUrl", "us-east-1"].state is State.ALLOWED
