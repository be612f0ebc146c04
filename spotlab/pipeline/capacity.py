"""Risk of capacity loss at every tick of a panel, for replays and live panels alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.features.capacity_model.features import compute_capacity
from spotlab.inference.capacity import CapacityModel

FloatArray = NDArray[np.float64]


def loss_risk(panel: TracePanel, model: CapacityModel, horizon_h: float) -> FloatArray:
    """P(capacity lost within the horizon | available now) for each tick and trace.

    Args:
        panel: n ticks of p traces.
        model: any capacity model.
        horizon_h: hours above 0.
    Returns:
        (n, p) 0..1; NaN where capacity is unavailable or unknown. Row i uses ticks 0..i only.
    Raises:
        InvalidInput: the horizon is invalid, or the model uses features that are not computed.
    """
    return loss_risks(panel, model, [horizon_h])[0]


def loss_risks(
    panel: TracePanel, model: CapacityModel, horizons_h: Sequence[float]
) -> list[FloatArray]:
    """`loss_risk` for several horizons; the features are computed once."""
    tick, trace = np.nonzero(panel.available == 1.0)
    matrix = compute_capacity(panel).select(model.feature_names, tick, trace)
    risks = []
    for horizon_h in horizons_h:
        risk = np.full(panel.available.shape, np.nan)
        risk[tick, trace] = model.loss_probability(matrix, horizon_h)
        risks.append(risk)
    return risks
