"""Roles, accounts and changes in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from spotlab.domain.access import MEANINGS, RIGHTS, Right, Role
from spotlab.domain.ports import User
from spotlab.ui.common import formatting

OFFERED: Final = (Role.VIEWER, Role.RESEARCHER, Role.OPERATOR, Role.ADMIN)
MOST_TOLD: Final = 160


def allows(role: Role) -> str:
    """What a role allows beyond the one below it: "may …, … and what a viewer may"."""
    order = list(Role)
    below = order[order.index(role) - 1] if role not in (Role.DEMO, Role.VIEWER) else None
    more = RIGHTS[role] - (RIGHTS[below] if below is not None else frozenset())
    told = [MEANINGS[right] for right in Right if right in more]
    if below is not None:
        told.append(f"all that a {below} may")
    return formatting.listed(told, most=20)


def accounts(seen: Sequence[str] | None) -> str:
    """Whose instances somebody sees."""
    return "all" if seen is None else ", ".join(seen) or "none"


def standing(user: User, now: datetime) -> str:
    """Whether somebody may sign in, in a word or two."""
    if not user.active:
        return "disabled"
    if user.locked_until is not None and user.locked_until > now:
        return "locked"
    if user.must_change:
        return "to choose a password"
    return "active" if user.last_sign_in_at is not None else "not signed in yet"


def change(before: Any, after: Any) -> str:
    """What an entry of the audit log changed, short: `shadow: true → false`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        told = "; ".join(
            f"{name}: {_plain(before.get(name))} → {_plain(after.get(name))}" for name in names
        )
    elif before is None:
        told = _plain(after) if after is not None else ""
    else:
        told = f"{_plain(before)} → {_plain(after)}"
    return told if len(told) <= MOST_TOLD else f"{told[:MOST_TOLD]}…"


def _plain(value: Any) -> str:
    if value is None or value == "":
        return formatting.UNKNOWN
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return json.dumps(value, ensure_ascii=False)
