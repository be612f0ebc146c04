"""What a capacity model says at each tick of a world. Runtime floor."""

from __future__ import annotations

from typing import Any, Final

from spotlab.domain.traces import TracePanel
from spotlab.gym.world import Forecast

CAPACITY_TASK: Final = "capacity"


def forecasts_of(model: Any, panel: TracePanel) -> tuple[Forecast, ...]:
    """The model's forecasts of each of its horizons, in order of horizon."""
    return tuple(Forecast(h, model.risk(panel, h)) for h in sorted(model.horizons_h))
