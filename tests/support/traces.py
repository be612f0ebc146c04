"""Trace files of a small synthetic campaign."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ZONES = ("a", "b", "c")


def write_campaign(folder: Path, hours: float = 24.0, gap_s: float = 600.0, seed: int = 7) -> Path:
    """Write traces of three zones with random losses; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for zone in ZONES:
        flips = rng.random(round(hours * 3600 / gap_s)) < 0.05
        ticks = (np.cumsum(flips) % 2 == 0).astype(int).tolist()
        document = {"metadata": {"gap_seconds": gap_s}, "data": ticks}
        (folder / f"zone-{zone}.json").write_text(json.dumps(document))
    return folder
