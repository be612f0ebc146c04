"""A ranking on arrays is the same, bit for bit, as one pandas table that is filtered and sorted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.domain.interruptions import OwnRecord, Record
from spotlab.domain.like_for_like import HardwareRule
from spotlab.domain.market import Pool
from spotlab.domain.performance import index_of
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.pipeline.filter import hardware_shortfalls
from spotlab.pipeline.rank import rank
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.pipeline.plain_ranking import plain_counts, plain_rank
from tests.support.market import TYPES, BucketModel, market_data

ZONES = (None, "us-east-1a", "us-east-1b")
PRICED = st.dictionaries(
    st.tuples(st.sampled_from(sorted(TYPES)), st.sampled_from(ZONES)),
    st.sampled_from([0.02, 0.03, 0.03, 0.05]),
    min_size=1,
)


@st.composite
def markets(draw: st.DrawFn) -> ScoredMarket:
    """With equal costs, and with prices, sizes and risks that are unknown."""
    priced = draw(PRICED)
    unknown = tuple(draw(st.sets(st.sampled_from(sorted(TYPES)))))
    scored = score_market(market_data(priced, without_on_demand=unknown), BucketModel(), Tracer())
    table = scored.table.copy()
    rows = st.sets(st.integers(0, len(table) - 1))
    for column in ("spot_price_usd_per_hour", "hazard_per_hour", "vcpu", "advisor_bucket"):
        table.loc[sorted(draw(rows)), column] = np.nan
    table.loc[sorted(draw(rows)), "hazard_per_hour"] = 1e-4
    table.loc[sorted(draw(rows)), "signal_age_min"] = 30.0
    table.loc[sorted(draw(rows)), "architecture"] = None
    table.loc[sorted(draw(rows)), "operating_system"] = "Windows"
    return replace(scored, table=table)


def needs() -> st.SearchStrategy[Requirements]:
    return st.builds(
        Requirements,
        regions=st.sampled_from([(), ("us-east-1",), ("eu-west-1",)]),
        zones=st.sampled_from([(), ("us-east-1a",)]),
        families=st.sampled_from([(), ("m5", "m6i")]),
        vcpu_min=st.sampled_from([None, 4.0]),
        memory_gb_max=st.sampled_from([None, 8.0]),
        architecture=st.sampled_from([None, "x86_64", "arm64"]),
        accelerator=st.sampled_from([None, True, False]),
        burstable=st.sampled_from([None, True, False]),
        max_advisor_bucket=st.sampled_from([None, 1]),
    )


@given(
    markets(),
    needs(),
    st.sampled_from([0.001, 0.01, 1.0]),
    st.sampled_from([None, 0.096]),
    st.sampled_from([None, "m5.large"]),
    st.sets(st.tuples(st.sampled_from(sorted(TYPES)), st.sampled_from(ZONES))),
    st.booleans(),
)
def test_the_ranking_is_the_plain_one(
    scored: ScoredMarket,
    need: Requirements,
    ceiling: float,
    on_demand: float | None,
    own_type: str | None,
    taken: set[tuple[str, str | None]],
    stale: bool,
) -> None:
    policy = PolicyParams(risk_ceiling=ceiling, max_price_age_h=0.0 if stale else 24.0)
    performance = index_of(DEFAULT_WORKLOAD, {}, scored.hardware)
    rule = HardwareRule()
    worse = hardware_shortfalls(own_type, scored.hardware, rule, need) if own_type else {}
    pools = {Pool("us-east-1", zone, name) for name, zone in taken}
    unavailable = {pool.key: "taken" for pool in pools}
    options: dict[str, Any] = {
        "on_demand_usd_per_hour": on_demand,
        "shortfalls": worse,
        "own_type": own_type,
        "performance": performance,
        "unavailable": unavailable,
    }
    ranking = rank(scored, need, policy, DEFAULT_WORKLOAD, **options)
    plain = plain_rank(scored, need, policy, DEFAULT_WORKLOAD, **options)
    pd.testing.assert_frame_equal(ranking.table, plain[ranking.table.columns], check_exact=True)
    assert list(ranking.dropped.items()) == plain_counts(plain)
    known = [pool for pool in scored.data.pools() if pool in pools]
    assert ranking.known(unavailable) == {each.key for each in known} - {
        each.key for each in known if ranking.position_of(each) is None
    }
    for position, candidate in enumerate(ranking.take(range(len(plain)))):
        row = plain.iloc[position]
        assert ranking.position_of(candidate.pool) == position
        assert candidate.rank == row["rank"]
        assert candidate.dropped is row["dropped"]
        for name in ("spot_price_usd_per_hour", "risk", "expected_cost_usd_per_hour"):
            np.testing.assert_array_equal(getattr(candidate, name), row[name])


def test_a_pool_that_is_recorded_twice_counts_where_it_ranks_best() -> None:
    scored = score_market(market_data({("m5.large", "us-east-1a"): 0.03}), BucketModel(), Tracer())
    unpriced = scored.table.assign(spot_price_usd_per_hour=np.nan)
    twice = replace(scored, table=pd.concat([unpriced, scored.table], ignore_index=True))
    ranking = rank(twice, Requirements(), PolicyParams(risk_ceiling=1.0))
    assert ranking.position_of(Pool("us-east-1", "us-east-1a", "m5.large")) == 0


def test_on_demand_prices_and_sizes_are_those_of_the_type_in_its_region() -> None:
    scored = score_market(
        market_data({("m5.large", zone): 0.03 for zone in ZONES if zone}), BucketModel(), Tracer()
    )
    assert scored.pools.on_demand_usd_per_hour("us-east-1", "m5.large") == 0.096
    assert scored.pools.on_demand_usd_per_hour("eu-west-1", "m5.large") is None
    assert scored.pools.on_demand_usd_per_hour("us-east-1", "m9.large") is None


def test_a_second_model_uses_the_features_of_the_first_and_none_of_its_hazards() -> None:
    data = market_data({(name, "us-east-1a"): 0.03 for name in TYPES})
    own = OwnRecord({Pool("us-east-1", "us-east-1a", "m5.large"): Record(2, 100.0)})
    first = score_market(data, BucketModel(), Tracer(), own)
    _ = first.pools.risk(24.0), first.pools.tie_order
    again = score_market(data, Doubled(), Tracer(), own, before=first)
    alone = score_market(data, Doubled(), Tracer(), own)
    assert again.frame is first.frame
    pd.testing.assert_frame_equal(again.table, alone.table, check_exact=True)
    assert again.evidence == alone.evidence != first.evidence
    np.testing.assert_array_equal(again.pools.risk(24.0), alone.pools.risk(24.0))
    assert again.hardware == alone.hardware
    found, expected = (rank(each, Requirements(), PolicyParams()).table for each in (again, alone))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


class Doubled(BucketModel):
    """Twice the hazard."""

    name = "doubled"

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        return 2.0 * super().hazard_per_hour(matrix)
