"""Situations as an on-call spot engineer would judge them, each with its decision and reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.market import FeedKind, MarketData, MarketName, Pool, Provenance
from spotlab.domain.performance import PerformanceIndex, index_of
from spotlab.domain.policy import PolicyParams
from spotlab.domain.throughputs import Throughput, ThroughputSet
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, AssignmentScope
from spotlab.domain.workload_presets import PRESETS
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel

SITUATIONS: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "decisions.json").read_text()
)
"""instance and pools as "type@zone price bucket"; what a situation leaves out is the default."""

FACTS: Final = {
    # vCPU, GiB, on-demand USD/h, GPU model, GPUs, GiB a GPU, local NVMe GB, network, EBS Mbit/s
    "c4.xlarge": (4, 7.5, 0.199, None, 0, None, 0, 750, 750),
    "c6i.large": (2, 4, 0.085, None, 0, None, 0, 781, 650),
    "m4.large": (2, 8, 0.1, None, 0, None, 0, 450, 450),
    "m5.large": (2, 8, 0.096, None, 0, None, 0, 750, 650),
    "m5n.large": (2, 8, 0.119, None, 0, None, 0, 2100, 650),
    "m5.24xlarge": (96, 384, 4.608, None, 0, None, 0, 25_000, 19_000),
    "m5.metal": (96, 384, 4.608, None, 0, None, 0, 25_000, 19_000),
    "m6i.large": (2, 8, 0.096, None, 0, None, 0, 781, 650),
    "m6i.xlarge": (4, 16, 0.192, None, 0, None, 0, 1562, 1250),
    "m6id.large": (2, 8, 0.1187, None, 0, None, 118, 781, 650),
    "m6a.large": (2, 8, 0.0864, None, 0, None, 0, 781, 650),
    "m6g.large": (2, 8, 0.077, None, 0, None, 0, 750, 630),
    "m7g.large": (2, 8, 0.0816, None, 0, None, 0, 937, 630),
    "m7i.large": (2, 8, 0.1008, None, 0, None, 0, 781, 650),
    "m7i-flex.large": (2, 8, 0.0958, None, 0, None, 0, 390, 312),
    "r6i.large": (2, 16, 0.126, None, 0, None, 0, 781, 650),
    "t3.large": (2, 8, 0.0832, None, 0, None, 0, 512, 695),
    "g4ad.xlarge": (4, 16, 0.379, "radeon-pro-v520", 1, 8, 150, 2000, 400),
    "g4dn.xlarge": (4, 16, 0.526, "t4", 1, 16, 125, 5000, 950),
    "g4dn.12xlarge": (48, 192, 3.912, "t4", 4, 16, 900, 50_000, 9500),
    "g5.xlarge": (4, 16, 1.006, "a10g", 1, 22.352, 250, 2500, 700),
    "g5.2xlarge": (8, 32, 1.212, "a10g", 1, 22.352, 450, 5000, 850),
    "g5.12xlarge": (48, 192, 5.672, "a10g", 4, 22.352, 3800, 40_000, 16_000),
    "g5.16xlarge": (64, 256, 4.096, "a10g", 1, 22.352, 1900, 25_000, 16_000),
    "g6.xlarge": (4, 16, 0.8048, "l4", 1, 22.352, 250, 2500, 1000),
    "g6e.xlarge": (4, 32, 1.861, "l40s", 1, 44.703, 250, 2500, 1000),
    "g7.2xlarge": (8, 64, 2.0, "rtx-pro-4500", 1, 32, 475, 5000, 2000),
    "g7e.2xlarge": (8, 64, 3.3, "rtx-pro-server-6000", 1, 96, 1900, 5000, 2000),
    "p3.8xlarge": (32, 244, 12.24, "v100", 4, 16, 0, 10_000, 7000),
    "inf2.xlarge": (4, 16, 0.7582, None, 0, None, 0, 2083, 1250),
}


def pool_of(text: str) -> Pool:
    instance_type, zone = text.split("@")
    return Pool(zone[:-1], zone, instance_type)


def market(situation: Mapping[str, Any]) -> MarketData:
    """The market of a situation: prices, buckets and on-demand prices of its pools."""
    read_at = NOW - timedelta(hours=situation.get("price_age_h", 0.1))
    own = pool_of(situation["instance"])
    prices, advisor, on_demand = [], {}, {}
    for line in situation["pools"]:
        place, price, bucket = line.split()
        pool = pool_of(place)
        prices.append((*_key(pool), read_at, float(price)))
        advisor[pool.region, pool.instance_type] = int(bucket)
        on_demand[pool.region, pool.instance_type] = FACTS[pool.instance_type][2]
    on_demand[own.region, own.instance_type] = FACTS[own.instance_type][2]
    table = pd.DataFrame(
        prices,
        columns=[
            "region",
            "availability_zone",
            "operating_system",
            "instance_type",
            "event_time",
            "spot_price_usd_per_hour",
        ],
    )
    origin = Provenance("a golden situation", read_at, read_at)
    return MarketData(
        market=MarketName.SIMULATED,
        as_of=NOW,
        prices=table,
        price_history=table,
        advisor=pd.DataFrame(
            [
                (region, "Linux", name, bucket, 60, read_at)
                for (region, name), bucket in advisor.items()
            ],
            columns=[
                "region",
                "operating_system",
                "instance_type",
                "bucket",
                "savings_percent",
                "event_time",
            ],
        ),
        on_demand=pd.DataFrame(
            [
                (region, "Linux", name, price, read_at)
                for (region, name), price in on_demand.items()
            ],
            columns=[
                "region",
                "operating_system",
                "instance_type",
                "on_demand_price_usd_per_hour",
                "event_time",
            ],
        ),
        specs=_specs(),
        origins=dict.fromkeys(FeedKind, origin),
    )


def _key(pool: Pool) -> tuple[str, str | None, str, str]:
    return pool.region, pool.availability_zone, pool.operating_system, pool.instance_type


def _specs() -> pd.DataFrame:
    rows = [
        {
            "instance_type": name,
            "vcpu": float(vcpu),
            "memory_gb": float(memory_gb),
            "architecture": "arm64" if name.startswith(("m6g", "m7g")) else "x86_64",
            "gpu_count": float(gpus),
            "accelerator_count": float(name.startswith("inf")),
            "network_mbps": float(network),
            "ebs_mbps": float(ebs),
            "clock_mhz": 3000.0,
            "local_nvme_gb": float(nvme),
            "gpu_model": model,
            "gpu_memory_gb": float("nan") if gpu_gb is None else float(gpu_gb),
            "accelerator_model": "inferentia2" if name.startswith("inf2") else None,
            "cpu_maker": "amd" if name.startswith(("m6a", "g5", "g4ad", "g6")) else "intel",
        }
        for name, (vcpu, memory_gb, _, model, gpus, gpu_gb, nvme, network, ebs) in FACTS.items()
    ]
    return pd.DataFrame(rows)


def decided(situation: Mapping[str, Any]) -> Experiment:
    """The decision of the pipeline in a situation."""
    scored = score_market(market(situation), BucketModel(), Tracer())
    evaluation = Evaluation(scored, replace(PolicyParams(), **situation.get("policy", {})))
    lifecycle = Lifecycle(situation.get("lifecycle", "spot"))
    instance = Instance("i-1", "test", pool_of(situation["instance"]), lifecycle)
    last_switch_at = last_switch(situation.get("last_switch_h_ago"))
    applied = _workload(situation)
    return evaluate(
        instance,
        evaluation,
        last_switch_at,
        NOW,
        applied,
        performance=performance_of(situation, applied, scored),
    ).experiment


def performance_of(
    situation: Mapping[str, Any], applied: AppliedWorkload, scored: ScoredMarket
) -> PerformanceIndex:
    """The index of the workload, with the throughputs of the situation."""
    measured = situation.get("throughputs", {})
    throughputs = tuple(Throughput(name, float(value)) for name, value in measured.items())
    newest = {"": ThroughputSet("", 1, throughputs)} if throughputs else {}
    return index_of(applied.workload, newest, scored.hardware)


def last_switch(hours_ago: float | None) -> datetime | None:
    """When the last switch was decided."""
    return None if hours_ago is None else NOW - timedelta(hours=hours_ago)


def _workload(situation: Mapping[str, Any]) -> AppliedWorkload:
    if "workload" not in situation:
        return NO_WORKLOAD
    (workload,) = [each for each in PRESETS if each.name == situation["workload"]]
    changes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in situation.get("workload_changes", {}).items()
    }
    hardware = {
        name: frozenset(value) if isinstance(value, list) else value
        for name, value in changes.pop("hardware", {}).items()
    }
    workload = replace(workload, hardware=replace(workload.hardware, **hardware), **changes)
    return AppliedWorkload(workload, AssignmentScope.INSTANCE, "i-1")


def test_there_are_sixty_situations_with_names_of_their_own() -> None:
    names = [situation["name"] for situation in SITUATIONS]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: str(each["name"]))
def test_a_situation_is_decided_as_a_spot_engineer_would(situation: dict[str, Any]) -> None:
    experiment = decided(situation)
    assert experiment.error == ""
    verdict = experiment.verdict
    assert verdict is not None
    assert verdict.decision is Decision(situation["decision"]), verdict.reason
    chosen = verdict.chosen.pool if verdict.chosen else None
    assert chosen == (pool_of(situation["chosen"]) if "chosen" in situation else None)
    for words in situation["reason"]:
        assert words in verdict.reason
    for reason, count in situation.get("filtered", {}).items():
        assert experiment.dropped.get(reason) == count, experiment.dropped
