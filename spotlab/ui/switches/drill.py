"""A drill that one can watch, where AWS is emulated."""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.drills import DrillKind
from spotlab.domain.switches import Switch
from spotlab.ui.common import background_tasks, session

SLOT: Final = "drill"
PARAMETER: Final = "switch"


def show_button() -> None:
    """A button that sends a two-minute notice about an instance; nothing on a real AWS."""
    if not session.services().drills.possible:
        return
    run = background_tasks.take(SLOT)
    if run is not None and run.result is not None:
        switch: Switch = run.result
        st.query_params[PARAMETER] = switch.switch_id
        st.rerun()
    background_tasks.start_button(
        "Run a drill",
        SLOT,
        Right.REQUEST_SWITCHES,
        _start,
        icon=":material/notification_important:",
        key="drill-now",
    )


def show_progress() -> None:
    """The progress of a drill until its switch is requested."""
    background_tasks.watch(SLOT)


def _start() -> None:
    services = session.services().drills
    background_tasks.begin(
        SLOT, "Drill", lambda tell, _stopped: services.run(DrillKind.NOTICE, tell)
    )
