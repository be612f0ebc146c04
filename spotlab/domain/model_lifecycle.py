"""The states of a model version, and which moves there are.

| from \\ to | graduated | champion | rejected | archived |
| --- | --- | --- | --- | --- |
| candidate | graduate | | reject | archive |
| graduated | | champion | reject | archive |
| champion | step down: only when another becomes champion | | | |
| rejected | graduate | | | archive |
| archived | graduate | | | |

Beside its state a version is enabled or disabled. A champion is always enabled: a task without a
model in force would have no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from spotlab.errors import InvalidInput


class ModelState(StrEnum):
    """Where a model version stands."""

    CANDIDATE = "candidate"
    GRADUATED = "graduated"
    CHAMPION = "champion"
    REJECTED = "rejected"
    ARCHIVED = "archived"


class ModelAction(StrEnum):
    """What can be done to a model version; each leaves an event."""

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
"""Moves that a person makes: from which states, and to which."""

_SWITCHES: Final = {ModelAction.ENABLE: True, ModelAction.DISABLE: False}
_NAME_ANOTHER: Final = "Make another the champion first: this one steps down to graduated."
_USABLE: Final = frozenset({_C, _G, ModelState.CHAMPION})


def allowed(state: str, enabled: bool) -> tuple[ModelAction, ...]:
    """The moves a person may make with a version, for a screen's buttons."""
    actions = (*MOVES, *_SWITCHES)
    return tuple(action for action in actions if not _objection(state, enabled, action))


def moved(label: str, state: str, enabled: bool, action: ModelAction) -> tuple[str, bool]:
    """The state and switch of a version after a move.

    Args:
        label: "name@version", for the error.
        state, enabled: before.
        action: one of MOVES, enable or disable.
    Returns:
        State and enabled after it.
    Raises:
        InvalidInput: this move is not made from there; says why and what would be right.
    """
    if objection := _objection(state, enabled, action):
        why, remedy = objection
        raise InvalidInput(f"Model {label} {why}.", remedy=remedy)
    if action in _SWITCHES:
        return state, _SWITCHES[action]
    return MOVES[action][1].value, enabled


def unusable(state: str, enabled: bool) -> str:
    """Why a version is not used by an evaluation; "" when it may be."""
    if state not in _USABLE:
        return f"is {state}"
    return "" if enabled else "is disabled"


def trusted(state: str, enabled: bool) -> bool:
    """Whether an administrator vouches for a version that somebody sent: it may run beside
    everything else in the server's process."""
    return enabled and state in (ModelState.GRADUATED, ModelState.CHAMPION)


def _objection(state: str, enabled: bool, action: ModelAction) -> tuple[str, str] | None:
    if action in _SWITCHES:
        if enabled is _SWITCHES[action]:
            return f"is {action.value}d already", ""
        if state == ModelState.CHAMPION:
            return "is the champion", _NAME_ANOTHER
        return None
    if action not in MOVES:
        return f"cannot be moved by {action.value!r}", f"Moves: {', '.join(MOVES)}."
    sources, target = MOVES[action]
    if state == target:
        return f"is {target.value} already", ""
    if state == ModelState.CHAMPION:
        return "is the champion", _NAME_ANOTHER
    if state not in sources:
        remedy = f"{action.value} is for: {', '.join(sorted(sources))}."
        return f"is {state}", remedy.capitalize()
    if action is ModelAction.CHAMPION and not enabled:
        return "is disabled", "Enable it first."
    return None
