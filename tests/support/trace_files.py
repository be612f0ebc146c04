"""Small synthetic traces, in memory and in files of each format."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import Trace, TracePanel, align

FloatArray = NDArray[np.float64]
START = datetime(2023, 2, 15, 22, tzinfo=UTC)


def ups_and_downs(ticks: int, seed: int, *, up: float = 30.0, down: float = 10.0) -> FloatArray:
    """A pool that stays up and down for random times (mean ticks)."""
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < ticks:
        values += [1.0] * (1 + int(rng.exponential(up))) + [0.0] * (1 + int(rng.exponential(down)))
    return np.array(values[:ticks])


def trace(name: str, available: FloatArray, gap_s: float = 600.0) -> Trace:
    """A trace without a clock."""
    hours = gap_s / 3600.0 * np.arange(len(available))
    return Trace(name, None, None, hours, np.asarray(available, float), gap_s, name)


def panel(pools: int = 3, days: float = 12.0, gap_s: float = 600.0, seed: int = 1) -> TracePanel:
    """Pools that go up and down by chance, some more than others."""
    ticks = int(days * 86_400 / gap_s)
    return align(
        [
            trace(f"zone-{i}", ups_and_downs(ticks, seed + i, up=15.0 * (i + 1)), gap_s)
            for i in range(pools)
        ]
    )


def write(path: Path, text: str) -> Path:
    """A file, gzipped if its name ends with .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def write_json(path: Path, document: Any) -> Path:
    """A JSON file."""
    return write(path, json.dumps(document))


def write_counts(path: Path, data: Any, gap_s: Any = 600) -> Path:
    """The format {metadata: {gap_seconds}, data}."""
    values = [int(x) for x in data] if isinstance(data, np.ndarray) else data
    return write_json(path, {"metadata": {"gap_seconds": gap_s}, "data": values})


def write_rebuilt(path: Path, available: list[int | None], ticks: dict[int, float]) -> Path:
    """The rebuilt format; `ticks` has the true hours since START of some ticks."""
    return write_json(
        path,
        {
            "pool": "zone",
            "instance_type": "p3.2xlarge",
            "availability_zone": "us-east-1a",
            "gap_seconds": 600,
            "tick_times": [
                {"tick": tick, "time": f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"}
                for tick, hours in ticks.items()
            ],
            "available": available,
        },
    )


def write_csv(path: Path, fails: list[Any], times: list[Any] | None = None) -> Path:
    """The format tick,time,fail; times are in seconds since the start, by default 600 apart."""
    seconds = [600 * i for i in range(len(fails))] if times is None else times
    rows = enumerate(zip(seconds, fails, strict=True))
    lines = [f"{i},{time},{fail}" for i, (time, fail) in rows]
    return write(path, "\n".join(["tick,time,fail", *lines, ""]))
