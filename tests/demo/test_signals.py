"""EC2's signals reach the queue; two minutes after a warning the instance is gone."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from spotlab.demo.delays import FAST, REALISTIC
from spotlab.demo.fleet import IMAGES
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.signals import NOTICE_S, Signal, emit
from spotlab.demo.world import EVENTS_QUEUE, Account, Clock
from spotlab.errors import InvalidInput
from tests.demo.conftest import AT, Seconds
from tests.support.emulated import client, instances

REGION = "us-west-2"


@pytest.fixture
def account(served: RunningServer) -> Account:
    return served.world.accounts[1]


@pytest.fixture
def ec2(served: RunningServer, account: Account) -> Any:
    return client(served, "ec2", REGION, account)


@pytest.fixture
def sqs(served: RunningServer, account: Account) -> Any:
    queue = client(served, "sqs", REGION, account)
    received(queue)
    return queue


def received(sqs: Any) -> list[tuple[str, dict[str, str]]]:
    """Type and detail of the events in the queue, which is empty afterwards."""
    url = sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            found.append((event["detail-type"], event["detail"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def launch(ec2: Any) -> str:
    (instance,) = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=IMAGES["arm64"],
        InstanceType="c7g.large",
        InstanceMarketOptions={"MarketType": "spot"},
    )["Instances"]
    return str(instance["InstanceId"])


def test_a_launch_and_its_end_are_announced(ec2: Any, sqs: Any, seconds: Seconds) -> None:
    instance_id = launch(ec2)
    seconds.value += FAST.boot_s
    ec2.describe_regions()
    ec2.terminate_instances(InstanceIds=[instance_id])
    seconds.value += FAST.shutting_down_s
    states = [detail["state"] for _, detail in received(sqs)]
    assert states == ["pending", "running", "shutting-down", "terminated"]


def test_an_instance_is_reclaimed_two_minutes_after_its_warning(
    served: RunningServer, account: Account, ec2: Any, sqs: Any, seconds: Seconds
) -> None:
    instance_id = launch(ec2)
    seconds.value += FAST.boot_s
    ec2.describe_regions()
    received(sqs)
    document = {
        "kind": "interruption_warning",
        "account_id": account.account_id,
        "region": REGION,
        "instance_id": instance_id,
    }
    address = f"{served.endpoint_url}/emulator/signals"
    answer = httpx.post(address, json=document, trust_env=False)
    assert answer.status_code == 200
    assert received(sqs) == [
        (
            "EC2 Spot Instance Interruption Warning",
            {"instance-id": instance_id, "instance-action": "terminate"},
        )
    ]

    def state() -> tuple[str, str]:
        (found,) = instances(ec2, InstanceIds=[instance_id])
        return found["State"]["Name"], found.get("StateReason", {}).get("Code", "")

    seconds.value += NOTICE_S - 1
    assert state()[0] == "running"
    seconds.value += 1
    assert state() == ("shutting-down", "Server.SpotInstanceTermination")
    seconds.value += FAST.shutting_down_s
    assert state() == ("terminated", "Server.SpotInstanceTermination")
    filters = [{"Name": "instance-id", "Values": [instance_id]}]
    (request,) = ec2.describe_spot_instance_requests(Filters=filters)["SpotInstanceRequests"]
    assert request["Status"]["Code"] == "instance-terminated-no-capacity"
    trail = client(served, "cloudtrail", REGION, account)
    lookup = {"AttributeKey": "ResourceName", "AttributeValue": instance_id}
    events = trail.lookup_events(LookupAttributes=[lookup])["Events"]
    assert {each["EventName"] for each in events} == {"BidEvictedEvent", "RunInstances"}


def test_a_user_can_be_faster_than_the_interruption(
    served: RunningServer, account: Account, ec2: Any, seconds: Seconds
) -> None:
    instance_id = launch(ec2)
    warning = {"kind": "interruption_warning", "account_id": account.account_id}
    emit(served.world, Signal.read({**warning, "region": REGION, "instance_id": instance_id}))
    ec2.terminate_instances(InstanceIds=[instance_id])
    seconds.value += NOTICE_S
    (found,) = instances(ec2, InstanceIds=[instance_id])
    assert found["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_recommendations_and_foreign_instances_change_nothing(
    served: RunningServer, account: Account, ec2: Any, sqs: Any, seconds: Seconds
) -> None:
    before = {each["InstanceId"]: each["State"]["Name"] for each in instances(ec2)}
    place = {"account_id": account.account_id, "region": REGION}
    for document in (
        {"kind": "rebalance_recommendation", "instance_id": next(iter(before))},
        {"kind": "interruption_warning", "instance_id": "i-00000000000000000"},
        {"kind": "state_change", "instance_id": next(iter(before)), "state": "stopped"},
    ):
        assert emit(served.world, Signal.read({**document, **place}))
    assert [kind for kind, _ in received(sqs)] == [
        "EC2 Instance Rebalance Recommendation",
        "EC2 Spot Instance Interruption Warning",
        "EC2 Instance State-change Notification",
    ]
    seconds.value += NOTICE_S
    after = {each["InstanceId"]: each["State"]["Name"] for each in instances(ec2)}
    assert after == before


@pytest.mark.parametrize(
    "change", [{"region": "eu-central-1"}, {"account_id": "999900001111"}, {"kind": "x"}, {"a": 1}]
)
def test_a_signal_that_cannot_be_is_refused(
    served: RunningServer, account: Account, change: dict[str, Any]
) -> None:
    document = {
        "kind": "rebalance_recommendation",
        "account_id": account.account_id,
        "region": REGION,
        "instance_id": "i-1",
    }
    with pytest.raises(InvalidInput):
        emit(served.world, Signal.read({**document, **change}))


def test_realistic_delays_run_on_a_test_clock() -> None:
    seconds = Seconds()
    clock = Clock(AT, seconds, advances=True)
    with serve_in_thread(7, clock=clock, delays=REALISTIC) as served:
        ec2 = client(served, "ec2", REGION, served.world.accounts[1])
        instance_id = launch(ec2)

        def checks() -> list[str]:
            answer = ec2.describe_instance_status(InstanceIds=[instance_id])
            return [each["InstanceStatus"]["Status"] for each in answer["InstanceStatuses"]]

        seconds.value += 39
        assert checks() == []
        seconds.value += 1
        assert checks() == ["initializing"]
        seconds.value += 60
        assert checks() == ["ok"]
        assert (served.world.clock.now() - AT).total_seconds() == 100
    assert REALISTIC.scaled(0.1).image_s == pytest.approx(4.5)
