"""What is run in the gym: a job with a deadline, or a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.errors import InvalidInput

_ROUNDING_H: Final = 1e-9


@dataclass(frozen=True, slots=True)
class DeadlineJob:
    """A job that must be done in time.

    Args:
        work_h: hours of compute that it needs.
        deadline_h: hours from its start within which it must be done.
        changeover_h: hours from starting an instance until it does useful work.
        checkpoint_h: a checkpoint is written after every so many hours of work; an interruption
            loses the work since the last one, a planned stop loses nothing. 0: nothing is ever
            lost (Wu et al. count what is lost as part of the changeover).
    Raises:
        InvalidInput: a length that cannot be, or too little time even for on-demand.
    """

    work_h: float
    deadline_h: float
    changeover_h: float
    checkpoint_h: float

    def __post_init__(self) -> None:
        _check("work_h", self.work_h, above=0.0)
        _check("deadline_h", self.deadline_h, above=0.0)
        _check("changeover_h", self.changeover_h)
        _check("checkpoint_h", self.checkpoint_h)
        if self.deadline_h < self.work_h + self.changeover_h - _ROUNDING_H:
            raise InvalidInput(
                f"A deadline of {self.deadline_h:g} h is too short for {self.work_h:g} h of work "
                f"and a changeover of {self.changeover_h:g} h, even on-demand.",
                remedy="Give a later deadline or less work.",
            )

    @property
    def length_h(self) -> float:
        """Hours that a window must have."""
        return self.deadline_h


@dataclass(frozen=True, slots=True)
class Service:
    """A service that should always be up.

    Args:
        hours: how long it runs.
        changeover_h: hours from starting an instance until it serves.
        downtime_usd_per_hour: what an hour of downtime is worth, beside the instances' own cost.
    Raises:
        InvalidInput: a length or a worth that cannot be.
    """

    hours: float
    changeover_h: float
    downtime_usd_per_hour: float

    def __post_init__(self) -> None:
        _check("hours", self.hours, above=0.0)
        _check("changeover_h", self.changeover_h)
        _check("downtime_usd_per_hour", self.downtime_usd_per_hour)

    @property
    def length_h(self) -> float:
        """Hours that a window must have."""
        return self.hours


Workload = DeadlineJob | Service


def _check(name: str, value: float, above: float | None = None) -> None:
    least = "more than 0" if above is not None else "0 or more"
    if not (0.0 <= value < float("inf")) or (above is not None and value <= above):
        raise InvalidInput(f"{name} is {value:g}.", remedy=f"Give {least}, in hours or USD.")
