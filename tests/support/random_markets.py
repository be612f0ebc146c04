"""Random scored markets of types that differ in every fact of hardware, with equal prices."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.features import FeatureFrame
from spotlab.domain.hardware import Hardware, HardwareTable, complete
from spotlab.domain.hazard_curve import ShortCause, ShortSignal
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import Pool
from spotlab.domain.risk import Evidence
from spotlab.pipeline.score import TABLE_COLUMNS, ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel, market_data

TYPES: Final = (
    *(
        f"{family}.{size}"
        for family in ("m5", "m6i", "m6a", "m7i-flex")
        for size in ("large", "xlarge")
    ),
    *("c5d.xlarge", "m6id.xlarge", "r5.large", "m6g.large", "m7g.large", "m7g.metal", "t3.large"),
    *("t3a.xlarge", "t4g.large", "m4.large", "g4dn.xlarge", "g5.xlarge", "g6.xlarge", "p3.2xlarge"),
    *("inf2.xlarge", "trn1.2xlarge", "odd"),
)
REGIONS: Final = {"us-east-1": ("us-east-1a", "us-east-1b"), "eu-west-1": (None,)}


def random_market(seed: int) -> ScoredMarket:
    """A scored market; unknown prices, risks and sizes occur, and so do ties."""
    draw = random.Random(seed)
    hardware = {name: _hardware(name, draw) for name in TYPES if name != "odd"}
    rows = [
        _row(name, region, zone, hardware.get(name), draw)
        for name in TYPES
        for region, zones in REGIONS.items()
        for zone in zones
        if draw.random() < 0.9
    ]
    draw.shuffle(rows)
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    base = score_market(market_data({("m5.large", "us-east-1a"): 0.03}), BucketModel(), Tracer())
    keys = table[["region", "availability_zone", "instance_type", "operating_system"]]
    pools = tuple(
        Pool(region, zone if isinstance(zone, str) else None, name, system)
        for region, zone, name, system in keys.itertuples(index=False, name=None)
    )
    frame = FeatureFrame(NOW, pools, ("price",), np.zeros((len(pools), 1)))
    evidence = {
        row: Evidence(float(hazard), 0, 0.0, signals=_signals(draw))
        for row, hazard in enumerate(table["hazard_per_hour"])
        if draw.random() < 0.1
    }
    return replace(
        base, table=table, hardware=HardwareTable(hardware), frame=frame, evidence=evidence
    )


def _signals(draw: random.Random) -> tuple[ShortSignal, ...]:
    return tuple(
        ShortSignal(cause, NOW - timedelta(hours=draw.uniform(0.0, 8.0)), draw.choice([0.25, 1.0]))
        for cause in ShortCause
        if draw.random() < 0.5
    )


def _hardware(name: str, draw: random.Random) -> Hardware:
    large = draw.choice([2.0, 2.0, 4.0, None])
    return complete(
        Hardware(
            name,
            vcpu=large,
            memory_gb=draw.choice([7.5, 8.0, 7.97, 16.0, None]),
            architecture=parse_type(name).architecture.value,
            gpu_count=1.0 if name.startswith(("g", "p")) else 0.0,
            cpu_maker=draw.choice(["intel", "amd", None]),
            local_nvme_gb=draw.choice([0.0, 118.0, None]),
            network_mbps=draw.choice([750.0, 10_000.0, None]),
            ebs_mbps=draw.choice([650.0, 4_750.0, None]),
        )
    )


def _row(
    name: str, region: str, zone: str | None, hardware: Hardware | None, draw: random.Random
) -> tuple[object, ...]:
    part = parse_type(name) if hardware is not None else None
    on_demand = draw.choice([0.09, 0.1, 0.2, np.nan])
    return (
        region,
        zone,
        name,
        draw.choice(["Linux"] * 9 + ["Windows"]),
        name.partition(".")[0],
        draw.choice([0.02, 0.03, 0.03, 0.05, draw.uniform(0.01, 0.1), np.nan]),
        NOW,
        on_demand,
        False,
        (hardware.vcpu if hardware and hardware.vcpu else np.nan),
        (hardware.memory_gb if hardware and hardware.memory_gb else np.nan),
        part.architecture.value if part else None,
        part.accelerated if part else False,
        part.burstable if part else False,
        float(draw.randrange(5)),
        60.0,
        draw.choice([0.0, 2e-4, 2e-4, draw.uniform(0.0, 8e-4), np.nan]),
        draw.choice([np.nan, np.nan, np.nan, 0.0, 45.0, 90.0]),
    )
