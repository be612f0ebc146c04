"""The compiled kernels for tree models.

They take 60 MB. A process loads them when it scores markets several times within a minute, as
somebody who tries values does; jobs do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from spotlab.processes.kernels import KernelLoader

_MIN_ROWS: Final = 1000
"""Smaller requests, such as one explanation, do not show that the process scores markets."""


def tree_kernels(elapsed_s: Callable[[], float] = time.monotonic) -> KernelLoader:
    """A new loader of the kernels for tree models; `elapsed_s`: a monotonic clock, seconds."""
    return KernelLoader(
        Path(__file__).with_name("tree_kernels.py"),
        "spotlab.inference.tree_kernels",
        ("_add_scores", "_add_contributions"),
        when="markets are scored several times within a minute",
        instead="Trees are evaluated by LightGBM",
        min_size=_MIN_ROWS,
        requests=4,
        within_s=60.0,
        elapsed_s=elapsed_s,
    )


KERNELS: Final = tree_kernels()
