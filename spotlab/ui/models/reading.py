"""What the Models page reads, shared between readers for some seconds. Screens floor."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import streamlit as st

from spotlab.domain.ports import ExperimentSummary
from spotlab.errors import NoMarketData, NotFound
from spotlab.pipeline.drift import DriftReport, drift
from spotlab.runtime.outcomes import OutcomesView, outcomes_view
from spotlab.runtime.registry import ModelDesk, ModelEntry
from spotlab.ui import session

ENTRIES_FOR: Final = timedelta(seconds=10)
WORK_FOR: Final = timedelta(seconds=30)


def desk() -> ModelDesk:
    """Where models are looked at and decided about."""
    return ModelDesk.of(session.lab())


@st.cache_resource(show_spinner=False, ttl=ENTRIES_FOR, max_entries=1)
def entries() -> list[ModelEntry]:
    """Every version, with its files checked; at most 10 s old. Shared: not to be changed."""
    return desk().entries()


def forget() -> None:
    """After a change: the next read is a new one."""
    entries.clear()
    outcomes.clear()


def entry(reference: str) -> ModelEntry:
    """One version by "name@version".

    Raises:
        NotFound: no such version; says which there are.
    """
    known = {found.record.reference: found for found in entries()}
    if reference not in known:
        raise NotFound(
            f"No model {reference!r} is registered.",
            remedy=f"There is: {', '.join(known) or 'none'}.",
        )
    return known[reference]


@st.cache_resource(show_spinner=False, ttl=WORK_FOR, max_entries=1)
def outcomes() -> OutcomesView | None:
    """Predictions and shadow decisions of the active market; None: there is no market. Shared."""
    try:
        return outcomes_view(session.lab())
    except NoMarketData:
        return None


@st.cache_resource(show_spinner=False, ttl=WORK_FOR, max_entries=8)
def drifted(model: str) -> DriftReport | None:
    """Drift of a model in the active market; None: there is no market. Shared, as above."""
    store = session.lab().store
    market = store.archive.active_market()
    return drift(market, model, store.drift.list(market, model)) if market is not None else None


def oldest_decision() -> ExperimentSummary | None:
    """The first decision that was recorded; None: there is none."""
    ledger = session.lab().store.ledger
    found = ledger.list(limit=1, offset=max(0, ledger.count() - 1))
    return found[0] if found else None


def instance_names() -> dict[str, str]:
    """Names of the instances that are looked after, by id."""
    return {each.instance_id: each.name or each.instance_id for each in session.fleet()}
