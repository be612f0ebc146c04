"""Where the emulated AWS of a home answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from spotlab.processes import run_dir


def server_name(seed: int, at: datetime | None) -> str:
    """The helper's name: another seed or time is another server, beside the first."""
    frozen = f"-at-{at.astimezone(UTC):%Y%m%dT%H%M%S}" if at else ""
    return f"emulated-aws-{seed}{frozen}"


def ready_file(home: Path, seed: int, at: datetime | None) -> Path:
    """The file that the server writes once it answers."""
    return run_dir(home) / f"{server_name(seed, at)}.json"


def read_ready(path: Path) -> dict[str, int] | None:
    """Port, pid and seed of the server that wrote the file last; None where none did."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("port"), int) else None
