"""A switch planned from what the emulated AWS says, with and without rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.session import Sessions
from spotlab.aws.target_region import TargetRegion
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.demo.world import Clock
from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_plan import Method, Preflight, Strategy
from spotlab.domain.workload import AppliedWorkload
from spotlab.switching.preflight.reader import PreflightReader
from tests.demo.conftest import Seconds
from tests.support import switch_facts as some
from tests.support.emulated import client, instances

REGION = "us-east-1"
SAME_ZONE = Pool(REGION, "us-east-1b", "m6i.xlarge")
OTHER_ZONE = Pool(REGION, "us-east-1c", "m6i.xlarge")


class WallClock:
    """The real time: the emulated STS's credentials expire by it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Lab:
    """A reader on an emulated AWS with one instance."""

    def __init__(self, served: RunningServer, seconds: Seconds) -> None:
        self.world = served.world
        owner = served.world.accounts[0]
        self.account = Account(
            owner.name, owner.account_id, owner.role_arn, owner.external_id, owner.regions, True
        )
        self.sessions = Sessions(
            clock=WallClock(),
            endpoint_url=served.endpoint_url,
            access_key_id=BASE_KEY,
            secret_access_key=BASE_SECRET,
        )
        self.ec2 = client(served, "ec2", REGION, owner)
        self.seconds = seconds
        self.image_id = instances(self.ec2)[0]["ImageId"]
        self.instance_id = self.run()

    def run(self, **more: Any) -> str:
        """Launch a spot m6i.large in us-east-1b; its id."""
        request = {
            "ImageId": self.image_id,
            "InstanceType": "m6i.large",
            "MinCount": 1,
            "MaxCount": 1,
            "Placement": {"AvailabilityZone": "us-east-1b"},
            "InstanceMarketOptions": {"MarketType": "spot"},
        }
        launched = self.ec2.run_instances(**(request | more))["Instances"][0]["InstanceId"]
        self.seconds.value += 600.0
        return str(launched)

    def plan(
        self,
        target: Pool = SAME_ZONE,
        lifecycle: Lifecycle = Lifecycle.SPOT,
        applied: AppliedWorkload = some.STATELESS,
        instance_id: str = "",
        **more: Any,
    ) -> Preflight:
        reader = PreflightReader(
            Ec2Discovery(self.sessions, WallClock()), TargetRegion(self.sessions)
        )
        facts = reader.facts(self.account, REGION, instance_id or self.instance_id)
        return reader.preflight(self.account, facts, target, lifecycle, applied, **more)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    seconds = Seconds()
    with serve_in_thread(7, clock=Clock(None, seconds)) as served:
        yield Lab(served, seconds)


@pytest.fixture
def denied(lab: Lab) -> Iterator[set[str]]:
    """Actions that the emulated AWS denies until the test ends."""
    yield lab.world.denials.actions
    lab.world.denials.actions.clear()


def blocking(plan: Preflight) -> list[str]:
    return [finding.code for finding in plan.blocking]


@pytest.mark.parametrize("target", [SAME_ZONE, OTHER_ZONE])
@pytest.mark.parametrize("lifecycle", Lifecycle)
def test_a_switch_that_nothing_forbids(lab: Lab, target: Pool, lifecycle: Lifecycle) -> None:
    plan = lab.plan(target, lifecycle)
    assert blocking(plan) == []
    assert plan.strategy is Strategy.FROM_IMAGE
    assert plan.subnet_id


def test_an_on_demand_instance_changes_its_type_in_place(lab: Lab) -> None:
    on_demand = lab.run(InstanceMarketOptions={})
    plan = lab.plan(lifecycle=Lifecycle.ON_DEMAND, applied=some.applied(), instance_id=on_demand)
    assert plan.strategy is Strategy.STOP_START
    assert blocking(plan) == ["stop"]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ec2:RunInstances", "missing-right"),
        ("ec2:CreateImage", "missing-right"),
        ("ec2:TerminateInstances", "missing-right"),
        ("ec2:CreateTags", "tag-rights"),
        ("ec2:CreateTags/spot-instances-request", "tag-rights"),
        ("iam:GetRole", "unknown-facts"),
        ("ec2:DescribeSubnets", "unknown-facts"),
        ("ec2:DescribeInstanceAttribute", "unknown-facts"),
        ("elasticloadbalancing:DescribeTargetGroups", "unknown-facts"),
        ("ec2:DescribeInstanceTypes", "unknown-type"),
    ],
)
def test_a_missing_right_refuses_and_is_named(
    lab: Lab, denied: set[str], action: str, code: str
) -> None:
    denied.add(action)
    plan = lab.plan()
    assert code in blocking(plan)
    finding = next(each for each in plan.blocking if each.code == code)
    assert action.partition("/")[0] in f"{finding.text} {finding.remedy}"


def test_a_right_that_no_step_needs_is_not_asked_for(lab: Lab, denied: set[str]) -> None:
    denied |= {"ec2:StopInstances", "ec2:DetachVolume", "ec2:DescribePlacementGroups"}
    assert blocking(lab.plan()) == []


def test_on_demand_needs_no_right_to_tag_spot_requests(lab: Lab, denied: set[str]) -> None:
    denied.add("ec2:CreateTags/spot-instances-request")
    assert blocking(lab.plan(lifecycle=Lifecycle.ON_DEMAND)) == []


def test_a_type_that_its_zone_does_not_offer_is_refused_by_ec2_itself(lab: Lab) -> None:
    plan = lab.plan(Pool(REGION, "us-east-1a", "m6i.large"))
    assert "launch-refused" in blocking(plan)
    (finding,) = [each for each in plan.blocking if each.code == "launch-refused"]
    assert "us-east-1b" in finding.text, "EC2 says which zones do"


def test_several_targets_cost_one_reading_of_what_they_share(lab: Lab) -> None:
    called: Counter[str] = Counter()
    events = [
        lab.sessions.client(service, lab.account, REGION).meta.events
        for service in ("ec2", "elbv2", "iam", "kms")
    ]

    def count(model: Any, **_: Any) -> None:
        called[model.name] += 1

    for each in events:
        each.register("before-call", count)
    try:
        reader = PreflightReader(
            Ec2Discovery(lab.sessions, WallClock()), TargetRegion(lab.sessions)
        )
        facts = reader.facts(lab.account, REGION, lab.instance_id)
        of_instance = called.total()
        targets = [
            Pool(REGION, zone, name)
            for zone in ("us-east-1b", "us-east-1c")
            for name in ("m6i.large", "m6i.xlarge", "m5.large", "m5.xlarge")
        ]
        for target in targets:
            reader.preflight(
                lab.account, facts, target, Lifecycle.SPOT, some.STATELESS, candidates=targets
            )
    finally:
        for each in events:
            each.unregister("before-call", count)
    assert of_instance <= 15
    assert called["RunInstances"] == len(targets), "a dry run for each launch"
    assert called["DescribeInstanceTypes"] <= 2
    assert called.total() - of_instance - len(targets) <= 10


SEEDED = {
    "checkout-api-1": set(),
    "fraud-scoring-1": set(),
    "settlement-batch-1": set(),
    "ledger-writer-1": {"termination-protection"},
    "webhooks-1": {"auto-scaling-group"},
}
"""Instances of the emulated fleet in us-east-1, and what forbids to switch a stateless one."""


@pytest.mark.parametrize("name", SEEDED)
def test_the_emulated_fleet(lab: Lab, name: str) -> None:
    (record,) = instances(lab.ec2, Filters=[{"Name": "tag:Name", "Values": [name]}])
    zone = record["Placement"]["AvailabilityZone"]
    spot = record.get("InstanceLifecycle") == "spot"
    plan = lab.plan(
        Pool(REGION, zone, record["InstanceType"]),
        Lifecycle.ON_DEMAND if spot else Lifecycle.SPOT,
        instance_id=record["InstanceId"],
    )
    assert set(blocking(plan)) == SEEDED[name]
    moved = {effect.kind for effect in plan.effects if effect.method is Method.MOVED}
    if name == "checkout-api-1":
        assert "elastic address" in moved
        assert any("target" in call.action.lower() for call in plan.calls)
    if name == "settlement-batch-1":
        assert moved == {"volume"}
    if name == "fraud-scoring-1":
        assert plan.strategy is Strategy.FROM_TEMPLATE
