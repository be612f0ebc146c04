"""Charts: labelled axes with units, the right numbers, the pools in question marked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.market import Pool
from spotlab.domain.risk import Risk
from spotlab.inference.explain import Contribution, Explanation, difference
from spotlab.pipeline.price_of_safety import pareto
from spotlab.ui import charts
from spotlab.ui.common.theme import DARK, LIGHT, Palette

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def candidates(*points: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instance_type": [f"m{i}.large" for i in range(len(points))],
            "region": "us-east-1",
            "availability_zone": "us-east-1a",
            "risk": [risk for risk, _ in points],
            "spot_price_usd_per_hour": [price for _, price in points],
        }
    )


def texts(chart: go.Figure) -> str:
    return " | ".join(annotation.text for annotation in chart.layout.annotations)


def explanation(name: str, bucket: float, *log_odds: float) -> Explanation:
    parts = tuple(
        Contribution(f"feature_{i}", bucket + i, "count", value) for i, value in enumerate(log_odds)
    )
    raw = -1.0 + sum(log_odds)
    pool = Pool("us-east-1", "us-east-1a", name)
    return Explanation(pool, "toy@1", -1.0, parts, raw, 0.12, Risk.from_hazard(0.0002, 24.0))


@PALETTES
def test_frontier_names_its_axes_and_the_pools(palette: Palette) -> None:
    marks = [
        charts.Mark("now", "m5.large", 0.004, 0.09, "square-open", palette.bad),
        charts.Mark("cheapest", "m6i.large", 0.001, 0.05, "star", palette.move),
    ]
    table = candidates((0.004, 0.09), (0.001, 0.05), (0.002, 0.04))
    chart = charts.frontier(table, marks, palette, horizon_h=24)
    assert chart.layout.xaxis.title.text == "risk of interruption within 24 h (%)"
    assert "USD/h" in chart.layout.yaxis.title.text
    for axis in (chart.layout.xaxis, chart.layout.yaxis):
        assert {axis.tickfont.color, axis.title.font.color} == {palette.quiet}
    assert texts(chart) == "<b>now</b> | <b>cheapest</b>"
    assert "now: m5.large" in chart.data[2].hovertemplate
    assert list(chart.data[0].x) == pytest.approx([0.4, 0.1, 0.2])


def test_frontier_of_wide_prices_is_logarithmic_and_says_so() -> None:
    chart = charts.frontier(candidates((0.002, 0.01), (0.001, 9.0)), [], LIGHT, horizon_h=24)
    assert chart.layout.yaxis.type == "log"
    assert "log scale" in chart.layout.yaxis.title.text


def test_the_price_axis_ends_where_nothing_above_it_can_be_chosen() -> None:
    table = candidates((0.004, 0.05), (0.001, 0.12), (0.002, 9.0), (0.003, 7.0))
    shown = charts.extent(table)
    assert (shown.low, shown.high, shown.above) == (0.05, 0.12, 2)
    bottom, top = charts.frontier(table, [], LIGHT, horizon_h=24).layout.yaxis.range
    assert 0.04 < bottom < 0.05
    assert 0.12 < top < 0.14
    assert "2 pools above 0.1200 USD/h (others are both safer and cheaper)" in charts.caption(shown)


def test_the_price_axis_shows_the_neighbourhood_of_a_short_frontier() -> None:
    table = candidates((0.004, 0.05), (0.003, 0.051), (0.005, 0.09), (0.006, 0.30))
    shown = charts.extent(table)
    assert (shown.high, shown.above) == (0.10, 1)


def test_the_price_axis_ends_at_on_demand() -> None:
    table = candidates((0.004, 0.05), (0.002, 0.09), (0.001, 0.25))
    shown = charts.extent(table, on_demand_usd_per_hour=0.10)
    assert (shown.high, shown.above) == (0.10, 1)
    assert "above 0.1000 USD/h (on-demand)" in charts.caption(shown)


def test_frontier_of_no_pool_is_an_empty_chart() -> None:
    chart = charts.frontier(candidates(), [], LIGHT, horizon_h=24)
    assert len(chart.data[0].x) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 100)), min_size=1, max_size=40))
def test_nothing_beats_the_frontier_on_both(points: list[tuple[float, float]]) -> None:
    risk, price = (np.array(values) for values in zip(*points, strict=True))
    best = pareto(risk, price)
    for i in best:
        assert not ((risk < risk[i]) & (price <= price[i])).any()
        assert not ((risk <= risk[i]) & (price < price[i])).any()
    for j in range(len(points)):
        assert ((risk[best] <= risk[j]) & (price[best] <= price[j])).any()


@PALETTES
def test_waterfall_adds_up_from_base_to_score(palette: Palette) -> None:
    told = explanation("m5.large", 2, 0.6, -0.2, 0.05)
    chart = charts.waterfall(told, palette, 0.16, top=2)
    steps = chart.data[0]
    assert sum(steps.x[:-1]) == pytest.approx(steps.x[-1])
    assert steps.measure[0] == "absolute"
    assert steps.measure[-1] == "total"
    assert "16 % a month" in steps.y[0]
    assert "0.48 % within 24 h" in steps.y[-1]
    assert "log-odds" in chart.layout.xaxis.title.text
    assert steps.increasing.marker.color == palette.bad


def test_changes_show_both_values_and_the_direction() -> None:
    told = difference(explanation("m5.large", 4, 0.6, 0.1), explanation("m6i.large", 1, -0.6, 0.1))
    chart = charts.changes(told.changes, LIGHT)
    bars = chart.data[0]
    assert bars.y[0] == "feature 0: 4 → 1"
    assert bars.text[0] == "−1.20"
    assert bars.marker.color[0] == LIGHT.good
    assert chart.layout.xaxis.title.text == "log-odds"


def test_price_history_holds_the_last_price_until_now() -> None:
    history = pd.DataFrame(
        {
            "event_time": [NOW - timedelta(days=2), NOW - timedelta(days=1)],
            "spot_price_usd_per_hour": [0.05, 0.04],
        }
    )
    chart = charts.price_history(history, LIGHT, until=NOW, on_demand_usd_per_hour=0.096)
    assert chart.data[0].line.shape == "hv"
    assert list(chart.data[0].y) == [0.05, 0.04, 0.04]
    assert chart.layout.yaxis.rangemode == "tozero"
    assert "on-demand 0.0960" in texts(chart)


def test_heat_map_shows_the_mean_bucket_of_each_family() -> None:
    advisor = pd.DataFrame(
        {
            "region": ["us-east-1", "us-east-1", "eu-west-1"],
            "family": ["m5", "m5", "c5"],
            "bucket": [0, 4, 1],
        }
    )
    chart = charts.heat_map(advisor, LIGHT)
    shown = pd.DataFrame(chart.data[0].z, chart.data[0].y, chart.data[0].x)
    assert shown.loc["us-east-1", "m5"] == 2
    assert np.isnan(shown.loc["us-east-1", "c5"]), "unknown stays blank"
    assert (chart.data[0].zmin, chart.data[0].zmax) == (0, 4)
    texts_shown = pd.DataFrame(chart.data[0].customdata, chart.data[0].y, chart.data[0].x)
    assert texts_shown.loc["us-east-1", "m5"] == "interrupted 10-15 %, the mean of 2 types"
    assert texts_shown.loc["us-east-1", "c5"] == "no type listed"


def test_drops_count_each_reason_from_zero() -> None:
    chart = charts.drops({"another region": 1200, "risk over the ceiling": 3}, LIGHT)
    assert list(chart.data[0].text) == ["1,200", "3"]
    assert chart.layout.xaxis.range[0] == 0


def test_heat_map_of_a_large_market_keeps_what_has_most_types_and_says_so() -> None:
    advisor = pd.DataFrame(
        [
            (f"region-{r:02}", f"f{f}", (r + f) % 5)
            for r in range(20)
            for f in range(60)
            for _ in range(2 if f < 48 and r < 12 else 1)
        ],
        columns=["region", "family", "bucket"],
    )
    chart = charts.heat_map(advisor, LIGHT)
    assert (len(chart.data[0].y), len(chart.data[0].x)) == (12, 48)
    assert "48 of 60" in chart.layout.xaxis.title.text
    assert "12 of 20" in chart.layout.yaxis.title.text
