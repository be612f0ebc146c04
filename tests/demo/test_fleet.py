"""The fleet depends on the seed only, and mixes good and bad placements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotlab.demo.catalogue import POOLS
from spotlab.demo.fleet import FLEET, Placement, PlannedInstance, choose_pool
from spotlab.demo.market import BUCKET_CUTS, Market
from spotlab.domain.instance_types import parse_type


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7)


@pytest.mark.parametrize("planned", FLEET, ids=lambda planned: planned.name)
def test_an_instance_runs_where_it_may(market: Market, planned: PlannedInstance) -> None:
    for draw in (0.0, 0.5, 0.999):
        pool = choose_pool(market, planned, draw)
        assert pool.region.name in planned.regions
        assert pool.spec.name in planned.types
    assert len({parse_type(name).architecture for name in planned.types}) == 1


def test_names_are_unique_and_there_are_a_few_on_demand() -> None:
    assert len({planned.name for planned in FLEET}) == len(FLEET) == 24
    assert sum(not planned.spot for planned in FLEET) == 3


def test_well_placed_is_cheaper_and_badly_placed_riskier_than_somehow(market: Market) -> None:
    def mean(placement: Placement, value: str) -> float:
        pools = [
            choose_pool(market, replace(planned, placement=placement), draw)
            for planned in FLEET
            for draw in np.linspace(0, 0.99, 5)
        ]
        if value == "pressure":
            return float(np.mean([market.usual_pressure[pool.offer] for pool in pools]))
        usual = [market.usual_usd_per_hour[POOLS.index(pool)] for pool in pools]
        return float(np.mean(usual))

    assert mean(Placement.WELL, "price") < mean(Placement.SOMEHOW, "price")
    assert mean(Placement.BADLY, "pressure") > mean(Placement.SOMEHOW, "pressure")
    well = [choose_pool(market, each, 0.0) for each in FLEET if each.placement is Placement.WELL]
    safe = [market.usual_pressure[pool.offer] < BUCKET_CUTS[2] for pool in well]
    assert np.mean(safe) > 0.6
