"""The states of a model version, and the allowed changes of state.

| from \\ to | graduated | champion | rejected | archived |
| --- | --- | --- | --- | --- |
| candidate | graduate | | reject | archive |
| graduated | | champion | reject | archive |
| champion | step down: only if another version becomes champion | | | |
| rejected | graduate | | | archive |
| archived | graduate | | | |

In addition, a version is enabled or disabled. A champion is always enabled, because its task must
always have a usable model.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from spotlab.errors import InvalidInput


class ModelState(StrEnum):
    """The state of a model version."""

    CANDIDATE = "candidate"
    GRADUATED = "graduated"
    CHAMPION = "champion"
    REJECTED = "rejected"
    ARCHIVED = "archived"


class ModelAction(StrEnum):
    """An action on a model version; each is recorded as an event."""

    REGISTER = "register"
    REFUSE = "refuse"
    GRADUATE = "graduate"
    CHAMPION = "champion"
    STEP_DOWN = "step down"
    REJECT = "reject"
    ARCHIVE = "archive"
    ENABLE = "enable"
    DISABLE = "disable"
    ASSIGN = "assign"
    UNASSIGN = "unassign"


_C, _G, _R, _A = (
    ModelState.CANDIDATE,
    ModelState.GRADUATED,
    ModelState.REJECTED,
    ModelState.ARCHIVED,
)
MOVES: Final[Mapping[ModelAction, tuple[frozenset[ModelState], ModelState]]] = MappingProxyType(
    {
        ModelAction.GRADUATE: (frozenset({_C, _R, _A}), _G),
        ModelAction.CHAMPION: (frozenset({_G}), ModelState.CHAMPION),
        ModelAction.REJECT: (frozenset({_C, _G}), _R),
        ModelAction.ARCHIVE: (frozenset({_C, _G, _R}), _A),
    }
)
"""Actions of a user that change the state: from which states, and to which."""

_SWITCHES: Final = {ModelAction.ENABLE: True, ModelAction.DISABLE: False}
_REPLACE_CHAMPION: Final = (
    "Make another version the champion first; this one then steps down to graduated."
)
_USABLE: Final = frozenset({_C, _G, ModelState.CHAMPION})


def allowed_actions(state: str, enabled: bool) -> tuple[ModelAction, ...]:
    """The actions that are allowed for a version, for the buttons of a screen."""
    actions = (*MOVES, *_SWITCHES)
    return tuple(action for action in actions if not _objection(state, enabled, action))


def state_after(label: str, state: str, enabled: bool, action: ModelAction) -> tuple[str, bool]:
    """The state of a version after an action, and whether it is enabled.

    Args:
        label: "name@version", for the error.
        state, enabled: before.
        action: one of MOVES, enable or disable.
    Returns:
        State and enabled.
    Raises:
        InvalidInput: the action is not allowed in this state; says why, and what to do.
    """
    if objection := _objection(state, enabled, action):
        why, remedy = objection
        raise InvalidInput(f"Model {label} {why}.", remedy=remedy)
    if action in _SWITCHES:
        return state, _SWITCHES[action]
    return MOVES[action][1].value, enabled


def unusable_reason(state: str, enabled: bool) -> str:
    """Why evaluations may not use a version; "" if they may."""
    if state not in _USABLE:
        return f"is {state}"
    return "" if enabled else "is disabled"


def trusted(state: str, enabled: bool) -> bool:
    """Whether an administrator has accepted an uploaded version: it may run in the server's own
    process."""
    return enabled and state in (ModelState.GRADUATED, ModelState.CHAMPION)


def _objection(state: str, enabled: bool, action: ModelAction) -> tuple[str, str] | None:
    if action in _SWITCHES:
        if enabled is _SWITCHES[action]:
            return f"is already {action.value}d", ""
        if state == ModelState.CHAMPION:
            return "is the champion", _REPLACE_CHAMPION
        return None
    if action not in MOVES:
        return f"does not allow the action {action.value!r}", f"Available: {', '.join(MOVES)}."
    sources, target = MOVES[action]
    if state == target:
        return f"is already {target.value}", ""
    if state == ModelState.CHAMPION:
        return "is the champion", _REPLACE_CHAMPION
    if state not in sources:
        remedy = f"{action.value} is allowed for models that are {' or '.join(sorted(sources))}."
        return f"is {state}", remedy.capitalize()
    if action is ModelAction.CHAMPION and not enabled:
        return "is disabled", "Enable it first."
    return None
