"""The emulated AWS behaves like AWS where moto does not, as seen through boto3."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotlab.demo.catalogue import POOLS
from spotlab.demo.delays import FAST
from spotlab.demo.ec2_placement import CONFIGURATIONS_PER_DAY
from spotlab.demo.fleet import FLEET, IMAGES
from spotlab.demo.server import RunningServer
from tests.demo.conftest import AT, Seconds
from tests.support.emulated import client, instances, names, role_keys

SPOT = {"MarketType": "spot"}


@pytest.fixture
def payments(served: RunningServer) -> Any:
    return client(served, "ec2", "us-east-1", served.world.accounts[0])


@pytest.fixture
def research(served: RunningServer) -> Any:
    return client(served, "ec2", "us-west-2", served.world.accounts[1])


def launch(ec2: Any, token: str, instance_type: str = "m6i.xlarge", **more: Any) -> Any:
    (instance,) = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=IMAGES["x86_64"],
        InstanceType=instance_type,
        ClientToken=token,
        **more,
    )["Instances"]
    return instance


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_role_is_given_for_its_external_id_only(served: RunningServer) -> None:
    account = served.world.accounts[0]
    assert role_keys(served, account, account.external_id)["aws_session_token"]
    with pytest.raises(ClientError) as wrong:
        role_keys(served, account, served.world.accounts[1].external_id)
    assert code(wrong) == "AccessDenied"
    with pytest.raises(ClientError) as none:
        client(served, "sts").assume_role(RoleArn=account.role_arn, RoleSessionName="spotlab")
    assert code(none) == "AccessDenied"
    unknown = account.role_arn.replace("SpotLab", "Admin")
    with pytest.raises(ClientError) as other:
        client(served, "sts").assume_role(
            RoleArn=unknown, RoleSessionName="spotlab", ExternalId=account.external_id
        )
    assert code(other) == "AccessDenied"


def test_a_role_sees_its_own_account_only(served: RunningServer) -> None:
    for account in served.world.accounts:
        identity = client(served, "sts", account=account).get_caller_identity()
        assert identity["Account"] == account.account_id
        for region in ("us-east-1", "us-west-2", "eu-west-1"):
            planned = {
                each.name
                for each in FLEET
                if each.account == account.name and each.regions == (region,)
            }
            seen = names(instances(client(served, "ec2", region, account)))
            assert planned <= seen
            assert not seen & {each.name for each in FLEET if each.account != account.name}
    assert instances(client(served, "ec2")) == []


def test_the_fleet_is_what_the_screens_need(served: RunningServer) -> None:
    found = []
    for account in served.world.accounts:
        for region in account.regions:
            found += instances(client(served, "ec2", region, account))
    fleet = [each for each in found if names([each]) & {planned.name for planned in FLEET}]
    assert len(fleet) == 24
    assert len({each["InstanceType"] for each in fleet}) >= 8
    assert sum(each.get("InstanceLifecycle") == "spot" for each in fleet) == 21
    assert all(each["LaunchTime"] < AT for each in fleet)
    offered = {(pool.zone, pool.spec.name) for pool in POOLS}
    for each in fleet:
        assert (each["Placement"]["AvailabilityZone"], each["InstanceType"]) in offered
        assert each["State"]["Name"] == "running"


def test_instances_come_in_pages(payments: Any) -> None:
    page = payments.describe_instances(MaxResults=5)
    assert len(page["Reservations"]) == 5
    assert page["NextToken"]
    everyone = instances(payments, PaginationConfig={"PageSize": 5})
    ids = [each["InstanceId"] for each in everyone]
    assert len(ids) == len(set(ids)) >= 6


def test_instances_are_found_by_lifecycle_zone_and_client_token(payments: Any) -> None:
    def found(name: str, value: str) -> set[str]:
        return names(instances(payments, Filters=[{"Name": name, "Values": [value]}]))

    spot = {each.name for each in FLEET if each.spot}
    assert {"checkout-api-1", "webhooks-1"} <= found("instance-lifecycle", "spot") <= spot
    assert found("client-token", "fleet-checkout-api-1") == {"checkout-api-1"}
    assert found("client-token", "no-such-token") == set()
    zones = [found("availability-zone", f"us-east-1{letter}") for letter in "abcd"]
    assert sum(len(zone) for zone in zones) >= 6


def test_launching_twice_with_one_token_launches_once(payments: Any, seconds: Seconds) -> None:
    market = {"InstanceMarketOptions": SPOT, "Placement": {"AvailabilityZone": "us-east-1b"}}
    first = launch(payments, "switch-1", **market)
    again = launch(payments, "switch-1", **market)
    assert first["InstanceId"] == again["InstanceId"]
    with pytest.raises(ClientError) as other:
        launch(payments, "switch-1", "m6i.2xlarge", **market)
    assert code(other) == "IdempotentParameterMismatch"
    found = instances(payments, Filters=[{"Name": "client-token", "Values": ["switch-1"]}])
    assert [each["InstanceId"] for each in found] == [first["InstanceId"]]
    assert found[0]["InstanceLifecycle"] == "spot"
    payments.terminate_instances(InstanceIds=[first["InstanceId"]])


def test_a_launch_takes_a_moment_and_so_does_the_end(payments: Any, seconds: Seconds) -> None:
    instance_id = launch(payments, "slowly")["InstanceId"]

    def state() -> str:
        (found,) = instances(payments, InstanceIds=[instance_id])
        return str(found["State"]["Name"])

    def checks() -> list[str]:
        answer = payments.describe_instance_status(InstanceIds=[instance_id])
        return [each["InstanceStatus"]["Status"] for each in answer["InstanceStatuses"]]

    assert (state(), checks()) == ("pending", [])
    seconds.value += FAST.boot_s
    assert (state(), checks()) == ("running", ["initializing"])
    seconds.value += FAST.checks_s
    assert (state(), checks()) == ("running", ["ok"])
    payments.terminate_instances(InstanceIds=[instance_id])
    assert state() == "shutting-down"
    seconds.value += FAST.shutting_down_s
    payments.terminate_instances(InstanceIds=[instance_id])
    assert state() == "terminated"


def test_an_image_takes_a_moment_and_is_not_launched_before(
    payments: Any, seconds: Seconds
) -> None:
    (source,) = instances(
        payments, Filters=[{"Name": "tag:Name", "Values": ["settlement-batch-1"]}]
    )
    tags = [{"Key": "made-by", "Value": "spotlab"}]
    image_id = payments.create_image(
        InstanceId=source["InstanceId"],
        Name="settlement-batch-1 before the switch",
        NoReboot=True,
        TagSpecifications=[
            {"ResourceType": "image", "Tags": tags},
            {"ResourceType": "snapshot", "Tags": tags},
        ],
    )["ImageId"]

    def image() -> Any:
        return payments.describe_images(ImageIds=[image_id])["Images"][0]

    def run() -> Any:
        return payments.run_instances(
            MinCount=1, MaxCount=1, ImageId=image_id, InstanceType="m5.xlarge"
        )

    assert image()["State"] == "pending"
    with pytest.raises(ClientError) as early:
        run()
    assert code(early) == "InvalidAMIID.Unavailable"
    seconds.value += FAST.image_s
    assert image()["State"] == "available"
    assert image()["Tags"] == tags
    (launched,) = run()["Instances"]
    payments.terminate_instances(InstanceIds=[launched["InstanceId"]])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"InstanceType": "m6g.xlarge"}, "InvalidParameterValue"),
        ({"InstanceType": "m9z.xlarge"}, "InvalidParameterValue"),
        ({"InstanceType": "m5.xlarge", "ImageId": "ami-00000000"}, "InvalidAMIID.NotFound"),
    ],
)
def test_a_launch_is_refused_where_aws_refuses_it(
    payments: Any, arguments: dict[str, Any], expected: str
) -> None:
    request = {"MinCount": 1, "MaxCount": 1, "ImageId": IMAGES["x86_64"], **arguments}
    with pytest.raises(ClientError) as refused:
        payments.run_instances(**request)
    assert code(refused) == expected


def test_a_zone_without_the_type_refuses_it(payments: Any) -> None:
    offers = payments.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["g5.xlarge"]}],
    )["InstanceTypeOfferings"]
    zones = {each["Location"] for each in offers}
    assert zones == {
        pool.zone
        for pool in POOLS
        if (pool.region.name, pool.spec.name) == ("us-east-1", "g5.xlarge")
    }
    all_zones = {
        each["ZoneName"] for each in payments.describe_availability_zones()["AvailabilityZones"]
    }
    for zone in all_zones - zones:
        with pytest.raises(ClientError) as refused:
            launch(payments, f"g5-{zone}", "g5.xlarge", Placement={"AvailabilityZone": zone})
        assert code(refused) == "Unsupported"


def test_only_the_simulated_types_are_described(research: Any) -> None:
    pages = research.get_paginator("describe_instance_types").paginate()
    found = {each["InstanceType"]: each for page in pages for each in page["InstanceTypes"]}
    assert set(found) == {pool.spec.name for pool in POOLS}
    for pool in POOLS:
        described = found[pool.spec.name]
        assert described["VCpuInfo"]["DefaultVCpus"] == pool.spec.vcpu
        assert described["MemoryInfo"]["SizeInMiB"] == pool.spec.memory_gib * 1024


def test_price_history_pages_without_gap_or_repeat(research: Any) -> None:
    arguments = {
        "StartTime": AT - timedelta(days=2),
        "InstanceTypes": ["c7g.2xlarge", "m5.large", "r5.large"],
        "ProductDescriptions": ["Linux/UNIX"],
    }
    whole = research.describe_spot_price_history(**arguments)
    paged = research.get_paginator("describe_spot_price_history").paginate(
        **arguments, PaginationConfig={"PageSize": 7}
    )
    rows = [row for page in paged for row in page["SpotPriceHistory"]]
    assert whole["NextToken"] == ""
    assert rows == whole["SpotPriceHistory"]
    stamps = [row["Timestamp"] for row in rows]
    assert stamps == sorted(stamps, reverse=True)


def test_price_history_keeps_to_its_window_but_says_what_held_at_its_start(research: Any) -> None:
    start, end = AT - timedelta(days=3), AT - timedelta(days=2)
    rows = research.describe_spot_price_history(
        StartTime=start,
        EndTime=end,
        InstanceTypes=["c7g.2xlarge"],
        ProductDescriptions=["Linux/UNIX"],
    )["SpotPriceHistory"]
    assert all(row["Timestamp"] <= end for row in rows)
    before = [row for row in rows if row["Timestamp"] < start]
    zones = {row["AvailabilityZone"] for row in rows}
    assert {row["AvailabilityZone"] for row in before} == zones
    assert len(before) == len(zones)
    assert len(rows) > len(before)


def test_price_history_is_the_simulated_one(research: Any, served: RunningServer) -> None:
    rows = research.describe_spot_price_history(
        StartTime=AT, InstanceTypes=["c7g.2xlarge"], ProductDescriptions=["Linux/UNIX"]
    )["SpotPriceHistory"]
    now = served.world.market.prices_at(AT)
    expected = {
        pool.zone: (round(float(now.usd_per_hour[index]), 4), int(now.epoch_s[index]))
        for index, pool in enumerate(POOLS)
        if (pool.region.name, pool.spec.name) == ("us-west-2", "c7g.2xlarge")
    }
    found = {
        row["AvailabilityZone"]: (float(row["SpotPrice"]), int(row["Timestamp"].timestamp()))
        for row in rows
    }
    assert found == expected


def test_price_history_is_filtered_by_product_zone_and_pattern(research: Any) -> None:
    def rows(**arguments: Any) -> list[Any]:
        answer = research.describe_spot_price_history(StartTime=AT, **arguments)
        return list(answer["SpotPriceHistory"])

    linux = {"Name": "product-description", "Values": ["Linux/UNIX (Amazon VPC)"]}
    types = {"Name": "instance-type", "Values": ["c5.*"]}
    zone = {"Name": "availability-zone", "Values": ["us-west-2a"]}
    found = rows(Filters=[linux, types, zone])
    assert {row["InstanceType"].partition(".")[0] for row in found} == {"c5"}
    assert {row["AvailabilityZone"] for row in found} == {"us-west-2a"}
    assert {row["ProductDescription"] for row in found} == {"Linux/UNIX"}
    both = rows(InstanceTypes=["c5.large"], AvailabilityZone="us-west-2a")
    prices = {row["ProductDescription"]: float(row["SpotPrice"]) for row in both}
    assert prices["Windows"] - prices["Linux/UNIX"] == pytest.approx(2 * 0.046)
    with pytest.raises(ClientError) as refused:
        rows(Filters=[{"Name": "colour", "Values": ["red"]}])
    assert code(refused) == "InvalidParameterValue"


def test_price_history_reaches_ninety_days_back(research: Any) -> None:
    pages = research.get_paginator("describe_spot_price_history").paginate(
        StartTime=AT - timedelta(days=400),
        InstanceTypes=["m5.xlarge"],
        ProductDescriptions=["Linux/UNIX"],
    )
    stamps = [
        row["Timestamp"].astimezone(UTC) for page in pages for row in page["SpotPriceHistory"]
    ]
    assert AT - timedelta(days=92) < min(stamps) <= AT - timedelta(days=90)


def test_placement_scores_are_low_for_few_types(research: Any) -> None:
    def scores(types: list[str]) -> list[int]:
        answer = research.get_spot_placement_scores(
            InstanceTypes=types,
            TargetCapacity=1,
            SingleAvailabilityZone=True,
            RegionNames=["us-west-2"],
        )
        return [each["Score"] for each in answer["SpotPlacementScores"]]

    many = scores(["c7g.large", "c7g.xlarge", "c7g.2xlarge", "t3.large", "c6g.xlarge"])
    assert all(1 <= score <= 10 for score in many)
    assert max(many) > 3
    assert max(scores(["c7g.large", "c7g.xlarge"])) <= 3


def test_placement_scores_name_zones_by_id(research: Any) -> None:
    zones = research.describe_availability_zones()["AvailabilityZones"]
    found = research.get_spot_placement_scores(
        InstanceTypes=["m6i.xlarge", "c6i.xlarge", "r5.xlarge"],
        TargetCapacity=2,
        SingleAvailabilityZone=True,
        RegionNames=["us-west-2"],
    )["SpotPlacementScores"]
    assert {each["AvailabilityZoneId"] for each in found} <= {each["ZoneId"] for each in zones}


def test_placement_scores_have_a_daily_quota_per_account(served: RunningServer) -> None:
    ec2 = client(served, "ec2", "eu-west-1", served.world.accounts[0])

    def ask(capacity: int) -> Any:
        return ec2.get_spot_placement_scores(
            InstanceTypes=["m5.large", "c5.large", "r5.large"], TargetCapacity=capacity
        )

    for capacity in range(1, CONFIGURATIONS_PER_DAY + 1):
        ask(capacity)
    with pytest.raises(ClientError) as refused:
        ask(CONFIGURATIONS_PER_DAY + 1)
    assert code(refused) == "MaxConfigLimitExceeded"
    assert ask(1)["SpotPlacementScores"], "the same question again is free"
