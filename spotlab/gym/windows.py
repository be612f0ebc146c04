"""Windows of a trace panel, drawn reproducibly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput
from spotlab.gym.workloads import DeadlineJob, Service, Workload

WORK_H: Final = 48.0
DEADLINES_H: Final = (52.0, 92.0)
CHANGEOVERS_H: Final = (0.02, 0.4)
"""The ranges of Wu et al., NSDI 2024: 48 h of work, drawn uniformly between these."""
MAX_WINDOWS: Final = 100_000
"""More would take days: a window takes milliseconds to seconds per policy."""


@dataclass(frozen=True, slots=True)
class Window:
    """A workload and its position in a panel; policies are compared on the same windows.

    Args:
        workload: the job or service.
        first_tick, ticks: rows of the panel.
    """

    workload: Workload
    first_tick: int
    ticks: int


def deadline_windows(
    panel: TracePanel,
    n: int,
    seed: int,
    *,
    work_h: float = WORK_H,
    deadlines_h: tuple[float, float] = DEADLINES_H,
    changeovers_h: tuple[float, float] = CHANGEOVERS_H,
    checkpoint_h: float = 0.0,
    part: tuple[float, float] = (0.0, 1.0),
) -> tuple[Window, ...]:
    """Draw `n` jobs at random positions, with uniformly distributed deadlines and changeovers.

    Args:
        deadlines_h, changeovers_h: ranges to draw from, h.
        checkpoint_h: checkpoint interval of every job; 0 treats lost work as part of the
            changeover, as Wu et al. do.
        part: the part of the panel from which windows are drawn: (0, 0.6) is its first 60 %.
    Raises:
        InvalidInput: n is below 1 or above MAX_WINDOWS, the seed is negative, the part is shorter
            than the longest deadline, or a deadline is shorter than a tick.
    """
    first, last = _row_range(panel, part, deadlines_h[1], n)
    rng, draws = _generator(seed), []
    for _ in range(n):
        job = DeadlineJob(
            work_h,
            float(rng.uniform(*deadlines_h)),
            float(rng.uniform(*changeovers_h)),
            checkpoint_h,
        )
        draws.append(_draw_window(job, panel, first, last, rng))
    return tuple(draws)


def service_windows(
    panel: TracePanel,
    n: int,
    seed: int,
    *,
    hours: float,
    downtime_usd_per_hour: float,
    changeovers_h: tuple[float, float] = CHANGEOVERS_H,
    part: tuple[float, float] = (0.0, 1.0),
) -> tuple[Window, ...]:
    """Draw `n` services of `hours` hours at random positions, with uniform changeovers.

    Raises:
        InvalidInput: as `deadline_windows`.
    """
    first, last = _row_range(panel, part, hours, n)
    rng, draws = _generator(seed), []
    for _ in range(n):
        service = Service(hours, float(rng.uniform(*changeovers_h)), downtime_usd_per_hour)
        draws.append(_draw_window(service, panel, first, last, rng))
    return tuple(draws)


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise InvalidInput(f"The seed {seed} is negative.", remedy="Enter 0 or more.")
    return np.random.default_rng(seed)


def _row_range(
    panel: TracePanel, part: tuple[float, float], longest_h: float, n: int
) -> tuple[int, int]:
    if n < 1:
        raise InvalidInput(f"{n} windows were requested.", remedy="Request at least one.")
    if n > MAX_WINDOWS:
        raise InvalidInput(
            f"{n:,} windows were requested.", remedy=f"Request at most {MAX_WINDOWS:,}."
        )
    rows = len(panel.elapsed_h)
    first, last = math.floor(part[0] * rows), math.floor(part[1] * rows)
    if not 0 <= first < last <= rows or (last - first) * panel.gap_s < longest_h * 3600.0:
        raise InvalidInput(
            f"The part {part} of a trace of {rows} ticks is shorter than {longest_h:g} h.",
            remedy="Use a longer trace, a larger part, or a shorter workload.",
        )
    return first, last


def _draw_window(
    workload: Workload, panel: TracePanel, first: int, last: int, rng: np.random.Generator
) -> Window:
    ticks = math.floor(workload.length_h * 3600.0 / panel.gap_s + 1e-9)
    if ticks < 1:
        raise InvalidInput(
            f"{workload.length_h:g} h is shorter than the {panel.gap_s:g} s between ticks.",
            remedy="Use a longer workload.",
        )
    return Window(workload, int(rng.integers(first, last - ticks + 1)), ticks)
