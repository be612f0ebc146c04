"""The services beside EC2 that an emulated account has, as seen through boto3."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from spotlab.demo import cloudtrail
from spotlab.demo.account_services import INSTANCE_PROFILE
from spotlab.demo.block_devices import SPOT_ROLE
from spotlab.demo.event_bus import send
from spotlab.demo.server import RunningServer
from spotlab.demo.world import DEAD_LETTER_QUEUE, EVENTS_QUEUE
from tests.demo.conftest import AT
from tests.support.emulated import client

WARNING = "EC2 Spot Instance Interruption Warning"


def receive(sqs: Any, queue: str = EVENTS_QUEUE) -> list[dict[str, Any]]:
    """All messages of a queue, removed from it."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_each_region_of_an_account_has_a_queue_with_a_dead_letter_queue(
    served: RunningServer,
) -> None:
    for account in served.world.accounts:
        for region in account.regions:
            sqs = client(served, "sqs", region, account)
            url = sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
            assert url == f"{served.endpoint_url}/{account.account_id}/{EVENTS_QUEUE}"
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            redrive = json.loads(attributes["Attributes"]["RedrivePolicy"])
            assert redrive["deadLetterTargetArn"] == (
                f"arn:aws:sqs:{region}:{account.account_id}:{DEAD_LETTER_QUEUE}"
            )


def test_an_event_reaches_the_queue_of_its_region_as_eventbridge_sends_it(
    served: RunningServer,
) -> None:
    account = served.world.accounts[0]
    sqs = {each: client(served, "sqs", each, account) for each in account.regions}
    detail = {"instance-id": "i-0123456789abcdef0", "instance-action": "terminate"}
    event_id = send(account.account_id, "eu-west-1", WARNING, detail, AT)
    (event,) = receive(sqs["eu-west-1"])
    assert receive(sqs["us-east-1"]) == []
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": WARNING,
        "source": "aws.ec2",
        "account": account.account_id,
        "time": "2026-11-23T12:00:00Z",
        "region": "eu-west-1",
        "resources": [f"arn:aws:ec2:eu-west-1:{account.account_id}:instance/i-0123456789abcdef0"],
        "detail": detail,
    }


def test_put_events_reaches_the_queue_and_other_events_do_not(served: RunningServer) -> None:
    account = served.world.accounts[1]
    events = client(served, "events", "us-west-2", account)
    detail = json.dumps({"instance-id": "i-1", "state": "running"})
    answer = events.put_events(
        Entries=[
            {"Source": "aws.ec2", "DetailType": name, "Detail": detail}
            for name in ("EC2 Instance State-change Notification", "EBS Volume Notification")
        ]
    )
    assert answer["FailedEntryCount"] == 0
    (event,) = receive(client(served, "sqs", "us-west-2", account))
    assert event["id"] == answer["Entries"][0]["EventId"]
    assert (event["account"], event["region"]) == (account.account_id, "us-west-2")


def test_a_message_that_is_never_deleted_goes_to_the_dead_letter_queue(
    served: RunningServer,
) -> None:
    account = served.world.accounts[1]
    sqs = client(served, "sqs", "eu-west-1", account)
    url = sqs.get_queue_url(QueueName=EVENTS_QUEUE)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"poison": 1}')
    for _ in range(6):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    assert receive(sqs, DEAD_LETTER_QUEUE) == [{"poison": 1}]


def test_the_roles_that_a_launch_needs_exist(served: RunningServer) -> None:
    iam = client(served, "iam", account=served.world.accounts[0])
    role = iam.get_role(RoleName=SPOT_ROLE)["Role"]
    assert role["Path"] == "/aws-service-role/spot.amazonaws.com/"
    profile = iam.get_instance_profile(InstanceProfileName=INSTANCE_PROFILE)["InstanceProfile"]
    assert [each["RoleName"] for each in profile["Roles"]] == [INSTANCE_PROFILE]
    with pytest.raises(ClientError) as absent:
        iam.get_role(RoleName="AWSServiceRoleForEC2Fleet")
    assert absent.value.response["Error"]["Code"] == "NoSuchEntity"


def test_load_balancers_and_keys_are_reachable(served: RunningServer) -> None:
    account = served.world.accounts[0]
    elb = client(served, "elbv2", "eu-west-1", account)
    assert "TargetGroups" in elb.describe_target_groups()
    kms = client(served, "kms", "eu-west-1", account)
    key = kms.create_key()["KeyMetadata"]
    assert key["AWSAccountId"] == account.account_id


def test_cloudtrail_finds_events_by_name_in_pages_newest_first(served: RunningServer) -> None:
    account = served.world.accounts[0]
    for hour in range(7):
        served.world.trail.add(
            cloudtrail.evicted(
                account.account_id, "eu-west-1", [f"i-{hour}"], AT - timedelta(hours=hour)
            )
        )
    trail = client(served, "cloudtrail", "eu-west-1", account)
    query = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "BidEvictedEvent"}]
    }
    window = {"StartTime": AT - timedelta(hours=5), "EndTime": AT - timedelta(hours=1)}
    pages = trail.get_paginator("lookup_events").paginate(
        **query, **window, PaginationConfig={"PageSize": 2}
    )
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["Events"]))
        found += [json.loads(each["CloudTrailEvent"]) for each in page["Events"]]
    assert sizes == [2, 2, 1]
    assert [each["serviceEventDetails"]["instanceIdSet"] for each in found] == [
        [f"i-{hour}"] for hour in range(1, 6)
    ]
    assert {each["recipientAccountId"] for each in found} == {account.account_id}
    other = client(served, "cloudtrail", "us-east-1", account).lookup_events(**query, **window)
    assert [each for each in other["Events"] if each["Resources"][0]["ResourceName"] == "i-1"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (
            {
                "LookupAttributes": [
                    {"AttributeKey": "EventName", "AttributeValue": "RunInstances"},
                    {"AttributeKey": "ResourceName", "AttributeValue": "i-1"},
                ]
            },
            "InvalidLookupAttributesException",
        ),
        ({"NextToken": "no token"}, "InvalidNextTokenException"),
        (
            {"StartTime": AT, "EndTime": AT - timedelta(days=1)},
            "InvalidTimeRangeException",
        ),
    ],
)
def test_cloudtrail_refuses_what_aws_refuses(
    served: RunningServer, arguments: dict[str, Any], code: str
) -> None:
    trail = client(served, "cloudtrail", "us-east-1", served.world.accounts[0])
    with pytest.raises(ClientError) as refused:
        trail.lookup_events(**arguments)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sqs", "list_queues", "InvalidClientTokenId"),
        ("events", "list_rules", "UnrecognizedClientException"),
        ("cloudtrail", "lookup_events", "UnrecognizedClientException"),
        ("kms", "list_keys", "UnrecognizedClientException"),
        ("elbv2", "describe_target_groups", "InvalidClientTokenId"),
        ("iam", "list_roles", "InvalidClientTokenId"),
    ],
)
def test_an_unknown_key_is_refused_by_every_service(
    served: RunningServer, service: str, operation: str, code: str
) -> None:
    stranger = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=served.endpoint_url,
        aws_access_key_id="AKIA" + "0" * 16,
        aws_secret_access_key="x",
    )
    with pytest.raises(ClientError) as refused:
        getattr(stranger, operation)()
    assert refused.value.response["Error"]["Code"] == code


def test_other_services_of_moto_are_not_reachable(served: RunningServer) -> None:
    account = served.world.accounts[0]
    with pytest.raises(ClientError) as refused:
        client(served, "dynamodb", "us-east-1", account).list_tables()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
