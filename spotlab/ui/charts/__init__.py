"""Charts: pure functions from rows to a figure. Screens floor: knows no Streamlit.

Text, axes and grid take their colours from the page's theme; marks take them from a Palette.
"""

from spotlab.ui.charts.base import CONFIG
from spotlab.ui.charts.explanation import changes, waterfall
from spotlab.ui.charts.frontier import Mark, frontier, pareto
from spotlab.ui.charts.market import drops, heat_map, price_history

__all__ = [
    "CONFIG",
    "Mark",
    "changes",
    "drops",
    "frontier",
    "heat_map",
    "pareto",
    "price_history",
    "waterfall",
]
