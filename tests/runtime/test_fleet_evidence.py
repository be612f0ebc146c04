"""Listing the fleet records exposure and interruptions (EC2 by moto, through boto3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import boto3
import pytest
from moto import mock_aws
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceState, StateReason

from spotlab.aws.session import Sessions
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.ports import Account
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.fleet_sync import sync_fleet
from spotlab.store import Store, open_store
from tests.support.market import StillClock
from tests.support.migrated import copy_to

ACCOUNT = Account("shop", "123456789012", regions=("us-east-1",))
POOL = Pool("us-east-1", "us-east-1a", "m5.large")


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("ec2", region_name="us-east-1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, copy_to(tmp_path / "spotlab.db"))
    yield opened
    opened.close()


def launch(ec2: Any, **options: Any) -> str:
    answer = ec2.run_instances(
        ImageId=options.pop("image"),
        InstanceType="m5.large",
        MinCount=1,
        MaxCount=1,
        Placement={"AvailabilityZone": "us-east-1a"},
        **options,
    )
    return str(answer["Instances"][0]["InstanceId"])


def reclaim(instance_id: str) -> None:
    """Terminate an instance as EC2 does when it reclaims capacity."""
    instance = ec2_backends["123456789012"]["us-east-1"].get_instance(instance_id)
    instance._state = InstanceState("terminated", 48)
    code = "Server.SpotInstanceTermination"
    instance.state_reason = StateReason(f"{code}: taken back", code)


def test_hours_and_reclaimed_instances_become_evidence(ec2: Any, store: Store) -> None:
    sessions = create_autospec(Sessions, instance=True)
    sessions.client.side_effect = lambda *_: ec2
    cloud = Cloud(False, sessions, (ACCOUNT,), FeedAddresses("", "", ""))
    clock = StillClock(datetime.now(UTC) + timedelta(minutes=1))  # moto's launches are real
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    linux = {"image": next(i["ImageId"] for i in image["Images"] if "Platform" not in i)}
    spot = linux | {"InstanceMarketOptions": {"MarketType": "spot"}}
    taken, kept, ended = (launch(ec2, **spot) for _ in range(3))
    launch(ec2, **linux)

    for _ in range(3):
        assert sync_fleet(cloud, store, clock) == []
        clock.forward(minutes=30)
    reclaim(taken)
    ec2.terminate_instances(InstanceIds=[ended])
    for _ in range(2):
        assert sync_fleet(cloud, store, clock) == []
        clock.forward(minutes=10)

    (event,) = store.interruptions.events()
    assert (event.instance_id, event.kind, event.pool) == (
        taken,
        InterruptionKind.RECLAIMED,
        POOL,
    )
    # Three were observed for an hour; the remaining one for another 40 minutes.
    record = store.interruptions.own_record(MarketName.ACCOUNT, clock.now())
    assert list(record.pools) == [POOL]
    assert record.pools[POOL].events == 1
    assert record.pools[POOL].exposure_h == pytest.approx(3 * 1.0 + 40 / 60)
    exposures = store.interruptions.exposures(emulated=False, since=clock.now() - timedelta(days=1))
    assert {e.instance_id: e.ended_at for e in exposures}[kept] == clock.now() - timedelta(
        minutes=10
    )
