"""A what-if step decides as an evaluation with the same parameters does."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.hardware import HardwareTable
from spotlab.domain.like_for_like import (
    HardwareFact,
    least_memory_gb,
    shortfall,
    strict_shortfalls,
    waived_facts,
)
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.performance import EQUAL, PerformanceIndex
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import Unit
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.domain.spot_events import Signal, SpotEventKind
from spotlab.domain.throughputs import Throughput, ThroughputSet
from spotlab.domain.what_if import KNOBS, Changes, Part
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, AssignmentScope
from spotlab.domain.workload_presets import PRESETS
from spotlab.errors import InvalidInput
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.preparation import prepare
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.pipeline.what_if import PreparedFleet, prepare_fleet, totals
from tests.support.market import NOW, BucketModel, market_data
from tests.support.random_markets import REGIONS, TYPES, random_market

MARKETS = 12
_CAUSES = (
    *("rebalance", "capacity", "sibling", "placement"),
    *("family", "price", "spread", "advisor"),
)
market = cache(random_market)


def random_changes(draw: random.Random) -> Changes:
    numbers = {
        "risk_ceiling": [1e-6, 0.002, 0.0047, 0.0075, 0.02, 1.0],
        "min_saving_fraction": [0.0, 0.05, 0.3, 1.0],
        "min_saving_usd_per_hour": [0.0, 0.001, 0.02],
        "cooldown_h": [0.0, 6.0, 48.0],
        "hysteresis_fraction": [0.0, 0.05, 0.5],
        "ceiling_hysteresis_fraction": [0.0, 0.1, 1.0],
        "max_avoided_interruption_usd": [0.0, 1.0, 250.0, 1e9],
        "max_arrivals_share": [0.1, 1.0],
        "max_spread_cost_fraction": [0.0, 0.2],
        "capacity_forecast_share": [0.0, 0.25, 1.0],
        "joint_loss_share": [0.0, 0.5, 0.92],
        "joint_loss_half_life_min": [1.0, 5.0, 300.0],
        "switch_downtime_h": [0.0, 0.1, 3.0],
        "expected_stay_h": [0.1, 72.0],
        "max_price_age_h": [0.1, 12.0, 48.0],
        "signal_exclusion_min": [0.0, 30.0, 60.0, 600.0],
        **{
            f"{cause}_{value}": options
            for cause in _CAUSES
            for value, options in (("factor", [1.0, 5.0, 60.0]), ("half_life_h", [0.1, 3.0, 12.0]))
        },
        "interruption_usd": [0.0, 0.01, 1.0, 50.0, 1e4],
        "horizon_h": [0.1, 24.0, 168.0],
        "memory_tolerance": [0.0, 0.004, 0.07, 0.5],
    }
    values: dict[str, float | bool] = {}
    for name, knob in KNOBS.items():
        if draw.random() < 0.5:
            values[name] = draw.choice([True, False] if knob.unit is Unit.YES_NO else numbers[name])
    return Changes(**values)  # type: ignore[arg-type]


def random_performance(draw: random.Random) -> PerformanceIndex:
    if draw.random() < 0.3:
        return EQUAL
    speeds = tuple(Throughput(name, draw.choice([1.0, 2.0, 3.0])) for name in TYPES if "." in name)
    return PerformanceIndex((ThroughputSet("", 1, speeds),))


SIGNALS = (
    Signal(SpotEventKind.NOTICE, NOW - timedelta(seconds=5), NOW + timedelta(seconds=115)),
    Signal(SpotEventKind.REBALANCE, NOW - timedelta(minutes=9)),
)


def random_instance(draw: random.Random) -> Instance:
    region = draw.choice([*REGIONS])
    zone = draw.choice([*REGIONS[region], f"{region}a"])
    wanted = Requirements(
        regions=draw.choice([(), ("eu-west-1",)]),
        memory_gb_min=draw.choice([None, 8.0]),
        burstable=draw.choice([None, False, True]),
        max_advisor_bucket=draw.choice([None, 2]),
    )
    return Instance(
        "i-1",
        "acme",
        Pool(region, zone, draw.choice(TYPES)),
        draw.choice([*Lifecycle]),
        requirements=draw.choice([None, None, wanted]),
        signal=draw.choice([None, None, *SIGNALS]),
    )


@settings(max_examples=400)
@given(st.integers(0, 2**32), st.integers(0, MARKETS - 1))
def test_a_step_decides_as_an_evaluation_does(seed: int, market_seed: int) -> None:
    draw = random.Random(seed)
    scored = market(market_seed)
    if draw.random() < 0.3:
        scored = replace(scored, data=replace(scored.data, market=MarketName.RECORDED))
    elif draw.random() < 0.3:
        later = scored.data.as_of + timedelta(hours=24)
        scored = replace(scored, data=replace(scored.data, as_of=later))
    instance, changes = random_instance(draw), random_changes(draw)
    workload = replace(draw.choice(PRESETS), regions=draw.choice([(), ("us-east-1", "eu-west-1")]))
    if draw.random() < 0.3:
        wanted = Requirements(vcpu_min=2.0, burstable=draw.choice([None, False]))
        workload = replace(workload, requirements=wanted)
    if draw.random() < 0.3:
        equal = replace(workload.hardware, equal_gpus=frozenset({"a10g", "l4"}))
        workload = replace(workload, hardware=equal)
    applied = AppliedWorkload(workload, AssignmentScope.INSTANCE, "i-1")
    last_switch_at = draw.choice([None, NOW - timedelta(hours=3), NOW - timedelta(hours=9)])
    pools = [pool.key for pool in scored.frame.pools]
    taken: Mapping[str, str] = dict.fromkeys(draw.sample(pools, draw.choice([0, 0, 20])), "left")
    policy = changes.policy(PolicyParams())
    changed = replace(applied, workload=changes.workload(workload))

    performance = random_performance(draw)
    evaluated = evaluate(
        instance, Evaluation(scored, policy), last_switch_at, NOW, changed, taken, performance
    ).experiment
    if instance.pool.instance_type == "odd":
        fleet = prepare_fleet([(instance, scored, last_switch_at, applied)])
    else:
        types = tuple(scored.table["instance_type"])
        speeds = performance.ratios(instance.pool.instance_type, types)
        fleet = PreparedFleet([prepare(instance, scored, last_switch_at, applied, speeds)])
    (outcome,) = fleet.step(PolicyParams(), changes, NOW, {"i-1": taken})

    assert outcome.error == evaluated.error
    expected, found = evaluated.verdict, outcome.verdict
    assert (found is None) == (expected is None)
    if expected is None or found is None:
        return
    assert found.decision is expected.decision
    if not taken:  # else an evaluation's reason also names the pools left to others
        assert expected.reason.startswith(found.reason)
    assert numbers_of(found.chosen) == numbers_of(expected.chosen)
    assert numbers_of(found.current) == numbers_of(expected.current)
    assert found.saving_usd_per_hour == expected.saving_usd_per_hour
    assert found.margin == expected.margin
    assert found.runner_up == expected.runner_up


def numbers_of(candidate: object) -> dict[str, object] | None:
    if candidate is None:
        return None
    left_out = ("reasons", "sources", "features", "evidence", "rank", "dropped")
    return {
        field.name: getattr(candidate, field.name)
        for field in fields(candidate)  # type: ignore[arg-type]
        if field.name not in left_out
    }


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(0, MARKETS - 1))
def test_waived_facts_agree_with_the_shortfall_that_a_rule_finds(seed: int, number: int) -> None:
    draw = random.Random(seed)
    hardware = market(number).hardware
    own, other = (hardware[draw.choice([*hardware])] for _ in range(2))
    rule = random_changes(draw).workload(PRESETS[0]).hardware
    worse = {*strict_shortfalls(own, other)} - waived_facts(rule) - {HardwareFact.MEMORY}
    lacks_memory = (
        own.instance_type != other.instance_type
        and own.memory_gb is not None
        and other.memory_gb is not None
        and other.memory_gb < least_memory_gb(own.memory_gb, rule)
    )
    assert bool(worse or lacks_memory) == (shortfall(own, other, rule) is not None)


def test_equal_pools_are_chosen_by_risk_then_by_name() -> None:
    scored = market(0)
    table = scored.table.assign(
        spot_price_usd_per_hour=0.03,
        hazard_per_hour=1e-4,
        on_demand_price_usd_per_hour=0.1,
        signal_age_min=np.nan,
    )
    own = Instance(
        "i-1",
        "acme",
        Pool("us-east-1", "us-east-1b", "m5.large"),
        Lifecycle.ON_DEMAND,
        requirements=Requirements(),
    )
    prepared = prepare(own, replace(scored, table=table, hardware=HardwareTable({})), None)
    situation = prepared.situation(PolicyParams(), PRESETS[0], NOW)
    pools = sorted(pool.label for pool in prepared.pools.pool if pool.region == "eu-west-1")
    assert situation.best is not None
    assert situation.second is not None
    assert [situation.best.pool.label, situation.second.pool.label] == pools[:2]


def test_other_regions_need_another_preparation() -> None:
    instance = Instance("i-1", "acme", Pool("us-east-1", None, "m5.large"), Lifecycle.SPOT)
    prepared = prepare(instance, market(0), None)
    for other in (
        replace(PRESETS[0], regions=("eu-west-1",)),
        replace(PRESETS[0], requirements=Requirements(vcpu_min=8.0)),
    ):
        with pytest.raises(ValueError, match="prepare the instance again"):
            prepared.decide(PolicyParams(), other, NOW)


def test_totals_count_moves_and_leave_out_what_is_unknown() -> None:
    here = Pool("us-east-1", "us-east-1a", "m5.large")
    unknown = replace(here, instance_type="m9.large")
    fleet = prepare_fleet(
        [
            (Instance(f"i-{number}", "acme", pool, Lifecycle.SPOT), scored(), None, NO_WORKLOAD)
            for number, pool in enumerate((here, here, unknown))
        ]
    )
    outcomes = fleet.step(PolicyParams(), Changes(risk_ceiling=1.0), NOW)
    sums = totals(outcomes)
    assert [each.moves for each in outcomes] == [True, True, False]
    assert (sums.instances, sums.moves, sums.unknown) == (3, 2, 1)
    assert sums.now.price_usd_per_hour == pytest.approx(2 * 0.05)
    assert sums.after.price_usd_per_hour == pytest.approx(2 * 0.03)
    hazard = float(hazard_from_monthly_rate(0.25))
    assert sums.now.interruptions_a_month == pytest.approx(2 * hazard * 730.5)


def scored() -> ScoredMarket:
    prices: dict[tuple[str, str | None], float] = {
        ("m5.large", "us-east-1a"): 0.05,
        ("m6i.large", "us-east-1a"): 0.03,
    }
    return score_market(market_data(prices), BucketModel(), Tracer())


@pytest.mark.parametrize(
    ("name", "value"), [("risk_ceiling", 1.5), ("horizon_h", 0.0), ("memory_tolerance", math.nan)]
)
def test_a_change_outside_of_its_limits_is_refused_by_name(name: str, value: float) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(InvalidInput, match=name) as refused:
        Changes(**changed)
    assert refused.value.remedy.startswith("Use ")


def test_every_parameter_of_the_policy_can_be_changed() -> None:
    of_policy = {name for name, knob in KNOBS.items() if knob.part is Part.POLICY}
    assert of_policy == set(PolicyParams().as_dict())
    assert {*KNOBS} == {field.name for field in fields(Changes)}
