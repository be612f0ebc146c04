"""Charts: pure functions from data to a Plotly figure, coloured by a Palette."""

from spotlab.ui.charts.backtests import Outcome, equal_outcomes, line_through, tradeoff
from spotlab.ui.charts.base import CONFIG
from spotlab.ui.charts.calibration import (
    Estimate,
    PrecisionRecall,
    Reliability,
    brier_over_time,
    forest,
    precision_recall,
    reliability,
)
from spotlab.ui.charts.explanation import changes, margin, waterfall
from spotlab.ui.charts.frontier import Extent, Mark, caption, extent, frontier
from spotlab.ui.charts.market import drops, heat_map, price_history
from spotlab.ui.charts.pool_history import pool_history
from spotlab.ui.charts.replay import Course, timeline, work_done
from spotlab.ui.charts.risk_curve import risk_over_time
from spotlab.ui.charts.what_if import FleetPoint, fleet_curve

__all__ = [
    "CONFIG",
    "Course",
    "Estimate",
    "Extent",
    "FleetPoint",
    "Mark",
    "Outcome",
    "PrecisionRecall",
    "Reliability",
    "brier_over_time",
    "caption",
    "changes",
    "drops",
    "equal_outcomes",
    "extent",
    "fleet_curve",
    "forest",
    "frontier",
    "heat_map",
    "line_through",
    "margin",
    "pool_history",
    "precision_recall",
    "price_history",
    "reliability",
    "risk_over_time",
    "timeline",
    "tradeoff",
    "waterfall",
    "work_done",
]
