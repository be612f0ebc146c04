"""Small panels with capacity losses, and a small capacity model."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel

GAP_S = 600.0


def available(days: float, pools: int, seed: int, gap_s: float = GAP_S) -> NDArray[np.float64]:
    """(n, p) 1 or 0: each pool has its own loss rate, higher during the day and partly shared."""
    rng = np.random.default_rng(seed)
    ticks = int(days * 86_400 / gap_s)
    hours = np.arange(ticks) * gap_s / 3600.0
    worse = 1.0 + 0.9 * np.sin(2 * np.pi * hours / 24.0)
    shared = rng.random(ticks) < 0.01 * worse * gap_s / GAP_S
    found = np.empty((ticks, pools))
    for pool in range(pools):
        lose, regain = 0.01 * (1 + 2 * pool), 0.06
        up = True
        for tick in range(ticks):
            draw = rng.random() * GAP_S / gap_s
            if up:
                up = not (draw < lose * worse[tick] or (shared[tick] and rng.random() < 0.8))
            else:
                up = draw < regain
            found[tick, pool] = up
    return found


def panel(
    days: float = 10.0,
    pools: int = 3,
    seed: int = 1,
    gap_s: float = GAP_S,
    started_at: datetime | None = datetime(2023, 2, 15, tzinfo=UTC),
) -> TracePanel:
    """A campaign of some pools."""
    return panel_of(available(days, pools, seed, gap_s), gap_s, started_at)


def panel_of(
    ticks: NDArray[np.float64], gap_s: float = GAP_S, started_at: datetime | None = None
) -> TracePanel:
    """(n, p) ticks as a panel."""
    names = tuple(f"pool-{number}" for number in range(ticks.shape[1]))
    return TracePanel(
        names=names,
        pools=(None,) * len(names),
        started_at=started_at,
        elapsed_h=np.arange(len(ticks)) * gap_s / 3600.0,
        available=ticks,
        gap_s=gap_s,
        sources=("made up",) * len(names),
    )


def write_traces(folder: Path, days: float = 10.0, pools: int = 3, seed: int = 1) -> Path:
    """A folder of trace files of such a campaign."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, column in enumerate(available(days, pools, seed).T):
        text = {"metadata": {"gap_seconds": GAP_S}, "data": column.astype(int).tolist()}
        (folder / f"zone-{number}.json").write_text(json.dumps(text))
    return folder
