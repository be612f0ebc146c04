"""The emulated fleet: 24 instances of two accounts in three regions.

The instances are listed here; their pools, launch times and ids follow from the seed, so that the
fleet is the same in every process and after every restart. Most instances are placed well, some
could be placed better, and for a few every choice is risky.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

import numpy as np
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.utils import random_spot_request_id
from moto.moto_api._internal import mock_random

from spotlab.demo.catalogue import POOLS, REGIONS, PoolSpec
from spotlab.demo.market import BUCKET_CUTS, Market
from spotlab.demo.noise import DAY_S, Stream, draws
from spotlab.demo.world import World
from spotlab.domain.instance_types import parse_type

IMAGES: Final = {"x86_64": "ami-05107ab0000000086", "arm64": "ami-05107ab0000000064"}
"""The two public images, by architecture."""
_ROOT_GIB: Final = 8
_FIRST_LAUNCH: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
_LAUNCH_SPAN_S: Final = 230 * DAY_S


class Placement(Enum):
    """How an instance's pool is chosen."""

    WELL = "the pool that is usually cheapest among those usually below bucket 3"
    SOMEHOW = "any pool of its type"
    BADLY = "a region in which all of its types are usually interrupted often"


@dataclass(frozen=True, slots=True)
class PlannedInstance:
    """One instance of the fleet.

    Args:
        account: its account.
        name: its Name tag.
        regions: possible regions.
        types: possible instance types, all of one architecture.
        placement: how its pool is chosen; a mix, so that decisions differ.
        spot: False: on-demand.
    """

    account: str
    name: str
    regions: tuple[str, ...]
    types: tuple[str, ...]
    placement: Placement = Placement.WELL
    spot: bool = True


_EAST, _WEST, _EU = ("us-east-1",), ("us-west-2",), ("eu-west-1",)
_WEB = ("m6i.xlarge", "m7i.xlarge", "m6a.xlarge", "m5.xlarge")
_SCORING = ("c6i.2xlarge", "c5.2xlarge", "m6a.2xlarge", "m5.2xlarge", "m6i.2xlarge", "m7i.2xlarge")
_GRAVITON_WEB = ("m6g.xlarge", "m7g.xlarge")
_GRAVITON_BATCH = ("c7g.2xlarge", "c6g.2xlarge", "m6g.2xlarge", "m7g.2xlarge")
_GPU, _GPU_2X, _GPU_12X = (
    tuple(f"{family}.{size}" for family in families)
    for size, families in (
        ("xlarge", ("g4dn", "g5", "g6")),
        ("2xlarge", ("g4dn", "g5", "g6")),
        ("12xlarge", ("g4dn", "g5")),
    )
)
_BIG_MEMORY = ("r5.4xlarge", "r6i.4xlarge")
_PAY, _LAB = "payments-prod", "research"

FLEET: Final = (
    PlannedInstance(_PAY, "checkout-api-1", _EAST, _WEB),
    PlannedInstance(_PAY, "checkout-api-2", _EAST, _WEB),
    PlannedInstance(_PAY, "fraud-scoring-1", _EAST, _SCORING),
    PlannedInstance(_PAY, "settlement-batch-1", _EAST, ("m5.2xlarge",), Placement.SOMEHOW),
    PlannedInstance(
        _PAY, "ledger-writer-1", _EAST, ("r6i.2xlarge",), Placement.SOMEHOW, spot=False
    ),
    PlannedInstance(_PAY, "webhooks-1", _EAST, ("t3.large",)),
    PlannedInstance(_PAY, "order-index-1", _EAST + _EU, _BIG_MEMORY, Placement.BADLY),
    PlannedInstance(_PAY, "checkout-api-eu-1", _EU, _GRAVITON_WEB),
    PlannedInstance(_PAY, "checkout-api-eu-2", _EU, _GRAVITON_WEB),
    PlannedInstance(_PAY, "reporting-eu-1", _EU, ("r6g.xlarge",)),
    PlannedInstance(_PAY, "session-cache-eu-1", _EU, ("r5.xlarge",), Placement.SOMEHOW),
    PlannedInstance(
        _PAY, "ledger-replica-eu-1", _EU, ("r5.2xlarge",), Placement.SOMEHOW, spot=False
    ),
    PlannedInstance(_LAB, "train-vision-1", _WEST, _GPU_2X),
    PlannedInstance(_LAB, "train-vision-2", _WEST + _EAST + _EU, _GPU_12X, Placement.BADLY),
    PlannedInstance(_LAB, "inference-1", _WEST, _GPU),
    PlannedInstance(_LAB, "inference-2", _WEST, _GPU),
    PlannedInstance(_LAB, "simulation-1", _WEST, _GRAVITON_BATCH),
    PlannedInstance(_LAB, "simulation-2", _WEST, ("c7g.2xlarge",), Placement.SOMEHOW),
    PlannedInstance(_LAB, "features-etl-1", _WEST, ("r6g.2xlarge",)),
    PlannedInstance(_LAB, "notebooks-1", _WEST, ("m7i.2xlarge",), Placement.SOMEHOW, spot=False),
    PlannedInstance(_LAB, "genomics-1", _EAST, ("c6g.4xlarge", "m6g.4xlarge")),
    PlannedInstance(_LAB, "genomics-2", _EAST, ("c5.4xlarge", "c6i.4xlarge")),
    PlannedInstance(_LAB, "embeddings-1", _EAST, ("g6.xlarge",), Placement.SOMEHOW),
    PlannedInstance(_LAB, "archive-scan-1", _EU, ("m7g.xlarge",), Placement.SOMEHOW),
)


def choose_pool(market: Market, planned: PlannedInstance, draw: float) -> PoolSpec:
    """The pool of an instance, independent of the time.

    Args:
        market: the simulated market.
        planned: the instance.
        draw: random number in 0..1, for Placement.SOMEHOW.
    """
    pools = [
        index
        for index, pool in enumerate(POOLS)
        if pool.region.name in planned.regions and pool.spec.name in planned.types
    ]
    pressure = market.usual_pressure
    if planned.placement is Placement.SOMEHOW:
        return POOLS[pools[int(draw * len(pools))]]
    if planned.placement is Placement.WELL:
        safe = [pool for pool in pools if pressure[POOLS[pool].offer] < BUCKET_CUTS[2]]
        return POOLS[min(safe or pools, key=lambda pool: market.usual_usd_per_hour[pool])]
    # the region whose safest type is least safe, and there the least safe type
    safest: dict[str, float] = {}
    for pool in pools:
        region = POOLS[pool].region.name
        safest[region] = min(pressure[POOLS[pool].offer], safest.get(region, np.inf))
    return POOLS[
        max(pools, key=lambda pool: (safest[POOLS[pool].region.name], pressure[POOLS[pool].offer]))
    ]


def seed_fleet(world: World) -> None:
    """Add the fleet to moto's empty backends, with launch times in the past.

    moto's ids follow from the seed from here on.
    """
    seed = world.market.seed
    mock_random.seed(seed)
    source = draws(seed, Stream.FLEET)
    account_ids = {account.name: account.account_id for account in world.accounts}
    for account_id in account_ids.values():
        for region in REGIONS:
            _add_images(ec2_backends[account_id][region.name])
    for number, planned in enumerate(FLEET, start=1):
        time_draw, pool_draw = source.random(2)
        launched_at = _FIRST_LAUNCH + timedelta(seconds=int(time_draw * _LAUNCH_SPAN_S))
        # also in the past if the clock is frozen at an earlier time
        launched_at = min(launched_at, world.clock.now() - timedelta(days=number))
        pool = choose_pool(world.market, planned, pool_draw)
        backend = ec2_backends[account_ids[planned.account]][pool.region.name]
        _launch(backend, planned, pool, launched_at)


def _launch(backend: Any, planned: PlannedInstance, pool: PoolSpec, launched_at: datetime) -> None:
    architecture = parse_type(pool.spec.name).architecture.value
    (instance,) = backend.run_instances(
        IMAGES[architecture],
        1,
        None,
        [],
        instance_type=pool.spec.name,
        is_instance_type_default=False,
        region_name=pool.region.name,
        placement=pool.zone,
        instance_market_options="spot" if planned.spot else {},
        tags={"instance": {"Name": planned.name, "team": planned.account.partition("-")[0]}},
        client_token=f"fleet-{planned.name}",
    ).instances
    instance.launch_time = launched_at.replace(tzinfo=None)
    if planned.spot:
        instance.spot_instance_request_id = random_spot_request_id()


def _add_images(backend: Any) -> None:
    for architecture, image_id in IMAGES.items():
        image: Any = Ami(
            backend,
            image_id,
            name=f"al2023-ami-2023.9-kernel-6.1-{architecture}",
            description="Amazon Linux 2023 (emulated)",
            owner_id="137112412989",
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture=architecture,
            creation_date=_FIRST_LAUNCH.replace(tzinfo=None),
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name="/dev/xvda",
            region_name=f"{backend.region_name}a",
        )
        image.ena_support = True
        root = {
            "SnapshotId": image.ebs_snapshot.id,
            "VolumeSize": _ROOT_GIB,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
        }
        image.created_mappings = [{"DeviceName": image.root_device_name, "Ebs": root}]
        backend.amis[image_id] = image
