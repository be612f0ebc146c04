"""Forecasts of a capacity model at each tick of a world."""

from __future__ import annotations

from typing import Final

from spotlab.domain.availability_traces import TracePanel
from spotlab.gym.world import Forecast
from spotlab.inference.capacity import CapacityModel
from spotlab.pipeline.capacity import loss_risks

CAPACITY_TASK: Final = "capacity"
HORIZONS_H: Final = (1.0, 3.0)
"""Horizons that SpotLab's policy uses: the next hour, and the time until a start pays off."""


def forecasts_of(model: CapacityModel, panel: TracePanel) -> tuple[Forecast, ...]:
    """The model's forecasts for each of HORIZONS_H; row i depends on ticks 0..i only."""
    risks = loss_risks(panel, model, HORIZONS_H)
    return tuple(Forecast(h, risk) for h, risk in zip(HORIZONS_H, risks, strict=True))
