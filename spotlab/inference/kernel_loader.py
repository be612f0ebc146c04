"""The compiled kernels for tree models."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from spotlab.processes.kernels import KernelLoader

_MIN_ROWS: Final = 1000
"""Smaller requests, such as one explanation, do not show that the process scores markets."""


def tree_kernels() -> KernelLoader:
    """A new loader of the kernels for tree models."""
    return KernelLoader(
        Path(__file__).with_name("tree_kernels.py"),
        "spotlab.inference.tree_kernels",
        ("_add_scores", "_add_contributions"),
        when="a market is scored for the second time",
        instead="Trees are evaluated by LightGBM",
        min_size=_MIN_ROWS,
    )


KERNELS: Final = tree_kernels()
