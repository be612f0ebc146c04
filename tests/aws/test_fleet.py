"""The instances of an account, region by region: a region that fails does not hide the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import create_autospec

import pytest
from botocore.stub import Stubber

from spotlab.aws.fleet import Ec2Instances, RegionFleet
from spotlab.aws.region_calls import in_each_region
from spotlab.aws.session import Sessions
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.errors import AccessDenied, AwsError, AwsUnreachable, RegionNotEnabled
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
        self.stubs[region].add_response("describe_instances", page(), GONE)

    def refuses(self, region: str, code: str) -> None:
        self.stubs[region].add_client_error("describe_instances", code, "no")

    def has_regions(self, region: str, asked_about: str, opt_in_status: str) -> None:
        answer = {"RegionName": asked_about, "OptInStatus": opt_in_status}
        self.stubs[region].add_response(
            "describe_regions",
            {"Regions": [answer]},
            {"AllRegions": True, "Filters": [{"Name": "region-name", "Values": [asked_about]}]},
        )

    def source(self, region_limit_s: float = 30.0) -> Ec2Instances:
        sessions = create_autospec(Sessions, instance=True)
        sessions.client.side_effect = lambda service, account, region: self.clients[region]
        return Ec2Instances(sessions, region_limit_s)

    def regions(self) -> dict[str, RegionFleet]:
        return {each.region: each for each in self.source().list_regions(ACCOUNT, LAUNCHED)}

    def read(self) -> list[Instance]:
        return [instance for each in self.regions().values() for instance in each.instances]

    def error(self, region: str) -> AwsError:
        error = self.regions()[region].error
        assert isinstance(error, AwsError)
        return error


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


def test_a_region_that_is_denied_does_not_hide_the_others() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page(record("i-1")))
    fleet.refuses("eu-west-1", "UnauthorizedOperation")
    regions = fleet.regions()
    assert list(regions) == ["us-east-1", "eu-west-1"]
    assert [each.instance_id for each in regions["us-east-1"].instances] == ["i-1"]
    assert regions["us-east-1"].error is None
    error = regions["eu-west-1"].error
    assert isinstance(error, AccessDenied)
    assert "Listing the instances of account 'shop' in eu-west-1" in str(error)


def test_a_region_that_is_not_enabled_says_so() -> None:
    fleet = Fleet()
    fleet.refuses("eu-west-1", "OptInRequired")
    fleet.answers("us-east-1", page())
    assert isinstance(fleet.error("eu-west-1"), RegionNotEnabled)


def test_credentials_that_only_one_region_refuses_mean_that_it_is_not_enabled() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page())
    fleet.refuses("eu-west-1", "AuthFailure")
    fleet.has_regions("us-east-1", "eu-west-1", "not-opted-in")
    error = fleet.error("eu-west-1")
    assert isinstance(error, RegionNotEnabled)
    assert error.message == "Region eu-west-1 is not enabled in account 'shop'."
    assert error.code == "AuthFailure"


def test_wrong_credentials_in_an_enabled_region_stay_a_denial() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page())
    fleet.refuses("eu-west-1", "AuthFailure")
    fleet.has_regions("us-east-1", "eu-west-1", "opted-in")
    error = fleet.error("eu-west-1")
    assert not isinstance(error, RegionNotEnabled)
    assert error.code == "AuthFailure"


def test_wrong_credentials_in_every_region_stay_a_denial() -> None:
    fleet = Fleet()
    fleet.refuses("us-east-1", "AuthFailure")
    fleet.refuses("eu-west-1", "AuthFailure")
    fleet.stubs["us-east-1"].add_client_error("describe_regions", "AuthFailure", "no")
    errors = [each.error for each in fleet.regions().values()]
    assert [getattr(each, "code", "") for each in errors] == ["AuthFailure", "AuthFailure"]
    assert not any(isinstance(each, RegionNotEnabled) for each in errors)


def test_a_slow_region_is_left_after_its_time_limit() -> None:
    fleet, released = Fleet(), threading.Event()
    fleet.answers("us-east-1", page(record("i-1")))

    def slow_client(_service: str, _account: Account, region: str) -> Any:
        return fleet.clients[region] if region == "us-east-1" else released.wait()

    source = fleet.source(region_limit_s=0.5)
    source._sessions.client.side_effect = slow_client  # type: ignore[attr-defined]
    try:
        regions = {each.region: each for each in source.list_regions(ACCOUNT, LAUNCHED)}
    finally:
        released.set()
    assert [each.instance_id for each in regions["us-east-1"].instances] == ["i-1"]
    error = regions["eu-west-1"].error
    assert isinstance(error, AwsUnreachable)
    assert "in eu-west-1 took longer than 0.5 s" in str(error)


def test_many_slow_regions_do_not_keep_the_last_one_from_its_turn() -> None:
    released = threading.Event()
    calls: dict[str, Callable[[], str]] = {
        f"slow-{n}": lambda: str(released.wait()) for n in range(20)
    }
    try:
        found = in_each_region(calls | {"last": lambda: "answered"}, "Testing", limit_s=0.05)
    finally:
        released.set()
    assert found["last"] == "answered"
    assert sum(isinstance(each, AwsUnreachable) for each in found.values()) == 20
    assert list(found) == [*calls, "last"]


def test_an_error_that_is_not_of_aws_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        in_each_region({"us-east-1": lambda: 1 // 0}, "Testing")


@pytest.mark.parametrize(
    ("code", "kind"), [("InternalError", AwsUnreachable), ("SomethingNew", AwsError)]
)
def test_other_refusals_are_aws_errors(code: str, kind: type[AwsError]) -> None:
    fleet = Fleet()
    fleet.refuses("us-east-1", code)
    fleet.answers("eu-west-1", page())
    error = fleet.error("us-east-1")
    assert isinstance(error, kind)
    assert code in str(error)


def test_an_answer_without_a_zone_is_an_aws_error() -> None:
    fleet = Fleet()
    fleet.answers("us-east-1", page(record("i-1", Placement={})))
    fleet.answers("eu-west-1", page())
    assert "lacks 'AvailabilityZone'" in str(fleet.error("us-east-1"))


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
    fleet.stubs["us-east-1"].add_response("describe_instances", page(), ASKED)
    fleet.stubs["us-east-1"].add_response("describe_instances", page(taken, ended, unsaid), GONE)
    fleet.answers("eu-west-1", page())
    (event,) = fleet.regions()["us-east-1"].interruptions
    assert (event.instance_id, event.kind) == ("i-1", InterruptionKind.RECLAIMED)
    assert event.pool == Pool("us-east-1", "us-east-1a", "m5.large")
    assert (event.at, event.emulated) == (LAUNCHED, False)
    assert "SpotInstanceTermination" in event.source
