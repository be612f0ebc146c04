"""The emulated fleet: 24 instances of two accounts in three regions. Runtime floor.

What runs is written down here; in which zone, since when and under which id follows from the seed,
so every process and every restart sees the same fleet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.utils import random_spot_request_id
from moto.moto_api._internal import mock_random

from spotlab.demo.catalogue import REGIONS, offered, type_named
from spotlab.demo.noise import Stream, draws
from spotlab.demo.world import World
from spotlab.domain.instance_types import parse_type

IMAGES: Final = {"x86_64": "ami-05107ab0000000086", "arm64": "ami-05107ab0000000064"}
"""The two public images, by architecture."""
_FIRST_LAUNCH: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
_LAUNCH_DAYS: Final = 230


@dataclass(frozen=True, slots=True)
class Planned:
    """One instance to be."""

    account: str
    region: str
    name: str
    instance_type: str
    spot: bool = True


FLEET: Final = (
    Planned("payments-prod", "us-east-1", "checkout-api-1", "m6i.xlarge"),
    Planned("payments-prod", "us-east-1", "checkout-api-2", "m6i.xlarge"),
    Planned("payments-prod", "us-east-1", "fraud-scoring-1", "c6i.2xlarge"),
    Planned("payments-prod", "us-east-1", "fraud-scoring-2", "c6i.2xlarge"),
    Planned("payments-prod", "us-east-1", "settlement-batch-1", "m5.2xlarge"),
    Planned("payments-prod", "us-east-1", "ledger-writer-1", "r6i.2xlarge", spot=False),
    Planned("payments-prod", "us-east-1", "webhooks-1", "t3.large", spot=False),
    Planned("payments-prod", "eu-west-1", "checkout-api-eu-1", "m6g.xlarge"),
    Planned("payments-prod", "eu-west-1", "checkout-api-eu-2", "m6g.xlarge"),
    Planned("payments-prod", "eu-west-1", "reporting-eu-1", "r6g.xlarge"),
    Planned("payments-prod", "eu-west-1", "session-cache-eu-1", "r5.xlarge"),
    Planned("payments-prod", "eu-west-1", "ledger-replica-eu-1", "r5.2xlarge", spot=False),
    Planned("research", "us-west-2", "train-vision-1", "g5.2xlarge"),
    Planned("research", "us-west-2", "train-vision-2", "g5.12xlarge"),
    Planned("research", "us-west-2", "inference-1", "g4dn.xlarge"),
    Planned("research", "us-west-2", "inference-2", "g4dn.xlarge"),
    Planned("research", "us-west-2", "simulation-1", "c7g.2xlarge"),
    Planned("research", "us-west-2", "simulation-2", "c7g.2xlarge"),
    Planned("research", "us-west-2", "features-etl-1", "r6g.2xlarge"),
    Planned("research", "us-west-2", "notebooks-1", "m7i.2xlarge", spot=False),
    Planned("research", "us-east-1", "genomics-1", "c6g.4xlarge"),
    Planned("research", "us-east-1", "genomics-2", "c5.4xlarge"),
    Planned("research", "us-east-1", "embeddings-1", "g6.xlarge"),
    Planned("research", "eu-west-1", "archive-scan-1", "m7g.xlarge"),
)


def seed_fleet(world: World) -> None:
    """Put the fleet into moto's empty backends, as it has been running for a while."""
    seed = world.market.seed
    mock_random.seed(seed)
    source = draws(seed, Stream.FLEET)
    account_ids = {account.name: account.account_id for account in world.accounts}
    for account_id in account_ids.values():
        for region in REGIONS:
            _add_images(ec2_backends[account_id][region.name])
    for place, planned in enumerate(FLEET, start=1):
        launched = _FIRST_LAUNCH + timedelta(minutes=int(source.integers(_LAUNCH_DAYS * 1440)))
        zones = [
            zone
            for region in REGIONS
            if region.name == planned.region
            for zone in region.zones
            if offered(zone, type_named(planned.instance_type).family.name)
        ]
        zone = zones[int(source.integers(len(zones)))]
        # where "now" is frozen before the plan, the fleet is still in the past
        launched = min(launched, world.clock.now() - timedelta(days=place))
        _launch(ec2_backends[account_ids[planned.account]][planned.region], planned, zone, launched)
    # from here on ids are new at every start: an id of an earlier run must not come back
    mock_random.seed()


def _launch(backend: Any, planned: Planned, zone: str, launched: datetime) -> None:
    architecture = parse_type(planned.instance_type).architecture.value
    (instance,) = backend.run_instances(
        IMAGES[architecture],
        1,
        None,
        [],
        instance_type=planned.instance_type,
        is_instance_type_default=False,
        region_name=planned.region,
        placement=zone,
        instance_market_options="spot" if planned.spot else {},
        tags={"instance": {"Name": planned.name, "team": planned.account.partition("-")[0]}},
        client_token=f"fleet-{planned.name}",
    ).instances
    instance.launch_time = launched.replace(tzinfo=None)
    if planned.spot:
        instance.spot_instance_request_id = random_spot_request_id()


def _add_images(backend: Any) -> None:
    for architecture, image_id in IMAGES.items():
        backend.amis[image_id] = Ami(
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
