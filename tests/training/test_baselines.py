"""Baselines know only the past, are plain numbers, and reach the figures they are known for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.recorded.traces import read_panel as read_panel
from spotlab.training.capacity.baselines import (
    NAMES,
    availability_24h,
    fit_baselines,
    forecast_baselines,
    streak_h,
)
from spotlab.training.capacity.rows import CapacityRows, capacity_rows, time_split
from spotlab.training.scores import scores
from tests.support import trace_files as toys


def test_each_forecast_is_a_probability_and_beats_none_of_the_rows() -> None:
    panel = toys.panel()
    rows = capacity_rows(panel, 1.0)
    fitted = json.loads(json.dumps(fit_baselines([(panel, rows)])))

    found = forecast_baselines(fitted, panel, rows)

    assert tuple(found) == NAMES
    for forecast in found.values():
        assert forecast.shape == (len(rows),)
        assert forecast.min() >= 0.0
        assert forecast.max() <= 1.0
    assert found["base_rate"] == pytest.approx(rows.label.mean())
    assert found["streak_only"].mean() == pytest.approx(rows.label.mean(), abs=1e-3)


def test_features_count_hours_since_the_last_failed_probe() -> None:
    values = np.array([1.0, 0.0, 1.0, float("nan"), 1.0])
    panel = toys.panel(1)
    panel = replace(
        panel, available=values[:, None], elapsed_h=np.arange(5) / 6, sources=panel.sources
    )
    rows = CapacityRows(
        tick=np.array([0, 2, 4]),
        pool=np.array([0, 0, 0]),
        label=np.zeros(3),
        block=np.zeros(3, dtype=np.intp),
        elapsed_h=np.array([0, 2, 4]) / 6,
        horizon_h=1.0,
        every=1,
    )

    assert streak_h(panel, rows) * 6 == pytest.approx([0, 1, 3])
    assert availability_24h(panel, rows) == pytest.approx([1.0, 2 / 3, 3 / 4])


def test_streaks_of_equal_length_tie_wherever_they_begin() -> None:
    panel = toys.panel(1, days=6.0)
    values = np.tile([0.0, 1.0, 1.0, 1.0], len(panel.elapsed_h) // 4)[:, None]
    panel = replace(panel, available=values)
    rows = capacity_rows(panel, 0.5)

    assert len(np.unique(streak_h(panel, rows))) == 3


def test_altering_the_future_changes_no_forecast_of_the_past() -> None:
    panel = toys.panel()
    rows = capacity_rows(panel, 1.0)
    fitted = fit_baselines([(panel, rows)])
    border = len(panel.elapsed_h) // 2
    altered = panel.available.copy()
    altered[border + 1 :] = 1.0 - altered[border + 1 :]
    other = replace(panel, available=altered)
    early = rows.tick <= border

    before = forecast_baselines(fitted, panel, rows)
    label = np.where(rows.elapsed_h + 1.0 > panel.elapsed_h[border], 1 - rows.label, rows.label)
    after = forecast_baselines(fitted, other, replace(rows, label=label))

    for name in NAMES:
        assert np.array_equal(before[name][early], after[name][early]), name


def test_a_horizon_between_two_fitted_ones_lies_between_them() -> None:
    panel = toys.panel()
    fitted = [fit_baselines([(panel, capacity_rows(panel, h))]) for h in (3.0, 1.0)]
    rows = {h: capacity_rows(panel, h) for h in (0.5, 1.0, 2.0, 3.0, 12.0)}

    base = {h: forecast_baselines(fitted, panel, r)["base_rate"][0] for h, r in rows.items()}

    assert base[0.5] < base[1.0] < base[2.0] < base[3.0] < base[12.0] < 1.0
    assert base[1.0] == pytest.approx(fitted[1]["base_rate"])
    assert base[3.0] == pytest.approx(fitted[0]["base_rate"])


def test_a_pool_that_never_fails_in_training_still_fits() -> None:
    panel = replace(toys.panel(1), available=np.ones((1728, 1)))
    rows = capacity_rows(panel, 1.0)

    found = forecast_baselines(fit_baselines([(panel, rows)]), panel, rows)

    assert all(np.isfinite(forecast).all() for forecast in found.values())


def test_rows_of_two_horizons_or_none_fit_nothing() -> None:
    panel = toys.panel()
    with pytest.raises(InvalidInput, match="one horizon"):
        fit_baselines([(panel, capacity_rows(panel, h)) for h in (1.0, 3.0)])
    with pytest.raises(InvalidInput, match="No baseline"):
        forecast_baselines([], panel, capacity_rows(panel, 1.0))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("horizon_h", "name", "auc", "pr_auc", "brier"),
    [
        # the known figure of streak_only's Brier score, .126, is of a logistic in plain hours
        (1.0, "streak_only", 0.797, 0.450, 0.117),
        (3.0, "pool_rate", 0.718, 0.568, 0.185),
    ],
    ids=["streak_only", "pool_rate"],
)
def test_the_recorded_campaign_gives_the_known_figures(
    shared_data: Path, horizon_h: float, name: str, auc: float, pr_auc: float, brier: float
) -> None:
    panel = read_panel(
        shared_data / "evaluation-only/traces/spot-traces-availability/1-node/aws-02-15-2023"
    )
    rows = capacity_rows(panel, horizon_h)
    before, after = time_split(rows, 0.6, panel)

    forecast = forecast_baselines(fit_baselines([(panel, rows.take(before))]), panel, rows)[name]

    found = scores(rows.label[after], forecast[after])
    assert found.auc == pytest.approx(auc, abs=0.006)
    assert found.pr_auc == pytest.approx(pr_auc, abs=0.025)
    assert found.brier == pytest.approx(brier, abs=0.002)
