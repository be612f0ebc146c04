"""What a reader may not do is shown as such, with who may."""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import MEANINGS, RIGHTS, Right, Role
from spotlab.ui.common import identity

A_ROLE: Final[dict[Role, str]] = {
    Role.DEMO: "A visitor",
    Role.VIEWER: "A viewer",
    Role.RESEARCHER: "A researcher",
    Role.OPERATOR: "An operator",
    Role.ADMIN: "An administrator",
}


def why_not(right: Right) -> str | None:
    """Who may do it, where this reader may not: "An operator may evaluate instances."; None: they
    may themselves."""
    return None if identity.current().may(right) else who_may(right)


def who_may(right: Right) -> str:
    """The least role that has a right, in a sentence."""
    least = next(role for role in Role if right in RIGHTS[role])
    return f"{A_ROLE[least]} may {MEANINGS[right]}."


def caption(right: Right) -> bool:
    """Whether this reader may; where not, a line says who may."""
    reason = why_not(right)
    if reason is not None:
        st.caption(f":material/lock: {reason}")
    return reason is None
