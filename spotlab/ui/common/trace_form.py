"""What a trace file does not say itself, and its sender declares."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from spotlab.recorded.traces import POLARITIES, Polarity

UNDECLARED = "as the file says"


def polarity(place: DeltaGenerator, key: str) -> Polarity | None:
    """What 1 means in the file; None: the file says it."""
    return place.selectbox(
        "1 means",
        POLARITIES,
        index=None,
        placeholder=UNDECLARED,
        key=key,
        help="A CSV does not say what 1 means: declare it. JSON counts what is available.",
    )


def gap_s(place: DeltaGenerator, key: str) -> float | None:
    """Seconds from tick to tick; None: the file says it."""
    return place.number_input(
        "Gap, s",
        min_value=1.0,
        value=None,
        placeholder=UNDECLARED,
        key=key,
        help="Seconds from tick to tick, where the file does not say.",
    )
