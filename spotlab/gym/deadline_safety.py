"""Safety net for jobs with a deadline: on-demand is started while it can still finish in time.

Each tick assumes the worst case for the next one: at its end, spot instances are lost together with
the work since the last checkpoint. If on-demand could then no longer finish in time, it is started
now, and it keeps running as long as leaving it could make the job late.
"""

from __future__ import annotations

import math
from typing import Final

from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, Policy, View

_ROUNDING_H: Final = 1e-9


class WithSafetyNet:
    """A policy for jobs that overrides another policy if the job could become late.

    Args:
        policy: decides as long as its action is safe.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def decide(self, view: View) -> Action:
        """The policy's action if it is safe, otherwise on-demand."""
        action = self._policy.decide(view)
        return action if is_safe(view, action) else to_on_demand(view)


def is_safe(view: View, action: Action) -> bool:
    """Whether the job finishes in time even in the worst case after this action."""
    return slack_after_h(view, action) >= -_ROUNDING_H


def to_on_demand(view: View) -> Action:
    """A safe change to on-demand; if possible, the old instance keeps running meanwhile."""
    why = "last moment to finish in time"
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
    """Slack, h, if on-demand were started now and the work since the checkpoint were lost."""
    return view.deadline_in_h - view.work_left_h - view.at_risk_h - view.changeover_h


def slack_after_h(view: View, action: Action) -> float:
    """Slack at the next tick, h, in the worst case after this action.

    Infinite if on-demand keeps running, or if the work is done within the tick.
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
    """Place and hours until ready of the instance, and of its replacement, after the action."""
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
    """Of `worked_h` hours since the last checkpoint, the hours that later checkpoints save."""
    if view.checkpoint_h == 0.0:
        return worked_h
    return math.floor(worked_h / view.checkpoint_h + _ROUNDING_H) * view.checkpoint_h
