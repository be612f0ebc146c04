"""The calls of a switch as they are sent to AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from spotlab.aws import switching_requests
from spotlab.aws.session import Sessions
from spotlab.aws.switching import AwsSwitching
from spotlab.domain.decision import Lifecycle
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import LaunchRequest, LaunchSettings
from spotlab.errors import AwsError, AwsUnreachable, CapacityRefused
from tests.support.market import StillClock

SPOT = LaunchRequest(
    "spotlab-abc",
    "m6a.large",
    "us-east-1a",
    Lifecycle.SPOT,
    0.0864,
    "ami-1",
    "subnet-1",
    LaunchSettings(
        security_group_ids=("sg-1",),
        key_name="ops",
        instance_profile_arn="arn:aws:iam::1:instance-profile/web",
        metadata_options={"HttpTokens": "required"},
        credit_specification="unlimited",
        shutdown_behavior="stop",
    ),
    {"spotlab:switch": "sw-1"},
)


def test_spot_is_one_time_and_never_dearer_than_on_demand() -> None:
    sent = switching_requests.run_instances(SPOT)
    assert sent["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
            "MaxPrice": "0.0864",
        },
    }
    assert (sent["MinCount"], sent["MaxCount"], sent["ClientToken"]) == (1, 1, "spotlab-abc")
    assert sent["SubnetId"] == "subnet-1"
    assert "Placement" not in sent
    kinds = [each["ResourceType"] for each in sent["TagSpecifications"]]
    assert kinds == ["instance", "volume", "spot-instances-request"]
    assert "InstanceInitiatedShutdownBehavior" not in sent, "a one-time request cannot be stopped"
    assert "CreditSpecification" not in sent, "m6a has no CPU credits"


def test_on_demand_carries_no_tag_of_a_spot_request() -> None:
    request = replace(SPOT, lifecycle=Lifecycle.ON_DEMAND, max_price_usd_per_hour=None)
    sent = switching_requests.run_instances(replace(request, instance_type="t3.large"))
    assert "InstanceMarketOptions" not in sent
    kinds = [each["ResourceType"] for each in sent["TagSpecifications"]]
    assert kinds == ["instance", "volume"]
    assert sent["InstanceInitiatedShutdownBehavior"] == "stop"
    assert sent["CreditSpecification"] == {"CpuCredits": "unlimited"}


def test_a_template_with_interfaces_takes_subnet_and_groups_as_an_interface() -> None:
    settings = LaunchSettings("lt-1", "3", security_group_ids=("sg-1",), as_interface=True)
    sent = switching_requests.run_instances(replace(SPOT, image_id="", settings=settings))
    assert sent["LaunchTemplate"] == {"LaunchTemplateId": "lt-1", "Version": "3"}
    assert sent["NetworkInterfaces"] == [
        {"DeviceIndex": 0, "SubnetId": "subnet-1", "Groups": ["sg-1"]}
    ]
    assert not {"SubnetId", "SecurityGroupIds", "ImageId"} & set(sent)


def test_an_image_leaves_out_the_volumes_that_move() -> None:
    sent = switching_requests.create_image(
        "i-1", "spotlab-sw-1", reboot=False, without_devices=["/dev/sdf"], tags={"a": "b"}
    )
    assert sent["NoReboot"] is True
    assert sent["BlockDeviceMappings"] == [{"DeviceName": "/dev/sdf", "NoDevice": ""}]
    kinds = [each["ResourceType"] for each in sent["TagSpecifications"]]
    assert kinds == ["image", "snapshot"]


class Answers:
    """Answers of EC2, one for each call that botocore sends."""

    def __init__(self, status: int, body: str) -> None:
        self.status, self.body, self.calls = status, body, 0

    def __call__(self, request: Any, **_: Any) -> Any:
        self.calls += 1
        answer = AWSResponse(request.url, self.status, {}, None)
        answer._content = self.body.encode()
        return answer


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(clock=StillClock(), access_key_id="AKIATEST", secret_access_key="secret")


ACCOUNT = Account("prod", "111122223333", regions=("us-east-1",))
ERROR = (
    "<Response><Errors><Error><Code>{}</Code><Message>none {}</Message></Error></Errors></Response>"
)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, ERROR.format("InsufficientInstanceCapacity", ""), CapacityRefused),
        (500, ERROR.format("InternalError", ""), AwsUnreachable),
        (200, "<broken", AwsUnreachable),
        (400, ERROR.format("IdempotentParameterMismatch", ""), AwsError),
    ],
)
def test_a_launch_is_sent_once(
    sessions: Sessions, status: int, body: str, error: type[AwsError]
) -> None:
    """EC2 answers a lack of capacity with status 500, which botocore would repeat at once."""
    answers = Answers(status, body)
    aws = AwsSwitching(sessions, ACCOUNT, "us-east-1")
    sessions.single_attempt("ec2", ACCOUNT, "us-east-1").meta.events.register(
        "before-send.ec2.RunInstances", answers
    )
    with pytest.raises(error) as caught:
        aws.run_instance(SPOT)
    assert answers.calls == 1
    assert caught.type is error


ADDRESS = (
    "<DescribeAddressesResponse><addressesSet><item><publicIp>203.0.113.7</publicIp>{}</item>"
    "</addressesSet></DescribeAddressesResponse>"
)
NAT_GATEWAY = "<networkInterfaceId>eni-nat</networkInterfaceId>"


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (f"<instanceId>i-1</instanceId>{NAT_GATEWAY}", "i-1"),
        (NAT_GATEWAY, "eni-nat"),
        ("", ""),
    ],
)
def test_an_address_of_a_nat_gateway_is_not_free(
    sessions: Sessions, holder: str, expected: str
) -> None:
    sessions.client("ec2", ACCOUNT, "us-east-1").meta.events.register(
        "before-send.ec2.DescribeAddresses", Answers(200, ADDRESS.format(holder))
    )
    aws = AwsSwitching(sessions, ACCOUNT, "us-east-1")
    assert aws.address_holder("eipalloc-1") == expected


@pytest.mark.parametrize("code", ["TargetGroupNotFound", "InvalidTarget"])
def test_a_target_group_that_was_deleted_is_told_from_other_failures(
    sessions: Sessions, code: str
) -> None:
    error = (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    )
    sessions.client("elbv2", ACCOUNT, "us-east-1").meta.events.register(
        "before-send.elastic-load-balancing-v2.DescribeTargetHealth", Answers(400, error)
    )
    aws = AwsSwitching(sessions, ACCOUNT, "us-east-1")
    if code == "TargetGroupNotFound":
        assert aws.target_health("arn:group", "i-1", 80) is None
        return
    with pytest.raises(AwsError):
        aws.target_health("arn:group", "i-1", 80)
