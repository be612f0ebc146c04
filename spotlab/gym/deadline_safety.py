"""The last moment for on-demand: a job that keeps this net is never late.

At every tick the worst is assumed of the coming one: that spot instances are lost at its end, with
what was not checkpointed by then. If on-demand could then no longer finish in time, it is started
now; and where it runs it is kept while leaving it could be too late.
"""

from __future__ import annotations

import math
from typing import Final

from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, Policy, View

_ROUNDING_H: Final = 1e-9


class WithSafetyNet:
    """A policy for jobs, with on-demand in time whatever it decides.

    Args:
        policy: decides while there is time.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def decide(self, view: View) -> Action:
        """The policy's action if the job can still be in time after it, else on-demand."""
        wanted = self._policy.decide(view)
        return wanted if is_safe(view, wanted) else to_on_demand(view)


def is_safe(view: View, action: Action) -> bool:
    """Whether the job is in time even if the worst comes after this action."""
    return slack_after_h(view, action) >= -_ROUNDING_H


def to_on_demand(view: View) -> Action:
    """The way to on-demand that is in time: with the old instance going on meanwhile if it can."""
    why = "last moment to be in time"
    if view.place == ON_DEMAND:
        return STAY if view.moving_to is None else Action(Do.CANCEL, why=why)
    if view.place is not None and view.ready_in_h == 0.0:
        if view.moving_to == ON_DEMAND and is_safe(view, STAY):
            return STAY
        move = Action(Do.MOVE, ON_DEMAND, why)
        if is_safe(view, move):
            return move
    return Action(Do.START, ON_DEMAND, why)


def slack_h(view: View) -> float:
    """Hours to spare if on-demand were started now, after the loss of what is not checkpointed."""
    return view.deadline_in_h - view.work_left_h - view.at_risk_h - view.changeover_h


def slack_after_h(view: View, action: Action) -> float:
    """Hours to spare at the next tick, in the worst case, if this action is taken now.

    Infinite where on-demand goes on, or where the work is done within the tick.
    """
    place, ready_h, next_place, next_h = _state_after(view, action)
    hands_over = next_place is not None and next_h <= view.tick_h + _ROUNDING_H
    if place == ON_DEMAND and not hands_over:
        return math.inf
    until_h = next_h if hands_over else view.tick_h
    worked_h = 0.0 if place is None else max(0.0, until_h - ready_h)
    keeps = action.do in {Do.STAY, Do.MOVE, Do.CANCEL}
    at_risk_h = view.at_risk_h if keeps else 0.0
    if worked_h >= view.work_left_h - _ROUNDING_H:
        return math.inf
    if not hands_over:
        gained_h = _checkpointed_h(view, at_risk_h + worked_h) - at_risk_h
        on_demand_in_h = view.changeover_h
        if next_place == ON_DEMAND:
            on_demand_in_h = next_h - view.tick_h
    else:
        after_h = view.tick_h - until_h
        gained_h = worked_h + (
            after_h if next_place == ON_DEMAND else _checkpointed_h(view, after_h)
        )
        on_demand_in_h = 0.0 if next_place == ON_DEMAND else view.changeover_h
    return view.deadline_in_h - view.tick_h - (view.work_left_h - gained_h) - on_demand_in_h


def _state_after(view: View, action: Action) -> tuple[int | None, float, int | None, float]:
    """Where instances are once the action is done, and hours until each is ready."""
    if action.do is Do.STOP:
        return None, 0.0, None, 0.0
    if action.do is Do.START or (action.do is Do.MOVE and view.place is None):
        return action.place, view.changeover_h, None, 0.0
    if action.do is Do.MOVE:
        return view.place, view.ready_in_h, action.place, view.changeover_h
    if action.do is Do.CANCEL:
        return view.place, view.ready_in_h, None, 0.0
    return view.place, view.ready_in_h, view.moving_to, view.move_ready_in_h


def _checkpointed_h(view: View, worked_h: float) -> float:
    """Hours of work since the last checkpoint that a later one has saved."""
    if view.checkpoint_h == 0.0:
        return worked_h
    return math.floor(worked_h / view.checkpoint_h + _ROUNDING_H) * view.checkpoint_h
