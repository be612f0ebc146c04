"""Prices and published figures of SkyNomad's artefact ("SkyNomad", NSDI 2027).

Spot prices per tick are JSON {trace: [USD per hour, …]}; egress prices a CSV
`from_region,to_region,price_usd_per_gb`; figures a CSV with a line per window and strategy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.recorded.file_reading import amount, csv_lines, read_file, read_json, reject

FloatArray = NDArray[np.float64]
EGRESS_COLUMNS: Final = ("from_region", "to_region", "price_usd_per_gb")
FIGURE_COLUMNS: Final = ("strategy", "task_type", "window_index", "env_start_hours", "cost")


@dataclass(frozen=True, slots=True)
class PublishedWindow:
    """A window of the published table.

    Args:
        start_h: hours from the start of the traces.
        usd: cost by strategy.
    """

    start_h: float
    usd: dict[str, float]


def read_tick_prices(path: Path, names: Sequence[str], ticks: int) -> FloatArray:
    """(ticks, p) spot prices of traces, USD per hour.

    Raises:
        InvalidInput: a trace has no price, too few, or one that is not a number of 0 or more.
    """
    content = read_json(read_file(path), path)
    columns = []
    for name in names:
        values = content.get(name) if isinstance(content, dict) else None
        if not isinstance(values, list) or len(values) != ticks:
            reject(path, f"{name!r} has no list of {ticks:,} prices", "one price per tick")
        if not all(isinstance(one, int | float) and 0.0 <= one < math.inf for one in values):
            reject(path, f"{name!r} has a price that is no number", "numbers of 0 or more")
        columns.append(np.asarray(values, dtype=np.float64))
    return np.column_stack(columns)


def read_egress(path: Path, regions: Sequence[str]) -> FloatArray:
    """(p, p) price of moving data from one region to another, USD per GB; 0 within a region.

    Raises:
        InvalidInput: a pair of regions has no price, or a price is not a number of 0 or more.
    """
    prices: dict[tuple[str, str], float] = {}
    for place, line in csv_lines(read_file(path), path, EGRESS_COLUMNS):
        pair = (line["from_region"], line["to_region"])
        prices[pair] = amount(line["price_usd_per_gb"], path, f"{place}, price_usd_per_gb")
    for start in regions:
        for end in regions:
            if start != end and (start, end) not in prices:
                reject(path, f"it has no price from {start} to {end}", "one line per pair")
    return np.array(
        [[0.0 if start == end else prices[start, end] for end in regions] for start in regions]
    )


def read_published_windows(path: Path) -> tuple[PublishedWindow, ...]:
    """The windows of the published table, with the costs of the strategies on several regions.

    Raises:
        InvalidInput: there is none, or a number is invalid.
    """
    windows: dict[str, PublishedWindow] = {}
    for place, line in csv_lines(read_file(path), path, FIGURE_COLUMNS):
        if line["task_type"] != "multi_region":
            continue
        start_h = amount(line["env_start_hours"], path, f"{place}, env_start_hours")
        window = windows.setdefault(line["window_index"], PublishedWindow(start_h, {}))
        window.usd[line["strategy"]] = amount(line["cost"], path, f"{place}, cost")
    if not windows:
        reject(path, "it has no line of the type multi_region", "a line per window and strategy")
    return tuple(windows[index] for index in sorted(windows))
