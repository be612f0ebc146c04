"""Prices and advisor buckets of the pools of traces, from a CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.recorded.file_reading import amount, csv_lines, read_file, reject

FloatArray = NDArray[np.float64]
COLUMNS: Final = ("trace", "spot_usd_per_hour")
BUCKET: Final = "advisor_bucket"
_BUCKETS: Final = 5


@dataclass(frozen=True, slots=True)
class PoolPrices:
    """Prices and advisor buckets of pools, which traces do not contain.

    Args:
        spot_usd_per_hour: (p,) in the requested order.
        buckets: (p,) advisor bucket 0..4, NaN if the file has none.
    """

    spot_usd_per_hour: FloatArray
    buckets: FloatArray


def read_pool_prices(path: Path, names: Sequence[str], columns: Sequence[str] = ()) -> PoolPrices:
    """Read a CSV `trace,spot_usd_per_hour` with an optional column `advisor_bucket`.

    Args:
        path: of the file, plain or gzipped.
        names: of the traces; other lines are ignored.
        columns: names of its columns, in order, if it has no header line.
    Raises:
        InvalidInput: a trace does not have exactly one line, or a number is invalid; names it.
    """
    prices: dict[str, float] = {}
    buckets: dict[str, float] = {}
    for place, line in csv_lines(read_file(path), path, COLUMNS, columns):
        name = line["trace"].strip()
        if name in prices:
            reject(path, f"{place} repeats {name!r}", "one line per trace")
        prices[name] = amount(line["spot_usd_per_hour"], path, f"{place}, spot_usd_per_hour")
        bucket = line.get(BUCKET, "").strip()
        buckets[name] = amount(bucket, path, f"{place}, {BUCKET}") if bucket else math.nan
        if bucket and buckets[name] not in range(_BUCKETS):
            reject(path, f"{place}, {BUCKET} is {bucket!r}", "a whole number from 0 to 4")
    if missing := [name for name in names if name not in prices]:
        reject(path, f"it has no price of {', '.join(missing)}", "one line per trace")
    return PoolPrices(
        np.asarray([prices[name] for name in names]), np.asarray([buckets[name] for name in names])
    )
