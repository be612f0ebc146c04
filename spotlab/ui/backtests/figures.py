"""The figures of a sweep, read once for everybody while its progress stays the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.services import Services
from spotlab.sweeps.sweep_summary import SweepFigures
from spotlab.ui.common import session

_CACHED_FOR: Final = timedelta(minutes=30)


def figures(record: SweepRecord) -> SweepFigures | None:
    """The figures so far; None while no window is complete."""
    return _figures((record.sweep_id, record.done), record, session.reader())


@st.cache_resource(show_spinner=False, ttl=_CACHED_FOR, max_entries=8)
def _figures(  # the key changes with the sweep's progress
    key: tuple[str, int],  # noqa: ARG001
    _record: SweepRecord,
    _services: Services,
) -> SweepFigures | None:
    return _services.backtests.figures(_record)
