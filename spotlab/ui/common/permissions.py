"""Explanations for actions that a user's role does not allow."""

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
    """Who may do it: "An operator may evaluate instances."; None: this user may."""
    return None if identity.current().may(right) else who_may(right)


def who_may(right: Right) -> str:
    """A sentence that names the lowest role with a right."""
    lowest = next(role for role in Role if right in RIGHTS[role])
    return f"{A_ROLE[lowest]} may {MEANINGS[right]}."


def caption(right: Right) -> bool:
    """Whether this user may; if not, a caption says who may."""
    reason = why_not(right)
    if reason is not None:
        st.caption(f":material/lock: {reason}")
    return reason is None
