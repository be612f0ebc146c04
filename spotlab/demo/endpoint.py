"""Name and address of a home's emulated AWS."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from spotlab.processes import run_dir

LOOPBACK: Final = "127.0.0.1"


def server_name(seed: int, at: datetime | None) -> str:
    """Name of the helper process; each seed and frozen time has its own."""
    frozen = f"-at-{at.astimezone(UTC):%Y%m%dT%H%M%S}" if at else ""
    return f"emulated-aws-{seed}{frozen}"


def ready_file(home: Path, seed: int, at: datetime | None) -> Path:
    """The file that the server writes when it is ready."""
    return run_dir(home) / f"{server_name(seed, at)}.json"


def read_ready(path: Path) -> dict[str, int] | None:
    """Port, pid and seed of the last server that wrote the file; None: there was none."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("port"), int) else None
