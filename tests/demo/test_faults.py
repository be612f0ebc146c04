"""Injected faults have the form that AWS's failures have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from botocore.parsers import ResponseParserError

from spotlab.demo.faults import Fault, Faults
from spotlab.demo.fleet import IMAGES
from spotlab.demo.server import RunningServer
from spotlab.demo.world import EVENTS_QUEUE
from spotlab.errors import InvalidInput
from tests.demo.conftest import Seconds
from tests.support.emulated import client, instances, role_keys

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})


@pytest.fixture(autouse=True)
def _healthy(served: RunningServer) -> Iterator[None]:
    yield
    served.world.faults.clear()
    served.world.denials.actions.clear()


@pytest.fixture
def ec2(served: RunningServer) -> Any:
    account = served.world.accounts[0]
    return boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=served.endpoint_url,
        config=ONCE,
        **role_keys(served, account, account.external_id),
    )


def launch(ec2: Any, token: str, **more: Any) -> str:
    answer = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=IMAGES["x86_64"],
        InstanceType="m5.large",
        ClientToken=token,
        **more,
    )
    return str(answer["Instances"][0]["InstanceId"])


def with_token(ec2: Any, token: str) -> list[str]:
    filters = [{"Name": "client-token", "Values": [token]}]
    return [each["InstanceId"] for each in instances(ec2, Filters=filters)]


def error(call: Callable[..., Any], *arguments: Any, **more: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(*arguments, **more)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_throttled_call_has_no_effect(served: RunningServer, ec2: Any) -> None:
    served.world.faults.add("throttled", "RunInstances", count=2)
    for _ in range(2):
        assert error(launch, ec2, "throttled") == ("RequestLimitExceeded", 503)
    assert with_token(ec2, "throttled") == []
    assert launch(ec2, "throttled")


def test_a_connection_drops_before_or_after_the_effect(served: RunningServer, ec2: Any) -> None:
    for kind, effect in (("timeout_before", 0), ("timeout_after", 1)):
        served.world.faults.add(kind, "RunInstances")
        with pytest.raises(ConnectionClosedError):
            launch(ec2, kind)
        assert len(with_token(ec2, kind)) == effect
    assert launch(ec2, "timeout_after") == with_token(ec2, "timeout_after")[0]


def test_lack_of_capacity_is_by_pool_and_comes_with_status_500(
    served: RunningServer, ec2: Any
) -> None:
    served.world.faults.add("capacity", "RunInstances", count=None, pool="us-east-1c/m5.*")
    in_c, in_d = ({"AvailabilityZone": f"us-east-1{letter}"} for letter in "cd")
    refused = error(launch, ec2, "full", Placement=in_c)
    assert refused == ("InsufficientInstanceCapacity", 500)
    assert launch(ec2, "full", Placement=in_d)
    assert error(launch, ec2, "full", Placement=in_c) == refused
    dry = error(launch, ec2, "full", Placement=in_c, DryRun=True)
    assert dry == ("DryRunOperation", 412)


def test_a_denied_action_is_refused_also_in_c_dry_run(served: RunningServer, ec2: Any) -> None:
    served.world.denials.actions.add("ec2:TerminateInstances")
    instance_id = launch(ec2, "denied")
    for dry_run in (True, False):
        refused = error(ec2.terminate_instances, InstanceIds=[instance_id], DryRun=dry_run)
        assert refused == ("UnauthorizedOperation", 403)
    served.world.denials.actions.clear()
    allowed = error(ec2.terminate_instances, InstanceIds=[instance_id], DryRun=True)
    assert allowed == ("DryRunOperation", 412)
    assert len(with_token(ec2, "denied")) == 1


def test_a_dry_run_has_no_effect_even_where_moto_knows_none(ec2: Any) -> None:
    volume = ec2.create_volume(Size=1, AvailabilityZone="us-east-1c")["VolumeId"]
    tags = [{"Key": "a", "Value": "b"}]
    for call, arguments in (
        (ec2.create_tags, {"Resources": [volume], "Tags": tags}),
        (ec2.delete_volume, {"VolumeId": volume}),
        (ec2.describe_volumes, {}),
        (ec2.describe_instance_status, {}),
    ):
        assert error(call, DryRun=True, **arguments) == ("DryRunOperation", 412)
    assert "Tags" not in ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


@pytest.mark.parametrize(
    "denied", ["ec2:CreateTags", "ec2:CreateTags/spot-instances-request", "111122223333:ec2:*"]
)
def test_tags_at_the_launch_need_their_own_right(
    served: RunningServer, ec2: Any, denied: str
) -> None:
    served.world.denials.actions.add(denied)
    spec = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "a", "Value": "b"}]}]
    refused = error(
        launch,
        ec2,
        "tags",
        InstanceMarketOptions={"MarketType": "spot"},
        TagSpecifications=spec,
    )
    assert refused == ("UnauthorizedOperation", 403)


def test_a_profile_needs_the_right_to_pass_its_role(served: RunningServer, ec2: Any) -> None:
    served.world.denials.actions.add("iam:PassRole")
    profile = {"Name": "spotlab-workload"}
    refused = error(launch, ec2, "profile", IamInstanceProfile=profile)
    assert refused == ("UnauthorizedOperation", 403)


def test_each_service_words_a_denial_in_its_way(served: RunningServer) -> None:
    account = served.world.accounts[0]
    served.world.denials.actions |= {"sqs:*", "cloudtrail:*", "elasticloadbalancing:*"}
    codes = {
        service: error(getattr(client(served, service, "us-east-1", account), operation))[0]
        for service, operation in (
            ("sqs", "list_queues"),
            ("cloudtrail", "lookup_events"),
            ("elbv2", "describe_target_groups"),
        )
    }
    assert codes == {
        "sqs": "AccessDenied",
        "cloudtrail": "AccessDeniedException",
        "elbv2": "AccessDenied",
    }


def test_a_malformed_response_comes_after_the_effect(served: RunningServer, ec2: Any) -> None:
    served.world.faults.add("malformed", "RunInstances")
    with pytest.raises(ResponseParserError):
        launch(ec2, "malformed")
    assert len(with_token(ec2, "malformed")) == 1


def test_a_new_id_is_not_found_for_some_calls(served: RunningServer, ec2: Any) -> None:
    served.world.faults.add("not_yet", "RunInstances", calls=3)
    instance_id = launch(ec2, "unseen")
    tags = {"Resources": [instance_id], "Tags": [{"Key": "a", "Value": "b"}]}
    assert error(ec2.create_tags, **tags) == ("InvalidInstanceID.NotFound", 400)
    assert error(ec2.describe_instances, InstanceIds=[instance_id])[0] == (
        "InvalidInstanceID.NotFound"
    )
    assert with_token(ec2, "unseen") == []
    assert with_token(ec2, "unseen") == [instance_id]


def test_a_launch_that_timed_out_can_appear_much_later(
    served: RunningServer, ec2: Any, seconds: Seconds
) -> None:
    served.world.faults.add("timeout_after", "RunInstances")
    served.world.faults.add("not_yet", "RunInstances", seconds=180)
    with pytest.raises(BotoCoreError):
        launch(ec2, "late")
    seconds.value += 179
    assert with_token(ec2, "late") == []
    seconds.value += 1
    assert len(with_token(ec2, "late")) == 1


def test_half_of_a_batch_can_fail(served: RunningServer, ec2: Any) -> None:
    ids = [launch(ec2, f"batch-{number}") for number in range(4)]
    served.world.faults.add("partial", "TerminateInstances")
    assert error(ec2.terminate_instances, InstanceIds=ids) == ("InternalError", 500)
    states = {each["InstanceId"]: each["State"]["Name"] for each in instances(ec2, InstanceIds=ids)}
    assert [states[each] == "shutting-down" for each in ids] == [True, True, False, False]


def test_half_of_a_batch_of_messages_can_fail(served: RunningServer) -> None:
    sqs = client(served, "sqs", "us-west-2", served.world.accounts[1])
    url = sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(5)]
    served.world.faults.add("partial", "SendMessageBatch")
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["0", "1"]
    assert [each["Id"] for each in answer["Failed"]] == ["2", "3", "4"]


def test_any_error_can_be_sent(served: RunningServer, ec2: Any) -> None:
    served.world.faults.add(
        "error", "RunInstances", code="MaxSpotInstanceCountExceeded", status=400, skip=1
    )
    assert launch(ec2, "first")
    assert error(launch, ec2, "second") == ("MaxSpotInstanceCountExceeded", 400)
    assert launch(ec2, "second")


def test_faults_happen_as_often_as_asked() -> None:
    faults = Faults(lambda: 0.0, seed=3)
    faults.plan(Fault.read({"kind": "throttled", "count": None, "probability": 0.3}))
    share = sum(bool(faults.take("DescribeInstances")) for _ in range(2000)) / 2000
    assert share == pytest.approx(0.3, abs=0.04)
    faults.clear()
    assert faults.take("DescribeInstances") == []


@pytest.mark.parametrize(
    "document",
    [{}, {"kind": "slow"}, {"kind": "throttled", "colour": 1}, {"kind": "error", "probability": 2}],
)
def test_a_fault_that_cannot_be_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="not valid"):
        Fault.read(document)


def test_faults_are_controlled_over_http(served: RunningServer, ec2: Any) -> None:
    address = f"{served.endpoint_url}/emulator/faults"
    with httpx.Client(trust_env=False) as http:
        added = http.post(address, json={"kind": "throttled", "operation": "DescribeRegions"})
        assert added.status_code == 200
        (planned,) = http.get(address).json()["faults"]
        assert (planned["kind"], planned["operation"]) == ("throttled", "DescribeRegions")
        assert error(ec2.describe_regions)[0] == "RequestLimitExceeded"
        assert http.get(address).json() == {"faults": []}
        denied = f"{served.endpoint_url}/emulator/denied-actions"
        http.post(denied, json={"actions": ["ec2:DescribeRegions"]})
        assert error(ec2.describe_regions)[0] == "UnauthorizedOperation"
        http.post(denied, json={"actions": []})
        assert ec2.describe_regions()["Regions"]
        counts = http.get(f"{served.endpoint_url}/emulator/calls").json()
        assert counts["ec2:DescribeRegions"] == 3


def test_the_control_is_closed_to_web_pages_and_nonsense(served: RunningServer) -> None:
    address = f"{served.endpoint_url}/emulator/faults"
    body = json.dumps({"kind": "throttled"})
    with httpx.Client(trust_env=False) as http:
        as_form = http.post(address, content=body, headers={"Content-Type": "text/plain"})
        headers = {"Content-Type": "application/json"}
        rebound = http.post(address, content=body, headers={**headers, "Host": "example.com"})
        nonsense = [
            http.post(address, content=content, headers=headers).status_code
            for content in ("[", "[]", '{"kind": 3}', " " * 70_000)
        ]
        absent = http.post(f"{served.endpoint_url}/emulator/reset", json={})
    assert (as_form.status_code, rebound.status_code, absent.status_code) == (403, 403, 404)
    assert set(nonsense) == {400}
    assert served.world.faults.planned() == []
