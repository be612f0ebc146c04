"""The workloads of the simulator: a job with a deadline, or a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.errors import InvalidInput

_ROUNDING_H: Final = 1e-9


@dataclass(frozen=True, slots=True)
class DeadlineJob:
    """A job with a deadline.

    Args:
        work_h: hours of compute that it needs.
        deadline_h: hours from its start within which it must be done.
        changeover_h: hours from starting an instance until it does useful work.
        checkpoint_h: hours of work between checkpoints; an interruption loses the work since the
            last checkpoint, a planned stop loses nothing. 0: no work is ever lost (Wu et al. treat
            lost work as part of the changeover).
        checkpoint_gb: size of the data that moves with the job between regions, GB; moving it costs
            the world's egress price.
    Raises:
        InvalidInput: a duration is invalid, or the deadline is too short even for on-demand.
    """

    work_h: float
    deadline_h: float
    changeover_h: float
    checkpoint_h: float
    checkpoint_gb: float = 0.0

    def __post_init__(self) -> None:
        _check("work_h", self.work_h, above=0.0)
        _check("deadline_h", self.deadline_h, above=0.0)
        _check("changeover_h", self.changeover_h)
        _check("checkpoint_h", self.checkpoint_h)
        _check("checkpoint_gb", self.checkpoint_gb)
        if self.deadline_h < self.work_h + self.changeover_h - _ROUNDING_H:
            raise InvalidInput(
                f"A deadline of {self.deadline_h:g} h is too short for {self.work_h:g} h of work "
                f"and a changeover of {self.changeover_h:g} h, even on-demand.",
                remedy="Set a later deadline, or less work.",
            )

    @property
    def length_h(self) -> float:
        """Minimum length of a window, h."""
        return self.deadline_h


@dataclass(frozen=True, slots=True)
class Service:
    """A service that should always be up.

    Args:
        hours: how long it runs.
        changeover_h: hours from starting an instance until it serves.
        downtime_usd_per_hour: cost of an hour of downtime, in addition to that of the instances.
    Raises:
        InvalidInput: a duration or a cost is invalid.
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
        """Minimum length of a window, h."""
        return self.hours


Workload = DeadlineJob | Service


def _check(name: str, value: float, above: float | None = None) -> None:
    least = "more than 0" if above is not None else "0 or more"
    if not (0.0 <= value < float("inf")) or (above is not None and value <= above):
        raise InvalidInput(f"{name} is {value:g}.", remedy=f"Enter {least}, in hours or USD.")
