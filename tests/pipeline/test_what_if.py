"""A what-if step decides as an evaluation with the same parameters does."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.domain.decision import Instance, Lifecycle, Requirements
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.what_if import KNOBS, Changes, Unit
from spotlab.domain.workload import PRESETS, AppliedWorkload, AssignmentScope
from spotlab.pipeline.evaluate import Evaluation, evaluate
from spotlab.pipeline.what_if import prepare_fleet
from tests.support.market import NOW
from tests.support.random_markets import REGIONS, TYPES, random_market

MARKETS = 12
market = cache(random_market)


def random_changes(draw: random.Random) -> Changes:
    numbers = {
        "risk_ceiling": [0.0, 0.002, 0.0047, 0.0075, 0.02, 1.0],
        "min_saving_fraction": [0.0, 0.05, 0.3, 1.0],
        "min_saving_usd_per_hour": [0.0, 0.001, 0.02],
        "cooldown_h": [0.0, 6.0, 48.0],
        "hysteresis_fraction": [0.0, 0.05, 0.5],
        "switch_downtime_h": [0.0, 0.1, 3.0],
        "expected_stay_h": [0.1, 72.0],
        "max_price_age_h": [0.0, 0.05, 48.0],
        "interruption_usd": [0.0, 0.01, 1.0, 50.0, 1e4],
        "horizon_h": [0.1, 24.0, 168.0],
        "memory_tolerance": [0.0, 0.004, 0.07, 0.5],
    }
    values: dict[str, float | bool] = {}
    for name, knob in KNOBS.items():
        if draw.random() < 0.5:
            values[name] = draw.choice([True, False] if knob.unit is Unit.YES_NO else numbers[name])
    return Changes(**values)  # type: ignore[arg-type]


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
    )


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, MARKETS - 1))
def test_a_step_decides_as_an_evaluation_does(seed: int, market_seed: int) -> None:
    draw = random.Random(seed)
    scored = market(market_seed)
    if draw.random() < 0.3:
        scored = replace(scored, data=replace(scored.data, market=MarketName.RECORDED))
    instance, changes = random_instance(draw), random_changes(draw)
    workload = replace(draw.choice(PRESETS), regions=draw.choice([(), ("us-east-1", "eu-west-1")]))
    if draw.random() < 0.3:
        equal = replace(workload.hardware, equal_gpus=frozenset({"a10g", "l4"}))
        workload = replace(workload, hardware=equal)
    applied = AppliedWorkload(workload, AssignmentScope.INSTANCE, "i-1")
    last_switch_at = draw.choice([None, NOW - timedelta(hours=3), NOW - timedelta(hours=9)])
    pools = [pool.key for pool in scored.frame.pools]
    taken: Mapping[str, str] = dict.fromkeys(draw.sample(pools, draw.choice([0, 0, 20])), "left")
    policy = changes.policy(PolicyParams())
    changed = replace(applied, workload=changes.workload(workload))

    evaluated = evaluate(
        instance, Evaluation(scored, policy), last_switch_at, NOW, changed, taken
    ).experiment
    fleet = prepare_fleet([(instance, scored, last_switch_at, applied)])
    (outcome,) = fleet.step(PolicyParams(), changes, NOW, {"i-1": taken})

    assert outcome.error == evaluated.error
    expected, found = evaluated.verdict, outcome.verdict
    assert (found is None) == (expected is None)
    if expected is None or found is None:
        return
    assert found.decision is expected.decision
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
