"""Digest of the code that computes backtests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import spotlab

_ROOMS: Final = ("domain", "features", "gym", "inference", "pipeline", "recorded")
"""Rooms that the results of a backtest depend on."""


def code_digest() -> str:
    """SHA-256 of the source files that the results of a backtest depend on, hex."""
    root = Path(spotlab.__file__).resolve().parent
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
