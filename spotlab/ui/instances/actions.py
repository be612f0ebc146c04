"""The main action of the Instances page: evaluate the selected instances, or all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.ui.common import background_tasks, session
from spotlab.ui.common.formatting import count

SLOT: Final = "evaluate"


def show_button(place: DeltaGenerator, progress: DeltaGenerator, ids: Sequence[str]) -> None:
    """The button, and the progress of the evaluation that it starts.

    Args:
        place: of the button.
        progress: of the progress.
        ids: of the selected instances; empty: all.
    """
    with place:
        background_tasks.start_button(
            f"Evaluate {len(ids)} selected" if ids else "Evaluate all",
            SLOT,
            Right.EVALUATE,
            _evaluate,
            (list(ids) or None,),
            icon=":material/play_arrow:",
            key="evaluate-now",
        )
    with progress:
        background_tasks.watch(SLOT)


def _evaluate(ids: list[str] | None) -> None:
    services = session.services().instances
    background_tasks.begin(
        SLOT,
        "Evaluating",
        lambda tell, stopped: services.evaluate(ids, progress=tell, cancelled=stopped),
    )


def show_outcome() -> None:
    """A toast with the result of the last evaluation, once."""
    run = background_tasks.take(SLOT)
    if run is None:
        return
    session.forget_market()
    experiments: list[Experiment] | None = run.result
    if experiments is not None:
        failed = sum(bool(experiment.error) for experiment in experiments)
        text = f"{count(len(experiments), 'decision')} recorded"
        st.toast(text + (f"; {failed} failed." if failed else "."))
