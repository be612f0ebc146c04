"""The background task of a head to head, and its result."""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.services.model_comparison import ComparisonRequest, ComparisonResult
from spotlab.ui.common import background_tasks, session

SLOT: Final = "versus"
_SHOWN: Final = "versus:shown"


def begin(request: ComparisonRequest) -> None:
    """Start the comparison. Raises Forbidden."""
    services = session.services()
    services.principal.require(Right.BACKTEST)
    st.session_state[_SHOWN] = (request, "")
    background_tasks.begin(
        SLOT,
        f"{request.first} against {request.second}",
        lambda tell, stopped: services.comparisons.compare(request, tell, stopped),
    )


def outcome(request: ComparisonRequest | None) -> ComparisonResult | None:
    """The result of the current request; None: not compared yet."""
    run = background_tasks.take(SLOT)
    shown, key = st.session_state.get(_SHOWN, (None, ""))
    if run is not None and run.result is not None:
        key = run.result.digest
        st.session_state[_SHOWN] = (shown, key)
    return session.services().comparisons.result(key) if key and shown == request else None
