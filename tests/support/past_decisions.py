"""Two hundred decisions on small markets, drawn with a seed: what a replay must meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Experiment, Instance, Lifecycle
from spotlab.domain.features import Matrix
from spotlab.domain.interruptions import OwnRecord, Record
from spotlab.domain.market import MarketData, MarketName, Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import hazard_from_monthly_rate
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, AssignmentScope
from spotlab.domain.workload_presets import PRESETS
from spotlab.pipeline.evaluate import Evaluation, Unrecorded, evaluate
from spotlab.pipeline.replay import scores_of
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.store import Store
from tests.support.market import NOW, TYPES, BucketModel, market_data

MARKETS: Final = 10
DECISIONS: Final = 20
"""A market."""
ZONES: Final = ("us-east-1a", "us-east-1b", "us-east-1c")


class PricedModel(BucketModel):
    """A model whose hazards have all their digits: they follow from bucket and price."""

    name = "priced"
    feature_names = ("historic_interrupt_rate", "log_spot_price")

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        return hazard_from_monthly_rate(matrix[:, 0]) * (1.0 + 0.1 * np.abs(matrix[:, 1]))


class DearModel(PricedModel):
    """Another version, which counts the price more."""

    version = "2"

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        return super().hazard_per_hour(matrix) * (1.0 + np.abs(matrix[:, 1]))


@dataclass(frozen=True, slots=True)
class PastDecision:
    """One decision to make: the market it is made on, and everything else that it takes."""

    market: int
    instance: Instance
    policy: PolicyParams
    applied: AppliedWorkload
    last_switch_at: datetime | None
    at: datetime


@cache
def past_market(number: int) -> tuple[MarketData, OwnRecord]:
    """One of the markets, and what own instances taught about it."""
    draw = np.random.default_rng([11, number])
    prices: dict[tuple[str, str | None], float] = {}
    for name, facts in TYPES.items():
        on_demand = facts[3]
        zones: Sequence[str | None] = [None] if draw.random() < 0.15 else ZONES
        for zone in zones:
            if draw.random() < 0.8:
                prices[name, zone] = on_demand * float(draw.uniform(0.2, 1.1))
    buckets = {name: int(draw.integers(0, 5)) for name in TYPES}
    unknown = ("m6a.large",) if number % 4 == 0 else ()
    data = market_data(
        prices,
        market=MarketName.PUBLIC if number % 2 else MarketName.SIMULATED,
        buckets=buckets,
        without_on_demand=unknown,
    )
    if number == 3:  # prices that are too old
        data = replace(data, as_of=NOW + timedelta(hours=60))
    if number == 5:
        data = data.with_degraded("Online store down; market read from the SQL archive.")
    own = {
        Pool("us-east-1", zone, name): Record(int(draw.integers(0, 4)), float(draw.uniform(1, 900)))
        for name in ("m5.large", "m6i.large")
        for zone in reversed(ZONES)
        if number % 3 == 0
    }
    return data, OwnRecord(own)


@cache
def past_decisions() -> tuple[PastDecision, ...]:
    """All of them: spot and on-demand, every workload, changed policies, recent switches, and
    instances whose type cannot be read."""
    return tuple(
        _decision(market, number, np.random.default_rng([12, market, number]))
        for market in range(MARKETS)
        for number in range(DECISIONS)
    )


def _decision(market: int, number: int, draw: np.random.Generator) -> PastDecision:
    names = list(TYPES)
    name = "nonsense" if number == 7 else names[int(draw.integers(len(names)))]
    pool = Pool("us-east-1", ZONES[int(draw.integers(3))], name)
    lifecycle = Lifecycle.ON_DEMAND if draw.random() < 0.25 else Lifecycle.SPOT
    data, _ = past_market(market)
    last = [None, None, 1.0, 5.0, 9.0, 30.0][int(draw.integers(6))]
    instance = Instance(
        f"i-{market:02}{number:02}",
        "test",
        pool,
        lifecycle,
        shadow=False,
        requirements=_requirements(draw),
    )
    return PastDecision(
        market,
        instance,
        replace(PolicyParams(), **_changes(draw)),
        _applied(instance, draw),
        None if last is None else data.as_of - timedelta(hours=last),
        data.as_of + timedelta(seconds=number),
    )


def _requirements(draw: np.random.Generator) -> Requirements | None:
    if draw.random() < 0.7:
        return None
    return Requirements(
        regions=("us-east-1",),
        vcpu_min=2.0,
        memory_gb_min=float(draw.choice([4.0, 8.0])),
        max_advisor_bucket=int(draw.integers(1, 5)),
    )


def _changes(draw: np.random.Generator) -> dict[str, Any]:
    changes: list[dict[str, Any]] = [
        {},
        {},
        {"min_saving_fraction": 0.0, "min_saving_usd_per_hour": 0.0},
        {"risk_ceiling": 0.05},
        {"risk_ceiling": 0.001},
        {"cooldown_h": 24.0, "hysteresis_fraction": 0.3},
    ]
    return changes[int(draw.integers(len(changes)))]


def _applied(instance: Instance, draw: np.random.Generator) -> AppliedWorkload:
    if draw.random() < 0.4:
        return NO_WORKLOAD
    workload = PRESETS[int(draw.integers(len(PRESETS)))]
    return AppliedWorkload(workload, AssignmentScope.INSTANCE, instance.instance_id)


@cache
def made() -> tuple[Unrecorded, ...]:
    """The decisions, made; in the order of `past_decisions`."""
    markets = scored_markets()
    return tuple(
        evaluate(
            decision.instance,
            Evaluation(markets[decision.market], decision.policy),
            decision.last_switch_at,
            decision.at,
            decision.applied,
        )
        for decision in past_decisions()
    )


@cache
def scored_markets() -> tuple[ScoredMarket, ...]:
    """Every market, scored."""
    return tuple(
        score_market(data, PricedModel(), Tracer(), own)
        for data, own in map(past_market, range(MARKETS))
    )


def record_all(store: Store) -> list[Experiment]:
    """Record the markets and the decisions as an evaluation does; as they were made, with ids."""
    run_ids = []
    for number, scored in enumerate(scored_markets()):
        run_id = store.market_runs.save(*past_market(number), NOW)
        store.market_runs.save_scores(run_id, scores_of(scored), NOW)
        run_ids.append(run_id)
    experiments = []
    for decision, unrecorded in zip(past_decisions(), made(), strict=True):
        number = store.ledger.record(unrecorded.in_run(run_ids[decision.market]))
        experiments.append(replace(unrecorded.with_candidates(), experiment_id=number))
    return experiments
