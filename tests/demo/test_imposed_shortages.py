"""A drill runs a family short: launches are refused, scores fall, instances get warnings."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from spotlab.demo.catalogue import POOLS
from spotlab.demo.ec2_placement import placement_score
from spotlab.demo.fleet import IMAGES
from spotlab.demo.imposed_shortages import ImposedShortage, impose
from spotlab.demo.server import RunningServer
from spotlab.errors import InvalidInput
from tests.demo.conftest import Seconds
from tests.support.emulated import client

REGION = "us-west-2"


def launch(ec2: Any, instance_type: str) -> str:
    (instance,) = ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=IMAGES["arm64"],
        InstanceType=instance_type,
        InstanceMarketOptions={"MarketType": "spot"},
    )["Instances"]
    return str(instance["InstanceId"])


def test_a_family_runs_short_for_six_hours(served: RunningServer, seconds: Seconds) -> None:
    world = served.world
    ec2 = client(served, "ec2", REGION, world.accounts[1])
    launch(ec2, "c7g.large")
    assert impose(world, ImposedShortage("c7g", REGION, 6.0, interrupted=1)) == 1
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        launch(ec2, "c7g.xlarge")
    launch(ec2, "m7g.large")
    pools = [
        index
        for index, pool in enumerate(POOLS)
        if (pool.region.name, pool.spec.family.name) == (REGION, "c7g")
    ]
    now = world.clock.now()
    assert placement_score(world.market, now, pools, 1, set(pools)) == 1
    assert placement_score(world.market, now, pools, 1) > 1
    seconds.value += 6 * 3600
    launch(ec2, "c7g.xlarge")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"family": "x9", "region": REGION},
        {"family": "c7g", "region": "mars-1"},
        {"family": "c7g", "region": REGION, "hours": 0},
    ],
)
def test_a_shortage_that_cannot_be_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"The shortage .* is not valid"):
        ImposedShortage.read(document)
