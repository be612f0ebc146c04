"""The published SkyNomad setting on V100: one job in three regions whose data costs to move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from spotlab.gym.policies import policies_for
from spotlab.gym.sweep_cell import Cell, CellResult, run_cell
from spotlab.gym.workloads import DeadlineJob
from spotlab.gym.world import World
from spotlab.recorded.skynomad import (
    PublishedWindow,
    read_egress,
    read_published_windows,
    read_tick_prices,
)
from spotlab.recorded.traces import read_panel
from spotlab.sweeps.results.capacity import CAMPAIGN_2023
from spotlab.sweeps.results.document import Figure, Section, Table, Target, number
from spotlab.training.saved_version import Step

ZONES: Final = ("us-east-1c_v100_1", "us-east-2b_v100_1", "us-west-2a_v100_1")
PRICES: Final = Path("skynomad/v100_spot_prices.json.gz")
EGRESS: Final = Path("skynomad/aws-egress-pricing.csv")
PUBLISHED: Final = Path("skynomad/results-v100.csv")
ON_DEMAND_USD: Final = 3.06
WORK_H: Final = 143780.0 / 3600.0
DEADLINE_RATIO: Final = 1.5
JOB: Final = DeadlineJob(WORK_H, DEADLINE_RATIO * WORK_H, 0.2, 0.0, 50.0)
NAMES: Final = {
    "oracle": "multi_region_oracle_dp",
    "uniform_progress_s": "multi_region_rc_cr_threshold_eager_failover",
    "uniform_progress_a": "multi_region_availability_probe_simple",
    "uniform_progress_ap": "multi_region_probe_cost_ratio",
}
"""Policies whose published costs are reproduced, and their names there."""
SKYNOMAD: Final = "unified_cost_model_rate_ratio"
PAYING: Final = "slack_price_probing"
TITLE: Final = "One job in three regions, as SkyNomad published it (V100)"
DESCRIPTION: Final = (
    f"Zones {', '.join(zone.partition('_')[0] for zone in ZONES)}; {WORK_H:.2f} h of work, "
    f"deadline {DEADLINE_RATIO:g} times that, restart {JOB.changeover_h:g} h, a checkpoint of "
    f"{JOB.checkpoint_gb:g} GB that moves at AWS's egress prices, spot prices per tick, on-demand "
    f"{ON_DEMAND_USD:.2f} USD/h, the five published windows. The optimum and Uniform Progress (S, "
    "A and AP) check the simulator against the published table. slack_price_probing knows what a "
    "user would: what its launches and paid hourly probes tell from the start of the job. "
    "slack_price and the policies without a published figure see every tick of the trace so far "
    "at no cost. The traces are those of 2023-02-15: slack_price's numbers were chosen on the "
    "campaign's other six zones, with these five windows in view."
)


def world_of(folder: Path) -> World:
    """The three zones with their prices. Raises InvalidInput if a file is missing or invalid."""
    panel = read_panel([folder / CAMPAIGN_2023 / f"{zone}.json.gz" for zone in ZONES])
    regions = [name.partition("_")[0][:-1] for name in panel.names]
    prices = read_tick_prices(folder / PRICES, panel.names, len(panel.elapsed_h))
    egress = read_egress(folder / EGRESS, regions)
    return World(panel, prices, ON_DEMAND_USD, egress_usd_per_gb=egress)


def replay(world: World, windows: Sequence[PublishedWindow], name: str) -> list[CellResult]:
    """One policy in every published window."""
    ticks = math.floor(JOB.deadline_h / world.tick_h + 1e-6)
    starts = [math.ceil(window.start_h / world.tick_h - 1e-6) for window in windows]
    return [run_cell(world, Cell(JOB, start, ticks, name)) for start in starts]


def skynomad_section(folder: Path, step: Step) -> Section:
    """Section of the published setting, with its targets."""
    files = (CAMPAIGN_2023, PRICES, EGRESS, PUBLISHED)
    if missing := [str(path) for path in files if not (folder / path).exists()]:
        return Section(TITLE, "", skipped=f"{missing[0]} is not in the data folder.")
    world, windows = world_of(folder), read_published_windows(folder / PUBLISHED)
    results = {}
    for name in policies_for(world, JOB):
        step(f"{TITLE}: {name}")
        results[name] = replay(world, windows, name)
    costs = {name: _mean([one.cost_usd for one in rows]) for name, rows in results.items()}
    published = {name: _mean([window.usd[name] for window in windows]) for name in windows[0].usd}
    what = "one job in three regions, V100"
    figures = [
        *(
            Figure(
                what,
                f"{name}, cost of the published one's",
                costs[name] / published[theirs],
                target=Target(1.01 if name == "oracle" else 1.02, at_least=False),
            )
            for name, theirs in NAMES.items()
        ),
        Figure(what, f"{PAYING}, USD", costs[PAYING], target=Target(41.7, at_least=False)),
        Figure(
            what,
            f"{PAYING}, deadlines missed",
            float(sum(one.missed for one in results[PAYING])),
            target=Target(0.0, at_least=False),
        ),
        Figure(what, "slack_price, USD", costs["slack_price"]),
    ]
    return Section(TITLE, DESCRIPTION, figures, [_table(results, costs, published)])


def _table(
    results: dict[str, list[CellResult]], costs: dict[str, float], published: dict[str, float]
) -> Table:
    rows = [
        (
            name,
            number(cost, 2),
            number(published[NAMES[name]], 2) if name in NAMES else "",
            str(sum(one.missed for one in results[name])),
            number(_mean([float(one.moves) for one in results[name]]), 1),
            ", ".join(number(one.cost_usd, 2) for one in results[name]),
        )
        for name, cost in costs.items()
    ]
    rows.append(("SkyNomad", "", number(published[SKYNOMAD], 2), "", "", ""))
    rows.sort(key=lambda row: float(row[1] or row[2]))
    header = ("policy", "USD", "published", "missed", "moves", "USD by window")
    return Table(header, rows, "Means of a window. Moves count restarts in the same zone, too.")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
