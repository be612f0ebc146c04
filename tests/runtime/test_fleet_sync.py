"""Listing the fleet: a region that fails keeps its last list, and is recorded as that region's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.fleet_sync import listed_age_s, sync_fleet
from spotlab.store import Store, open_store
from tests.support.market import StillClock
from tests.support.migrated import copy_to

ACCOUNT = Account("shop", "123456789012", regions=("us-east-1", "eu-west-1"))


class Regions:
    """Sessions with a moto client in each region; a test can make a region refuse."""

    def __init__(self) -> None:
        self.clients = {
            region: boto3.client("ec2", region_name=region) for region in ACCOUNT.regions
        }
        self.refusing: dict[str, str] = {}
        self.sessions = create_autospec(Sessions, instance=True)
        self.sessions.client.side_effect = self._client

    def _client(self, _service: str, _account: Account, region: str) -> Any:
        code = self.refusing.get(region)
        if code is None:
            return self.clients[region]
        refusing = boto3.client("ec2", region_name=region)
        stub = Stubber(refusing)
        stub.add_client_error("describe_instances", code, "no")
        stub.activate()
        return refusing

    def launch_spot(self, region: str) -> str:
        ec2 = self.clients[region]
        image = next(
            each["ImageId"] for each in ec2.describe_images()["Images"] if "Platform" not in each
        )
        answer = ec2.run_instances(
            ImageId=image,
            InstanceType="m5.large",
            MinCount=1,
            MaxCount=1,
            InstanceMarketOptions={"MarketType": "spot"},
        )
        return str(answer["Instances"][0]["InstanceId"])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Regions]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Regions()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.close()


def test_a_region_that_fails_keeps_its_instances_and_counts_no_hours(
    aws: Regions, store: Store
) -> None:
    clock = StillClock()
    cloud = Cloud(False, aws.sessions, (ACCOUNT,), FeedAddresses("", "", ""))
    here, there = (aws.launch_spot(region) for region in ACCOUNT.regions)
    assert sync_fleet(cloud, store, clock) == []
    first = clock.now()

    clock.forward(minutes=30)
    aws.refusing["eu-west-1"] = "AuthFailure"
    aws.clients["us-east-1"].terminate_instances(InstanceIds=[here])
    here = aws.launch_spot("us-east-1")
    (error,) = sync_fleet(cloud, store, clock)
    assert "eu-west-1" in str(error)
    assert {each.instance_id for each in store.fleet.instances()} == {here, there}
    listing = store.fleet.listings()["shop"]
    assert listing.at == clock.now()
    (failed,) = listing.failed_regions
    assert (failed.region, failed.at, failed.code) == ("eu-west-1", first, "AuthFailure")
    assert failed.error == str(error)
    assert listed_age_s(store, clock) == 0, "the regions that answer are not listed again at once"
    exposures = store.interruptions.exposures(emulated=False, since=first - timedelta(days=1))
    assert {each.instance_id: each.ended_at for each in exposures}[there] == first

    clock.forward(minutes=30)
    aws.refusing.clear()
    assert sync_fleet(cloud, store, clock) == []
    assert not store.fleet.listings()["shop"].failed_regions


def test_a_region_that_is_removed_from_an_account_takes_its_instances_with_it(
    aws: Regions, store: Store
) -> None:
    clock = StillClock()
    here, _ = (aws.launch_spot(region) for region in ACCOUNT.regions)
    cloud = Cloud(False, aws.sessions, (ACCOUNT,), FeedAddresses("", "", ""))
    sync_fleet(cloud, store, clock)
    fewer = replace(cloud, accounts=(replace(ACCOUNT, regions=("us-east-1",)),))
    assert sync_fleet(fewer, store, clock) == []
    assert [each.instance_id for each in store.fleet.instances()] == [here]
    assert [each.region for each in store.fleet.listings()["shop"].regions] == ["us-east-1"]


def test_a_role_that_cannot_be_assumed_is_one_error_and_not_one_a_region(
    aws: Regions, store: Store
) -> None:
    clock = StillClock()
    role = replace(ACCOUNT, role_arn="arn:aws:iam::123456789012:role/spotlab")
    sessions = Sessions(clock=clock, access_key_id="testing", secret_access_key="testing")
    refuse_roles(sessions)
    cloud = Cloud(False, sessions, (role,), FeedAddresses("", "", ""))
    (error,) = sync_fleet(cloud, store, clock)
    assert "does not let SpotLab assume" in str(error)
    listing = store.fleet.listings()["shop"]
    assert listing.at is None
    assert [each.region for each in listing.failed_regions] == ["eu-west-1", "us-east-1"]
    assert listed_age_s(store, clock) is None


def refuse_roles(sessions: Sessions) -> None:
    """Make STS refuse every role."""
    sts = boto3.client("sts", region_name="us-east-1")
    stub = Stubber(sts)
    for _ in ACCOUNT.regions:
        stub.add_client_error("assume_role", "AccessDenied", "no")
    stub.activate()
    build = sessions._client

    def client(session: Any, service: str, region: str) -> Any:
        return sts if service == "sts" else build(session, service, region)

    sessions._client = client  # type: ignore[method-assign]
