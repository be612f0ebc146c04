"""The compiled kernels of the gym: replays and optima in hindsight."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from spotlab.processes.kernels import KernelLoader

REPLAY: Final = KernelLoader(
    Path(__file__).with_name("replay_kernels.py"),
    "spotlab.gym.replay_kernels",
    ("replay",),
    when="a second window is run",
    instead="Policies are replayed without compiled kernels",
)
ORACLE: Final = KernelLoader(
    Path(__file__).with_name("oracle_kernels.py"),
    "spotlab.gym.oracle_kernels",
    ("_solve_job", "solve_service"),
    when="a second optimum is computed",
    instead="Optima are computed without compiled kernels",
)
