"""The steps of a switch: what each does, its time limit, and how it is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spotlab.domain.switch_plan import Strategy


class Step(StrEnum):
    """A step of a switch."""

    PREFLIGHT = "preflight"
    IMAGE = "image"
    LAUNCH = "launch"
    HEALTH = "health"
    MOVE = "move"
    DRAIN = "drain"
    TERMINATE = "terminate"
    VERIFY = "verify"
    CLEANUP = "cleanup"
    STOP_START = "stop_start"
    """Change the type of the instance in place."""


@dataclass(frozen=True, slots=True)
class StepRule:
    """What a step promises.

    Args:
        summary: what it does, one sentence.
        time_limit_s: after this long in the step, the switch goes back or asks for attention.
        compensation: how it is undone, one sentence; "": it changes nothing.
        can_be_undone: False for the step after which there is no way back.
    """

    summary: str
    time_limit_s: float
    compensation: str
    can_be_undone: bool = True


RULES: Final[Mapping[Step, StepRule]] = {
    Step.PREFLIGHT: StepRule(
        "Read what the instance holds and check that it can be switched.", 300.0, ""
    ),
    Step.IMAGE: StepRule(
        "Create an image of the instance.",
        3600.0,
        "The image is deregistered and its snapshots are deleted.",
    ),
    Step.LAUNCH: StepRule(
        "Launch the replacement.",
        1800.0,
        "The spot request is cancelled and the replacement is terminated.",
    ),
    Step.HEALTH: StepRule(
        "Wait until the replacement passes both status checks and the health check.",
        900.0,
        "The replacement is terminated; the next candidate is launched, if there is one.",
    ),
    Step.MOVE: StepRule(
        "Copy the tags, register the replacement in the target groups, move data volumes and "
        "Elastic IP addresses.",
        2700.0,
        "Addresses, volumes and targets go back to the instance.",
    ),
    Step.DRAIN: StepRule(
        "Deregister the instance from its target groups and wait for open connections.",
        4500.0,
        "The instance is registered again.",
    ),
    Step.TERMINATE: StepRule("Terminate the instance.", 900.0, "", can_be_undone=False),
    Step.VERIFY: StepRule(
        "Check that the instance is gone and that the replacement has everything.",
        900.0,
        "",
        can_be_undone=False,
    ),
    Step.CLEANUP: StepRule(
        "Delete the image, its snapshots and SpotLab's tags.", 900.0, "", can_be_undone=False
    ),
    Step.STOP_START: StepRule(
        "Stop the instance, change its type and start it.",
        1800.0,
        "The instance is stopped, gets its former type and is started.",
    ),
}
ROLLBACK_TIME_LIMIT_S: Final = 5400.0
_LAUNCH_STEPS: Final = (
    Step.LAUNCH,
    Step.HEALTH,
    Step.MOVE,
    Step.DRAIN,
    Step.TERMINATE,
    Step.VERIFY,
    Step.CLEANUP,
)


def steps_of(strategy: Strategy) -> tuple[Step, ...]:
    """The steps of a strategy, in order."""
    if strategy is Strategy.STOP_START:
        return (Step.PREFLIGHT, Step.STOP_START, Step.HEALTH, Step.VERIFY, Step.CLEANUP)
    if strategy is Strategy.FROM_TEMPLATE:
        return (Step.PREFLIGHT, *_LAUNCH_STEPS)
    return (Step.PREFLIGHT, Step.IMAGE, *_LAUNCH_STEPS)
