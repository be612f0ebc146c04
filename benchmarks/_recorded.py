"""A lab with the market of the recorded feeds, and fleets of instances on its pools."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from spotlab.aws.feeds import FileFeed
from spotlab.domain.components import INSTANCE_MANAGER
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import FeedKind, Pool
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings

FILES = {
    FeedKind.ADVISOR: "advisor/2025-06-28.json.gz",
    FeedKind.SPOT_PRICES: "spot-prices/2025-06-15.json.gz",
    FeedKind.ON_DEMAND: "on-demand/2025-06-23.csv",
    FeedKind.SPECS: "instance-specs/instance_types-2026-08-21.csv",
}
ACCOUNT = "benchmark"


def recorded_folder(data: str) -> Path | None:
    """The folder of the recorded feeds, or None, with a line on stderr: they are not there."""
    folder = Path(data or os.environ.get("SPOTLAB_SHARED_DATA", "../shared/data"))
    if all((folder / name).is_file() for name in FILES.values()):
        return folder
    print(f"skipped: the recorded feeds are not in {folder} (--data=FOLDER)", file=sys.stderr)
    return None


@contextmanager
def recorded_lab(folder: Path) -> Iterator[Lab]:
    """A lab of its own, which has collected the recorded feeds."""
    with tempfile.TemporaryDirectory() as home, bootstrap(Settings(home=Path(home))) as lab:
        files = [FileFeed(folder / name, kind, clock=lab.clock) for kind, name in FILES.items()]
        lab.collect(files=files)
        yield lab


def instances_on(
    pools: Collection[Pool], count: int, regions: Collection[str], seed: int = 0
) -> list[Instance]:
    """Spot instances on random pools of some regions, a fifth of them on demand."""
    draw = random.Random(seed)
    places = [pool for pool in pools if pool.region in regions]
    found = []
    for number in range(count):
        pool = draw.choice(places)
        zone = pool.availability_zone or f"{pool.region}a"
        lifecycle = Lifecycle.ON_DEMAND if draw.random() < 0.2 else Lifecycle.SPOT
        own = Pool(pool.region, zone, pool.instance_type)
        found.append(Instance(f"i-{number:017x}", ACCOUNT, own, lifecycle))
    return found


def run_instances(lab: Lab, instances: Collection[Instance]) -> None:
    """Make these the lab's whole fleet, as if AWS had just listed them."""
    lab.store.fleet.sync(ACCOUNT, [*instances])
    lab.store.health.note(INSTANCE_MANAGER, ok=True, at=lab.clock.now(), latency_ms=0.0, reason="")
