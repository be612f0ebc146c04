"""Labels of roles, of users' accounts and states, and of changes in the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from spotlab.domain.access import MEANINGS, RIGHTS, Right, Role
from spotlab.domain.ports import User
from spotlab.ui.common import formatting
from spotlab.ui.common.permissions import A_ROLE

ASSIGNABLE_ROLES: Final = (Role.VIEWER, Role.RESEARCHER, Role.OPERATOR, Role.ADMIN)
MAX_CHANGE_CHARACTERS: Final = 160


def rights_of_role(role: Role) -> str:
    """What a role allows: its own rights, then a reference to the role below."""
    roles = list(Role)
    below = roles[roles.index(role) - 1] if role not in (Role.DEMO, Role.VIEWER) else None
    added = RIGHTS[role] - (RIGHTS[below] if below is not None else frozenset())
    texts = [MEANINGS[right] for right in Right if right in added]
    if below is not None:
        texts.append(f"and everything that {A_ROLE[below].lower()} may do")
    return formatting.listed(texts, most=20)


def accounts(names: Sequence[str] | None) -> str:
    """The accounts that a user sees; None: all."""
    return "all" if names is None else ", ".join(names) or "none"


def sign_in_state(user: User, now: datetime) -> str:
    """Whether a user can sign in, in a word or two."""
    if not user.active:
        return "disabled"
    if user.locked_until is not None and user.locked_until > now:
        return "locked"
    if user.must_change:
        return "must choose a password"
    return "active" if user.last_sign_in_at is not None else "not signed in yet"


def change(before: Any, after: Any) -> str:
    """The change of an audit entry in short: `shadow: true → false`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        text = "; ".join(
            f"{name}: {_text(before.get(name))} → {_text(after.get(name))}" for name in names
        )
    elif before is None:
        text = _text(after) if after is not None else ""
    else:
        text = f"{_text(before)} → {_text(after)}"
    return text if len(text) <= MAX_CHANGE_CHARACTERS else f"{text[:MAX_CHANGE_CHARACTERS]}…"


def _text(value: Any) -> str:
    if value is None or value == "":
        return formatting.UNKNOWN
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    return json.dumps(value, ensure_ascii=False)
