"""Decisions never trade hardware down, and a dearer interruption never moves to a riskier pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.hardware import HardwareTable
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.market import MarketData, Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import (
    DEFAULT_WORKLOAD,
    NO_WORKLOAD,
    AppliedWorkload,
    AssignmentScope,
    Workload,
)
from spotlab.pipeline.evaluate import Evaluation, evaluate, rank_for
from spotlab.pipeline.filter import hardware_shortfalls, requirements_of
from spotlab.pipeline.market_hardware import hardware_of
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel, market_data

ANY_RISK = PolicyParams(risk_ceiling=1.0)


def scored(prices: dict[str, float], buckets: dict[str, int] | None = None) -> Evaluation:
    """A market in one zone; types that the shared market lacks get a plain row of each feed."""
    data = market_data({})
    here = [
        ("us-east-1", "us-east-1a", "Linux", name, NOW, price) for name, price in prices.items()
    ]
    table = pd.DataFrame(here, columns=data.prices.columns)
    data = replace(data, prices=table, price_history=table)
    for name in prices:
        data = with_type(data, name, (buckets or {}).get(name, 0))
    return Evaluation(score_market(data, BucketModel(), Tracer()), ANY_RISK)


def with_type(data: MarketData, name: str, bucket: int) -> MarketData:
    large = name.startswith(("g", "p"))
    specs = pd.DataFrame(
        [(name, 4 if large else 2, 16 if large else 8, "x86_64")],
        columns=["instance_type", "vcpu", "memory_gb", "architecture"],
    ).reindex(columns=data.specs.columns)
    advisor = pd.DataFrame(
        [("us-east-1", "Linux", name, bucket, 60, NOW)], columns=data.advisor.columns
    )
    on_demand = pd.DataFrame(
        [("us-east-1", "Linux", name, 0.1, NOW)], columns=data.on_demand.columns
    )

    def put(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
        others = table[table["instance_type"] != name]
        return pd.concat([others.astype(object), rows.astype(object)], ignore_index=True)

    return replace(
        data,
        specs=put(data.specs, specs).infer_objects(),
        advisor=put(data.advisor, advisor).astype(data.advisor.dtypes.to_dict()),
        on_demand=put(data.on_demand, on_demand).astype(data.on_demand.dtypes.to_dict()),
    )


def instance(instance_type: str, lifecycle: Lifecycle = Lifecycle.SPOT) -> Instance:
    return Instance("i-1", "test", Pool("us-east-1", "us-east-1a", instance_type), lifecycle)


def decided(
    instance_type: str, evaluation: Evaluation, workload: Workload | None = None
) -> Experiment:
    applied = (
        AppliedWorkload(workload, AssignmentScope.INSTANCE, "i-1") if workload else NO_WORKLOAD
    )
    return evaluate(instance(instance_type), evaluation, None, NOW, applied).experiment


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("g5.xlarge", "g4dn.xlarge"),
        ("g6.xlarge", "g4dn.xlarge"),
        ("m7i.large", "m6i.large"),
        ("m6i.large", "m5.large"),
        ("m6i.large", "t3.large"),
        ("m6i.large", "m7i-flex.large"),
        ("c6i.large", "c5.large"),
    ],
)
def test_a_cheaper_pool_with_worse_hardware_is_no_reason_to_move(own: str, other: str) -> None:
    experiment = decided(own, scored({own: 0.09, other: 0.03}))
    assert experiment.verdict is not None
    assert experiment.verdict.decision is not Decision.SWITCH
    assert sum(experiment.dropped.values()) == 1, "the other pool was filtered out, with a reason"


def test_better_hardware_for_less_is_taken() -> None:
    experiment = decided("m6i.large", scored({"m6i.large": 0.09, "m7i.large": 0.03}))
    assert experiment.verdict is not None
    assert experiment.verdict.decision is Decision.SWITCH


def test_the_reason_names_the_fact_in_which_it_is_worse() -> None:
    evaluation = scored({"g5.xlarge": 0.9, "g4dn.xlarge": 0.2})
    own = instance("g5.xlarge")
    need = requirements_of(own, evaluation.scored.pools)
    ranking = rank_for(own, need, evaluation.scored, ANY_RISK, DEFAULT_WORKLOAD)
    position = ranking.position_of(Pool("us-east-1", "us-east-1a", "g4dn.xlarge"))
    assert position is not None
    reasons = ranking.candidate(position).reasons
    assert reasons[0] == "Filtered out: weaker GPU: T4 instead of A10G."


def test_a_workload_that_allows_older_hardware_may_move_to_it() -> None:
    evaluation = scored({"m6i.large": 0.09, "m5.large": 0.03})
    relaxed = replace(DEFAULT_WORKLOAD, hardware=HardwareRule(allow_older_generation=True))
    verdict = decided("m6i.large", evaluation, relaxed).verdict
    assert verdict is not None
    assert verdict.decision is Decision.SWITCH


def test_an_unassigned_instance_says_that_its_workload_is_assumed() -> None:
    evaluation = scored({"m6i.large": 0.03})
    assumed, assigned = (
        decided("m6i.large", evaluation),
        decided("m6i.large", evaluation, DEFAULT_WORKLOAD),
    )
    assert assumed.verdict is not None
    assert assigned.verdict is not None
    assert assumed.verdict.reason.endswith("Default workload assumed.")
    assert "assumed" not in assigned.verdict.reason


def test_the_cost_of_an_interruption_decides_between_cheap_and_safe() -> None:
    prices, buckets = (
        {"m6i.large": 0.050, "m7i.large": 0.040, "m6a.large": 0.0405},
        {
            "m6i.large": 0,
            "m7i.large": 4,
            "m6a.large": 0,
        },
    )
    evaluation = scored(prices, buckets)
    chosen = {}
    for usd in (0.01, 100.0):
        workload = replace(DEFAULT_WORKLOAD, work_lost_h=0.0, recovery_h=0.0, fixed_usd=usd)
        verdict = decided("m6i.large", evaluation, workload).verdict
        assert verdict is not None
        assert verdict.chosen is not None
        chosen[usd] = verdict.chosen.pool.instance_type
    assert chosen == {0.01: "m7i.large", 100.0: "m6a.large"}


@settings(max_examples=60)
@given(
    prices=st.lists(st.floats(0.01, 0.09), min_size=3, max_size=3),
    buckets=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    cheap=st.floats(0.0, 50.0),
    dearer=st.floats(0.0, 50.0),
)
def test_a_dearer_interruption_never_prefers_a_riskier_pool(
    prices: list[float], buckets: list[int], cheap: float, dearer: float
) -> None:
    names = ("m6i.large", "m7i.large", "m6a.large")
    evaluation = scored(
        dict(zip(names, prices, strict=True)), dict(zip(names, buckets, strict=True))
    )
    own = instance("m6i.large")
    need = requirements_of(own, evaluation.scored.pools)
    risks = []
    for usd in sorted((cheap, dearer)):
        workload = replace(DEFAULT_WORKLOAD, work_lost_h=0.0, recovery_h=0.0, fixed_usd=usd)
        ranking = rank_for(own, need, evaluation.scored, ANY_RISK, workload)
        risks.append(float(ranking.candidates["hazard_per_hour"].iloc[0]))
    assert risks[1] <= risks[0] or np.isclose(risks[0], risks[1])


def test_requirements_of_the_workload_win_over_derived_ones_and_lose_to_the_instances_own() -> None:
    market = scored({"m6i.large": 0.05, "m5.large": 0.04})
    own = Instance("i-1", "a", Pool("us-east-1", "us-east-1a", "m6i.large"), Lifecycle.SPOT)
    workload = replace(
        DEFAULT_WORKLOAD, requirements=Requirements(families=("m6i",)), zones=("us-east-1b",)
    )
    pools = market.scored.pools
    assert requirements_of(own, pools).vcpu_min == 2
    found = requirements_of(own, pools, workload)
    assert (found.families, found.vcpu_min) == (("m6i",), None)
    assert (found.regions, found.zones) == (("us-east-1",), ("us-east-1b",))
    decided = replace(own, requirements=Requirements(families=("c6i",)))
    assert requirements_of(decided, pools, workload) == decided.requirements


def test_requirements_of_the_workload_filter_pools() -> None:
    market = scored({"m6i.large": 0.06, "m6a.large": 0.05})  # of 2 vCPU each
    own = Instance("i-1", "a", Pool("us-east-1", "us-east-1a", "m6i.large"), Lifecycle.SPOT)
    larger = replace(DEFAULT_WORKLOAD, requirements=Requirements(vcpu_min=4))
    for workload, decision in ((DEFAULT_WORKLOAD, Decision.SWITCH), (larger, Decision.STAY)):
        applied = AppliedWorkload(workload, AssignmentScope.INSTANCE, "i-1")
        verdict = evaluate(own, market, None, NOW, applied).experiment.verdict
        assert verdict is not None
        assert verdict.decision is decision


def test_what_an_hour_without_the_instance_costs_prevents_a_switch_for_a_small_saving() -> None:
    market = scored({"m6i.large": 0.060, "m6a.large": 0.050})
    own = Instance("i-1", "a", Pool("us-east-1", "us-east-1a", "m6i.large"), Lifecycle.SPOT)
    always_up = replace(DEFAULT_WORKLOAD, outage_usd_per_hour=100.0)
    decisions = []
    for workload in (DEFAULT_WORKLOAD, always_up):
        applied = AppliedWorkload(workload, AssignmentScope.INSTANCE, "i-1")
        verdict = evaluate(own, market, None, NOW, applied).experiment.verdict
        assert verdict is not None
        decisions.append(verdict.decision)
    assert decisions == [Decision.SWITCH, Decision.STAY]


SPECS = pd.DataFrame(
    {
        "instance_type": ["m6i.large", "g5.xlarge", "no type"],
        "vcpu": [2.0, 4.0, 1.0],
        "memory_gb": [8.0, np.nan, 1.0],
        "gpu_model": [None, "a10g", None],
    }
)
PRICED = pd.DataFrame({"instance_type": ["m6i.large", "g5.xlarge", "c7g.large", "no type"]})


def test_hardware_has_the_facts_that_are_known_of_each_priced_type() -> None:
    found = hardware_of(SPECS, PRICED)
    assert set(found) == {"m6i.large", "g5.xlarge", "c7g.large"}
    assert (found["m6i.large"].vcpu, found["m6i.large"].gpu_model) == (2.0, None)
    assert (found["g5.xlarge"].memory_gb, found["g5.xlarge"].gpu_model) == (None, "a10g")
    assert found["c7g.large"].vcpu is None


def test_hardware_is_cached_by_its_content() -> None:
    found = hardware_of(SPECS, PRICED)
    assert hardware_of(SPECS.copy(), PRICED.copy()) is found
    larger = hardware_of(SPECS.assign(vcpu=[4.0, 4.0, 1.0]), PRICED)
    assert larger != found
    assert larger["m6i.large"].vcpu == 4.0
    rule = HardwareRule()
    worse = hardware_shortfalls("m6i.large", found, rule, None)
    assert hardware_shortfalls("m6i.large", found, rule, None) is worse
    assert "g5.xlarge" in worse
    relaxed = hardware_shortfalls("m6i.large", larger, rule, None)
    assert relaxed == hardware_shortfalls("m6i.large", HardwareTable(dict(larger)), rule, None)
