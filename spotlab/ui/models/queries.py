"""Cached reads of the Models page, shared between users for some seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import streamlit as st

from spotlab.domain.online_weights import OnlineWeights
from spotlab.errors import NoMarketData, NotFound
from spotlab.pipeline.drift import DriftReport
from spotlab.runtime.outcomes import OutcomesView
from spotlab.services import Services
from spotlab.services.models import ModelEntry
from spotlab.ui.common import session

ENTRIES_FOR: Final = timedelta(seconds=10)
WORK_FOR: Final = timedelta(seconds=30)
BY_ACCOUNTS: Final[dict[str | type[Any], Callable[[Any], Any]]] = {Services: session.by_accounts}


def entries() -> Sequence[ModelEntry]:
    """Every version with its files checked, at most 10 s old. Shared: do not modify."""
    return _entries(session.reader())


@st.cache_resource(show_spinner=False, ttl=ENTRIES_FOR, max_entries=16, hash_funcs=BY_ACCOUNTS)
def _entries(services: Services) -> Sequence[ModelEntry]:
    return services.models.entries()


def forget() -> None:
    """Clear the caches after a change."""
    _entries.clear()
    _outcomes.clear()
    _weights.clear()


def entry(reference: str) -> ModelEntry:
    """One version by "name@version".

    Raises:
        NotFound: no such version; its remedy lists the known ones.
    """
    known = {found.record.reference: found for found in entries()}
    if reference not in known:
        raise NotFound(
            f"No model {reference!r} is registered.",
            remedy=f"Available: {', '.join(known) or 'none'}.",
        )
    return known[reference]


def outcomes() -> OutcomesView | None:
    """Predictions and shadow decisions of the active market; None: there is no market.

    Shared between users who see the same accounts.
    """
    try:
        return _outcomes(session.reader())
    except NoMarketData:
        return None


@st.cache_resource(show_spinner=False, ttl=WORK_FOR, max_entries=16, hash_funcs=BY_ACCOUNTS)
def _outcomes(services: Services) -> OutcomesView:
    return services.outcomes.view()


def drifted(model: str) -> DriftReport | None:
    """Drift of a model in the active market; None: there is no market. Shared by all users."""
    try:
        return _drifted(model, session.reader())
    except NoMarketData:
        return None


@st.cache_resource(show_spinner=False, ttl=WORK_FOR, max_entries=8)
def _drifted(model: str, _services: Services) -> DriftReport:
    return _services.outcomes.drift(model)


def weights() -> OnlineWeights | None:
    """What was learnt about live capacity forecasts; None: nothing yet.

    Shared between users who see the same accounts.
    """
    return _weights(session.reader())


@st.cache_resource(show_spinner=False, ttl=WORK_FOR, max_entries=16, hash_funcs=BY_ACCOUNTS)
def _weights(services: Services) -> OnlineWeights | None:
    return services.outcomes.weights()


def instance_names() -> dict[str, str]:
    """Names of the managed instances, by id."""
    return {each.instance_id: each.name or each.instance_id for each in session.fleet()}
