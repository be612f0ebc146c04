"""The instances of an account in all regions, or an error: never a partial fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import create_autospec

import pytest
from botocore.stub import Stubber

from spotlab.aws.fleet import Ec2Instances
from spotlab.aws.session import Sessions
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.errors import AccessDenied, AwsError, AwsUnreachable
from tests.support.boto import client

ACCOUNT = Account("shop", "123456789012", regions=("us-east-1", "eu-west-1"))
STATES = ["pending", "running", "stopping", "stopped"]
ASKED = {"Filters": [{"Name": "instance-state-name", "Values": STATES}], "MaxResults": 1000}
GONE = {
    "Filters": [{"Name": "instance-state-name", "Values": ["shutting-down", "terminated"]}],
    "MaxResults": 1000,
}
LAUNCHED = datetime(2026, 1, 4, 9, 30, tzinfo=UTC)


def record(instance_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "InstanceId": instance_id,
        "InstanceType": "m5.large",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "State": {"Name": "running", "Code": 16},
        "LaunchTime": LAUNCHED,
    } | changes


def page(*records: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"Reservations": [{"Instances": [one]} for one in records]} | more


class Fleet:
    """Sessions with EC2 clients that return a test's responses, by region."""

    def __init__(self) -> None:
        self.clients = {region: client("ec2") for region in ACCOUNT.regions}
        self.stubs = {region: Stubber(ec2) for region, ec2 in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def answers(self, region: str, *pages: dict[str, Any]) -> None:
        token: dict[str, str] = {}
        for answer in pages:
            self.stubs[region].add_response("describe_instances", answer, ASKED | token)
            token = {"NextToken": answer.get("NextToken", "")}

    def source(self) -> Ec2Instances:
        sessions = create_autospec(Sessions, instance=True)
        sessions.client.side_effect = lambda service, account, region: self.clients[region]
        return Ec2Instances(sessions)

    def read(self) -> list[Instance]:
        return self.source().instances(ACCOUNT)


def test_instances_of_every_region_and_page() -> None:
    fleet = Fleet()
    named = record(
        "i-2",
        InstanceLifecycle="spot",
        Tags=[{"Key": "team", "Value": "x"}, {"Key": "Name", "Value": "checkout"}],
    )
    fleet.answers("us-east-1", page(named, NextToken="more"), page(record("i-1")))
    fleet.answers("eu-west-1", page(record("i-0", Platform="windows", State={"Name": "stopped"})))
    first, second, third = fleet.read()
    assert first == Instance(
        "i-1",
        "shop",
        Pool("us-east-1", "us-east-1a", "m5.large"),
        Lifecycle.ON_DEMAND,
        launched_at=LAUNCHED,
    )
    assert (second.instance_id, second.lifecycle, second.name) == (
        "i-2",
        Lifecycle.SPOT,
        "checkout",
    )
    assert (third.pool.region, third.pool.operating_system) == ("eu-west-1", "Windows")
    assert third.state == "stopped"


def test_instances_paid_for_in_advance_are_left_alone() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page(record("i-1", InstanceLifecycle="capacity-block")))
    fleet.answers("eu-west-1", page())
    assert fleet.read() == []


def test_one_region_that_fails_fails_the_account() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page(record("i-1")))
    fleet.stubs["eu-west-1"].add_client_error("describe_instances", "UnauthorizedOperation", "no")
    with pytest.raises(AccessDenied, match="Listing the instances of account 'shop' in eu-west-1"):
        fleet.read()


@pytest.mark.parametrize(
    ("code", "kind"), [("InternalError", AwsUnreachable), ("SomethingNew", AwsError)]
)
def test_other_refusals_are_aws_errors(code: str, kind: type[AwsError]) -> None:
    fleet = Fleet()
    fleet.stubs["us-east-1"].add_client_error("describe_instances", code, "no")
    with pytest.raises(kind, match=code):
        fleet.read()


def test_an_answer_without_a_zone_is_an_aws_error() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page(record("i-1", Placement={})))
    with pytest.raises(AwsError, match="lacks 'AvailabilityZone'"):
        fleet.read()


def ended_record(instance_id: str, reason: str) -> dict[str, Any]:
    return record(
        instance_id,
        InstanceLifecycle="spot",
        State={"Name": "terminated"},
        StateReason={"Code": reason, "Message": reason},
    )


def test_an_instance_that_ec2_took_back_is_an_interruption_and_one_ended_by_its_user_is_not() -> (
    None
):
    fleet = Fleet()
    taken = ended_record("i-1", "Server.SpotInstanceTermination")
    ended = ended_record("i-2", "Client.UserInitiatedShutdown")
    unsaid = record("i-3", InstanceLifecycle="spot", State={"Name": "terminated"})
    fleet.stubs["us-east-1"].add_response("describe_instances", page(taken, ended, unsaid), GONE)
    fleet.stubs["eu-west-1"].add_response("describe_instances", page(), GONE)
    (event,) = fleet.source().interruptions(ACCOUNT, LAUNCHED)
    assert (event.instance_id, event.kind) == ("i-1", InterruptionKind.RECLAIMED)
    assert event.pool == Pool("us-east-1", "us-east-1a", "m5.large")
    assert (event.at, event.emulated) == (LAUNCHED, False)
    assert "SpotInstanceTermination" in event.source
