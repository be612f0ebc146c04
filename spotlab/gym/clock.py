"""Time in whole quanta, which makes sums and the optimum in hindsight exact.

A tick is divided into equal quanta of at most one minute. Work, changeover and checkpoint interval
are rounded up to whole quanta, and the deadline down to whole ticks, never in the workload's
favour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from spotlab.errors import InvalidInput
from spotlab.gym.workloads import DeadlineJob, Workload

MAX_QUANTUM_S: Final = 60.0
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Clock:
    """A workload's durations in quanta.

    Args:
        quantum_h: length of a quantum, h.
        per_tick: quanta per tick.
        ticks: ticks until the job's deadline or the end of the service.
        work: quanta of work; 0 for a service.
        changeover: quanta from start to ready.
        checkpoint: quanta between checkpoints; 0: no work is ever lost.
    """

    quantum_h: float
    per_tick: int
    ticks: int
    work: int
    changeover: int
    checkpoint: int

    @property
    def changeover_ticks(self) -> int:
        """Ticks in which a changeover takes place, including partial ones."""
        return -(-self.changeover // self.per_tick)

    @property
    def work_after_changeover(self) -> int:
        """Quanta of useful work in the tick in which a changeover ends."""
        return self.changeover_ticks * self.per_tick - self.changeover


def clock_for(workload: Workload, tick_h: float, ticks: int) -> Clock:
    """The workload's durations on ticks of `tick_h` hours.

    Raises:
        InvalidInput: the window is shorter than the workload, or the deadline is too short after
            rounding.
    """
    per_tick = max(1, math.ceil(tick_h * 3600.0 / MAX_QUANTUM_S - _ROUNDING))
    quantum_h = tick_h / per_tick
    length = math.floor(workload.length_h / tick_h + _ROUNDING)
    if length < 1 or length > ticks:
        raise InvalidInput(
            f"A window of {ticks} ticks of {tick_h:g} h is shorter than {workload.length_h:g} h.",
            remedy="Use a longer trace, or a shorter workload.",
        )
    job = isinstance(workload, DeadlineJob)
    work = _quanta(workload.work_h, quantum_h) if isinstance(workload, DeadlineJob) else 0
    checkpoint = (
        _quanta(workload.checkpoint_h, quantum_h) if isinstance(workload, DeadlineJob) else 0
    )
    changeover = _quanta(workload.changeover_h, quantum_h)
    if job and work + changeover > length * per_tick:
        raise InvalidInput(
            f"Rounded to ticks of {tick_h:g} h, a deadline of {workload.length_h:g} h is too short "
            "even for on-demand.",
            remedy="Set a deadline that is at least one tick later.",
        )
    return Clock(quantum_h, per_tick, length, work, changeover, checkpoint)


def _quanta(hours: float, quantum_h: float) -> int:
    return math.ceil(hours / quantum_h - _ROUNDING)
