"""Policies in held-out time of a campaign, at recorded prices.

The capacity recipe is fitted on the first part of a campaign's time; policies are replayed in
windows of the rest. Prices are those recorded in each zone in another year.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput
from spotlab.gym.policies import policies_for
from spotlab.gym.sweep_cell import Cell, CellResult, run_cell
from spotlab.gym.windows import Window, deadline_windows, service_windows
from spotlab.gym.world import FloatArray, World
from spotlab.recorded.price_history import read_price_history
from spotlab.recorded.traces import read_panel as read_panel
from spotlab.sweeps.forecasts import forecasts_of
from spotlab.sweeps.results.capacity import CAMPAIGN_2023, TRAIN_SHARE
from spotlab.training.capacity.rows import capacity_rows, time_split
from spotlab.training.capacity.training import recipe_model
from spotlab.training.saved_version import Step

PRICES: Final = Path("az-prices/2019-12-20--2020-03-23.csv.gz")
INSTANCE_TYPE: Final = "p3.2xlarge"
ON_DEMAND_USD: Final = 3.06
MODEL: Final = "recipe"
HORIZON_H: Final = 1.0
SEED: Final = 7
WINDOWS: Final = 40
SERVICE_H: Final = 168.0
BLOCK_H: Final = 92.0
DESCRIPTION: Final = (
    f"SpotLab's policy uses the capacity recipe fitted on the first {TRAIN_SHARE:.0%} of the "
    "campaign's time, and every window lies in the rest. A zone's spot price is the time-weighted "
    f"mean that was recorded of {INSTANCE_TYPE} there from 2019-12-20 to 2020-03-23 (a zone "
    f"without a record takes its region's mean); on-demand is {ON_DEMAND_USD:.2f} USD/h. None was "
    "recorded during the campaign itself. Intervals draw windows in blocks of 92 h."
)


def held_out_world(folder: Path) -> World:
    """The campaign with recorded prices, and forecasts by a model fitted on its first part."""
    panel = read_panel(sorted((folder / CAMPAIGN_2023).glob("*.json.gz")))
    rows = capacity_rows(panel, HORIZON_H)
    train_rows, _ = time_split(rows, TRAIN_SHARE, panel)
    model = recipe_model([(panel, rows.take(train_rows))], SEED)
    return World(
        panel,
        zone_prices(folder, panel.names),
        ON_DEMAND_USD,
        forecasts={MODEL: forecasts_of(model, panel)},
        assumptions=(DESCRIPTION,),
    )


def zone_prices(folder: Path, names: Sequence[str]) -> FloatArray:
    """(p,) mean recorded spot price of each trace's zone, USD per hour.

    Args:
        folder: recorded data.
        names: of traces, each starting with its zone.
    Raises:
        InvalidInput: a zone's region has no recorded price.
    """
    history = read_price_history(folder / PRICES).rows
    history = history[history["instance_type"] == INSTANCE_TYPE]
    until = history["event_time"].max()
    means = {
        str(zone): _mean_price(rows, until) for zone, rows in history.groupby("availability_zone")
    }
    return np.asarray([_price_of(name.partition("_")[0], means) for name in names])


def _mean_price(rows: pd.DataFrame, until: pd.Timestamp) -> float:
    """Mean of the prices of one zone, weighted by their duration, USD per hour."""
    ordered = rows.sort_values("event_time")
    times = [*ordered["event_time"], until]
    held_s = np.diff([time.timestamp() for time in times])
    prices = ordered["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
    return float(np.average(prices, weights=held_s) if held_s.sum() > 0 else prices[-1])


def _price_of(zone: str, means: dict[str, float]) -> float:
    if zone in means:
        return means[zone]
    region = [price for other, price in means.items() if other[:-1] == zone[:-1]]
    if not region:
        raise InvalidInput(
            f"No {INSTANCE_TYPE} price is recorded in the region of {zone!r}.",
            remedy=f"Add one to {PRICES}.",
        )
    return float(np.mean(region))


def jobs(panel: TracePanel) -> tuple[Window, ...]:
    """Windows with jobs of 48 h in the held-out part."""
    return deadline_windows(panel, WINDOWS, SEED, part=(TRAIN_SHARE, 1.0))


def services(panel: TracePanel) -> tuple[Window, ...]:
    """Windows of a week with a service in the held-out part; downtime costs the on-demand price."""
    return service_windows(
        panel,
        WINDOWS,
        SEED,
        hours=SERVICE_H,
        downtime_usd_per_hour=ON_DEMAND_USD,
        part=(TRAIN_SHARE, 1.0),
    )


def replay(world: World, windows: Sequence[Window], step: Step) -> list[CellResult]:
    """Run every policy that fits the world in every window."""
    results = []
    for number, window in enumerate(windows):
        step(f"window {number + 1} of {len(windows)}")
        results += [
            run_cell(world, Cell(window.workload, window.first_tick, window.ticks, name, SEED))
            for name in policies_for(world, window.workload)
        ]
    return results
