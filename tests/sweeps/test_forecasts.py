"""Forecasts of a world: one a horizon, only where capacity is there to be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from spotlab.features.capacity_model.features import NAMES
from spotlab.inference.capacity import CapacityModel
from spotlab.recorded.traces import read_panel
from spotlab.sweeps.forecasts import forecasts_of
from tests.support.traces import write_campaign


class HourlyLoss:
    """Says a tenth an hour of every row."""

    feature_names = NAMES[:3]

    def loss_probability(self, matrix: Any, horizon_h: float) -> Any:
        assert matrix.shape[1] == len(self.feature_names)
        return np.full(len(matrix), 0.1 * horizon_h)


def test_each_horizon_has_a_forecast_where_capacity_is_available(tmp_path: Path) -> None:
    ticks = read_panel(write_campaign(tmp_path))
    forecasts = forecasts_of(cast(CapacityModel, HourlyLoss()), ticks)

    assert [forecast.horizon_h for forecast in forecasts] == [1.0, 3.0]
    for forecast in forecasts:
        assert forecast.risk.shape == ticks.available.shape
        available = ticks.available == 1.0
        assert np.isnan(forecast.risk[~available]).all()
        np.testing.assert_allclose(forecast.risk[available], 0.1 * forecast.horizon_h)
