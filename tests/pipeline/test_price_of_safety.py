"""The price of safety: cheapest, safest for a little more, compromise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.pipeline.price_of_safety import PriceOfSafety, Role, price_of_safety

INTERRUPTION_USD = 0.5


def candidates(*points: tuple[float, float]) -> pd.DataFrame:
    """One row per (price, hazard per hour), with the expected cost."""
    price, hazard = (np.array(values) for values in zip(*points, strict=True))
    return pd.DataFrame(
        {
            "spot_price_usd_per_hour": price,
            "hazard_per_hour": hazard,
            "expected_cost_usd_per_hour": price + hazard * INTERRUPTION_USD,
        }
    )


def found(table: pd.DataFrame, more: float = 0.25, below: float | None = None) -> PriceOfSafety:
    result = price_of_safety(table, more, below)
    assert result is not None
    return result


def test_a_four_times_safer_pool_for_three_percent_more_is_named() -> None:
    table = candidates((0.100, 4e-4), (0.103, 1e-4), (0.300, 0.9e-4))
    safety = found(table, more=0.05)
    assert (safety.cheapest.position, safety.safest.position) == (0, 1)
    assert safety.safest.more == pytest.approx(0.03)
    assert safety.safest.times_safer == pytest.approx(4.0)
    assert safety.safest.pays_off_from_usd == pytest.approx(0.003 / 3e-4)
    assert safety.compromise.position == 1


def test_safety_costs_no_more_than_was_allowed() -> None:
    table = candidates((0.10, 4e-4), (0.12, 2e-4), (0.14, 1e-4))
    assert found(table, more=0.25).safest.position == 1
    assert found(table, more=0.50).safest.position == 2
    assert found(table, more=0.10).safest.position == 0


def test_a_pool_dearer_than_on_demand_is_no_pick() -> None:
    table = candidates((0.10, 4e-4), (0.12, 2e-4), (0.14, 1e-4))
    assert found(table, more=1.0, below=0.13).safest.position == 1
    assert found(table, more=1.0, below=0.01).safest.position == 2, "none is cheaper: all count"


def test_a_compromise_is_at_least_as_many_times_safer_as_it_is_dearer() -> None:
    assert found(candidates((0.10, 4e-4), (0.20, 1e-4))).compromise.position == 1
    assert found(candidates((0.10, 4e-4), (0.20, 3e-4))).compromise.position == 0


def test_one_pool_is_everything() -> None:
    safety = found(candidates((0.1, 1e-4)))
    assert {pick.position for pick in safety.picks} == {0}
    assert [pick.role for pick in safety.picks] == [Role.CHEAPEST, Role.SAFEST, Role.COMPROMISE]
    assert safety.safest.pays_off_from_usd is None


def test_no_candidates_no_picks() -> None:
    assert price_of_safety(candidates((0.1, 1e-4)).head(0), 0.25) is None


@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(1e-6, 1e-3)), min_size=1, max_size=30),
    st.floats(0.0, 2.0),
)
def test_picks_keep_their_promise(points: list[tuple[float, float]], more: float) -> None:
    table = candidates(*points)
    safety = found(table, more)
    price = table["spot_price_usd_per_hour"].to_numpy()
    hazard = table["hazard_per_hour"].to_numpy()
    assert price[safety.cheapest.position] == price.min()
    affordable = price <= price.min() * (1.0 + more)
    assert hazard[safety.safest.position] == hazard[affordable].min()
    others = price * hazard >= price[safety.compromise.position] * hazard[
        safety.compromise.position
    ] * (1 - 1e-12)
    assert others.all()
    for pick in safety.picks:
        assert pick.position in safety.frontier
        if pick.pays_off_from_usd is not None:
            cost = price + hazard * pick.pays_off_from_usd
            assert cost[pick.position] == pytest.approx(cost[safety.cheapest.position])
