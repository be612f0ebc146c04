"""Charts of trust: the line of perfect forecasts, intervals, and what guessing would give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from spotlab.training.scores import ReliabilityBin
from spotlab.ui import charts
from spotlab.ui.common.theme import DARK, LIGHT, Palette

PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
BINS = (ReliabilityBin(0.0, 0.1, 900, 0.05, 0.06), ReliabilityBin(0.1, 0.2, 10, 0.15, 0.5))


@PALETTES
def test_few_rows_give_a_wide_interval_and_a_small_mark(palette: Palette) -> None:
    chart = charts.reliability([charts.Reliability("a", BINS)], palette)
    curve = chart.data[-1]
    assert curve.error_y.array[1] > 10 * curve.error_y.array[0]
    assert curve.marker.size[1] < curve.marker.size[0]
    assert "%" in chart.layout.xaxis.title.text
    assert chart.layout.showlegend is False


def test_two_models_are_named_and_differ_by_shape() -> None:
    both = [charts.Reliability("a", BINS), charts.Reliability("b", BINS)]
    chart = charts.reliability(both, LIGHT)
    named = [trace for trace in chart.data if trace.name]
    assert chart.layout.showlegend is True
    assert [trace.name for trace in named] == ["a", "b"]
    assert named[0].marker.symbol != named[1].marker.symbol


def test_precision_is_shown_beside_guessing_and_is_thinned() -> None:
    recall = np.linspace(0, 1, 20_000)
    curve = charts.PrecisionRecall("a", recall, 1 - 0.8 * recall)
    chart = charts.precision_recall([curve], 0.17, LIGHT)
    assert len(chart.data[0].x) <= 400
    assert chart.data[0].x[0] == 0
    assert chart.data[0].x[-1] == 100
    assert "guessing: 17 %" in [annotation.text for annotation in chart.layout.annotations]


def test_a_forest_shows_intervals_where_they_are_known() -> None:
    rows = [charts.Estimate("model", 0.84, 0.8, 0.87), charts.Estimate("guess", 0.5, baseline=True)]
    chart = charts.forest(rows, "AUC (higher is better)", DARK)
    assert "(0.800 to 0.870)" in chart.data[0].hovertemplate
    assert "(" not in chart.data[1].hovertemplate
    assert chart.data[1].marker.symbol == "circle-open"


def test_brier_over_time_has_its_reference() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    weeks = pd.DataFrame(
        {
            "at": [start, start + timedelta(days=7)],
            "rows": [100, 120],
            "brier": [0.1, 0.12],
            "low": [0.08, 0.1],
            "high": [0.12, 0.14],
            "reference": [0.15, 0.15],
        }
    )
    chart = charts.brier_over_time(weeks, LIGHT)
    assert {"model", "base rate"} <= {note.text for note in chart.layout.annotations}
    assert chart.layout.yaxis.rangemode == "tozero"
