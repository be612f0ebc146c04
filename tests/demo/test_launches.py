"""Launches of the emulated EC2 follow AWS's rules, as seen through boto3."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotlab.demo.account_services import INSTANCE_PROFILE
from spotlab.demo.block_devices import SPOT_ROLE
from spotlab.demo.delays import FAST
from spotlab.demo.fleet import IMAGES
from spotlab.demo.server import RunningServer
from tests.demo.conftest import Seconds
from tests.support.emulated import client, instances

SPOT = {"MarketType": "spot"}
ZONE_C = {"AvailabilityZone": "us-east-1c"}
ZONE_D = {"AvailabilityZone": "us-east-1d"}


@pytest.fixture
def ec2(served: RunningServer) -> Any:
    return client(served, "ec2", "us-east-1", served.world.accounts[0])


@pytest.fixture
def kms(served: RunningServer) -> Any:
    return client(served, "kms", "us-east-1", served.world.accounts[0])


def launch(ec2: Any, **more: Any) -> Any:
    arguments = {"ImageId": IMAGES["x86_64"], "InstanceType": "m5.large", **more}
    return ec2.run_instances(MinCount=1, MaxCount=1, **arguments)["Instances"][0]


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


def found(ec2: Any, instance_id: str) -> Any:
    (instance,) = instances(ec2, InstanceIds=[instance_id])
    return instance


def tags(resource_type: str, **pairs: str) -> dict[str, Any]:
    pairs_of_tags = [{"Key": key, "Value": value} for key, value in pairs.items()]
    return {"ResourceType": resource_type, "Tags": pairs_of_tags}


def test_a_token_counts_by_zone_if_the_call_names_one(ec2: Any) -> None:
    in_c = launch(ec2, ClientToken="by-zone", Placement=ZONE_C)["InstanceId"]
    in_d = launch(ec2, ClientToken="by-zone", Placement=ZONE_D)["InstanceId"]
    anywhere = launch(ec2, ClientToken="by-zone")["InstanceId"]
    assert len({in_c, in_d, anywhere}) == 3
    assert launch(ec2, ClientToken="by-zone", Placement=ZONE_C)["InstanceId"] == in_c
    assert launch(ec2, ClientToken="by-zone")["InstanceId"] == anywhere


def test_a_token_counts_by_the_zone_of_the_subnet(ec2: Any) -> None:
    subnets = {each["AvailabilityZone"]: each for each in ec2.describe_subnets()["Subnets"]}
    subnet = subnets["us-east-1d"]["SubnetId"]
    first = launch(ec2, ClientToken="by-subnet", SubnetId=subnet)
    assert first["Placement"]["AvailabilityZone"] == "us-east-1d"
    arguments = {"ImageId": IMAGES["x86_64"], "InstanceType": "m5.large", "MinCount": 1}
    mismatch = refusal(
        ec2.run_instances, **arguments, MaxCount=1, ClientToken="by-subnet", Placement=ZONE_D
    )
    assert mismatch == "IdempotentParameterMismatch"


def test_a_token_of_a_terminated_instance_is_used_up(ec2: Any, seconds: Seconds) -> None:
    instance_id = launch(ec2, ClientToken="used-up")["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    seconds.value += FAST.shutting_down_s
    assert found(ec2, instance_id)["State"]["Name"] == "terminated"
    assert refusal(launch, ec2=ec2, ClientToken="used-up") == "IdempotentInstanceTerminated"


def test_a_token_is_short_ascii(ec2: Any) -> None:
    assert refusal(launch, ec2=ec2, ClientToken="x" * 65) == "InvalidParameterValue"


def test_a_one_time_request_ends_with_its_instance(ec2: Any, seconds: Seconds) -> None:
    options = {"SpotInstanceType": "one-time", "MaxPrice": "1.5"}
    instance = launch(
        ec2,
        InstanceMarketOptions={**SPOT, "SpotOptions": options},
        TagSpecifications=[tags("spot-instances-request", switch="s-1"), tags("instance", a="b")],
    )
    request_id = instance["SpotInstanceRequestId"]

    def request() -> Any:
        answer = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])
        return answer["SpotInstanceRequests"][0]

    assert request()["State"] == "active"
    assert request()["InstanceId"] == instance["InstanceId"]
    assert float(request()["SpotPrice"]) == 1.5
    assert request()["Tags"] == [{"Key": "switch", "Value": "s-1"}]
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert (request()["State"], request()["Status"]["Code"]) == (
        "closed",
        "instance-terminated-by-user",
    )


def test_a_cancelled_request_leaves_its_instance(ec2: Any, seconds: Seconds) -> None:
    instance = launch(ec2, InstanceMarketOptions=SPOT)
    request_id = instance["SpotInstanceRequestId"]
    for _ in range(2):
        (cancelled,) = ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])[
            "CancelledSpotInstanceRequests"
        ]
        assert cancelled["State"] == "cancelled"
    seconds.value += FAST.boot_s
    assert found(ec2, instance["InstanceId"])["State"]["Name"] == "running"
    unknown = refusal(ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=["sir-00000000"])
    assert unknown == "InvalidSpotInstanceRequestID.NotFound"


def test_tags_of_a_spot_request_are_refused_on_demand(ec2: Any) -> None:
    spec = [tags("spot-instances-request", a="b")]
    assert refusal(launch, ec2=ec2, TagSpecifications=spec) == "InvalidParameterCombination"


def test_a_price_below_the_market_is_too_low(ec2: Any) -> None:
    options = {**SPOT, "SpotOptions": {"MaxPrice": "0.0001"}}
    assert refusal(launch, ec2=ec2, InstanceMarketOptions=options) == "SpotMaxPriceTooLow"


def test_a_launch_template_fills_what_the_call_leaves_open(ec2: Any) -> None:
    data = {
        "ImageId": IMAGES["x86_64"],
        "InstanceType": "m5.xlarge",
        "IamInstanceProfile": {"Name": INSTANCE_PROFILE},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "UserData": b64encode(b"#!/bin/sh").decode(),
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}
        ],
        "TagSpecifications": [tags("instance", role="web", stage="prod")],
    }
    template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    template_id = template["LaunchTemplate"]["LaunchTemplateId"]
    instance = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        LaunchTemplate={"LaunchTemplateId": template_id, "Version": "1"},
        InstanceType="m5.large",
        Placement=ZONE_D,
        TagSpecifications=[tags("instance", stage="test")],
    )["Instances"][0]
    described = found(ec2, instance["InstanceId"])
    pairs = {each["Key"]: each["Value"] for each in described["Tags"]}
    assert pairs == {
        "role": "web",
        "stage": "test",
        "aws:ec2launchtemplate:id": template_id,
        "aws:ec2launchtemplate:version": "1",
    }
    assert described["InstanceType"] == "m5.large"
    assert described["Placement"]["AvailabilityZone"] == "us-east-1d"
    assert described["MetadataOptions"]["HttpTokens"] == "required"
    assert described["IamInstanceProfile"]["Arn"].endswith(f"/{INSTANCE_PROFILE}")
    devices = {each["DeviceName"] for each in described["BlockDeviceMappings"]}
    assert devices == {described["RootDeviceName"], "/dev/sdf"}
    user_data = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="userData"
    )["UserData"]["Value"]
    assert b64decode(user_data) == b"#!/bin/sh"
    unknown = {"LaunchTemplateId": "lt-00000000000000000"}
    assert refusal(launch, ec2=ec2, LaunchTemplate=unknown) == "InvalidLaunchTemplateId.NotFound"


def test_termination_protection_keeps_an_instance(ec2: Any) -> None:
    instance_id = launch(ec2, DisableApiTermination=True)["InstanceId"]
    assert refusal(ec2.terminate_instances, InstanceIds=[instance_id]) == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_a_spot_instance_with_a_locked_key_never_runs(
    ec2: Any, kms: Any, served: RunningServer, seconds: Seconds
) -> None:
    key = kms.create_key()["KeyMetadata"]["Arn"]
    device = {
        "DeviceName": "/dev/sdf",
        "Ebs": {"VolumeSize": 10, "Encrypted": True, "KmsKeyId": key},
    }
    request = {"BlockDeviceMappings": [device], "InstanceMarketOptions": SPOT}
    instance_id = launch(ec2, **request)["InstanceId"]
    assert found(ec2, instance_id)["State"]["Name"] == "pending"
    seconds.value += FAST.boot_s
    failed = found(ec2, instance_id)
    assert failed["State"]["Name"] == "terminated"
    assert failed["StateReason"]["Code"] == "Client.InternalError"
    account_id = served.world.accounts[0].account_id
    role = f"arn:aws:iam::{account_id}:role/aws-service-role/spot.amazonaws.com/{SPOT_ROLE}"
    kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Decrypt", "CreateGrant"])
    granted_id = launch(ec2, **request)["InstanceId"]
    seconds.value += FAST.boot_s
    assert found(ec2, granted_id)["State"]["Name"] == "running"


def test_an_instance_stops_changes_its_type_and_starts(ec2: Any, seconds: Seconds) -> None:
    instance_id = launch(ec2)["InstanceId"]
    change = {"InstanceId": instance_id, "InstanceType": {"Value": "m5.xlarge"}}
    stop = {"InstanceIds": [instance_id]}
    assert refusal(ec2.stop_instances, **stop) == "IncorrectInstanceState"
    seconds.value += FAST.boot_s
    ec2.describe_instances()
    assert refusal(ec2.modify_instance_attribute, **change) == "IncorrectInstanceState"
    ec2.stop_instances(**stop)
    assert found(ec2, instance_id)["State"]["Name"] == "stopping"
    assert refusal(ec2.start_instances, **stop) == "IncorrectInstanceState"
    seconds.value += FAST.stopping_s
    assert found(ec2, instance_id)["State"]["Name"] == "stopped"
    ec2.modify_instance_attribute(**change)
    ec2.start_instances(**stop)
    seconds.value += FAST.boot_s
    started = found(ec2, instance_id)
    assert (started["State"]["Name"], started["InstanceType"]) == ("running", "m5.xlarge")


def test_a_one_time_spot_instance_cannot_stop(ec2: Any, seconds: Seconds) -> None:
    instance_id = launch(ec2, InstanceMarketOptions=SPOT)["InstanceId"]
    seconds.value += FAST.boot_s
    found(ec2, instance_id)
    assert refusal(ec2.stop_instances, InstanceIds=[instance_id]) == "UnsupportedOperation"


def test_a_terminated_instance_is_listed_for_an_hour(ec2: Any, seconds: Seconds) -> None:
    instance_id = launch(ec2)["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    seconds.value += FAST.shutting_down_s
    assert found(ec2, instance_id)["State"]["Name"] == "terminated"
    seconds.value += FAST.terminated_listed_s
    gone = refusal(ec2.describe_instances, InstanceIds=[instance_id])
    assert gone == "InvalidInstanceID.NotFound"


def test_a_key_pair_must_exist(ec2: Any) -> None:
    assert refusal(launch, ec2=ec2, KeyName="absent") == "InvalidKeyPair.NotFound"
    ec2.create_key_pair(KeyName="present", KeyType="ed25519")
    assert launch(ec2, KeyName="present")["KeyName"] == "present"


def test_spot_needs_its_role_which_the_first_launch_creates(served: RunningServer) -> None:
    account = served.world.accounts[1]
    ec2 = client(served, "ec2", "us-east-1", account)
    iam = client(served, "iam", account=account)
    iam.delete_role(RoleName=SPOT_ROLE)
    actions = served.world.denials.actions
    actions.add("iam:CreateServiceLinkedRole")
    code = refusal(launch, ec2=ec2, InstanceMarketOptions=SPOT)
    assert code == "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    assert launch(ec2)["InstanceId"]
    actions.clear()
    assert launch(ec2, InstanceMarketOptions=SPOT)["InstanceId"]
    assert iam.get_role(RoleName=SPOT_ROLE)["Role"]["RoleName"] == SPOT_ROLE
