"""The function that runs one cell of a sweep on a worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from spotlab.errors import InvalidInput
from spotlab.gym.sweep_cell import Cell, run_cell
from spotlab.gym.world import World
from spotlab.sweeps.code_digest import code_digest


def run_planned_cell(shared: tuple[str, World], cell: Mapping[str, Any]) -> dict[str, Any]:
    """One cell's result in plain values.

    Raises:
        InvalidInput: the worker's code differs from that of the process that runs the sweep.
    """
    digest, world = shared
    if digest != _own_digest():
        raise InvalidInput(
            "This worker has another version of SpotLab than the process that runs the sweep.",
            remedy="Install the same version on every worker.",
        )
    return run_cell(world, Cell.from_json(dict(cell))).to_json()


@cache
def _own_digest() -> str:
    """Digest of the code at the start of this process."""
    return code_digest()
