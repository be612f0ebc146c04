"""Form fields for facts that a trace file does not contain: polarity and gap."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from spotlab.recorded.traces import POLARITIES, Polarity

UNDECLARED = "as in the file"


def polarity(place: DeltaGenerator, key: str) -> Polarity | None:
    """What 1 means in the file; None: the file states it."""
    return place.selectbox(
        "1 means",
        POLARITIES,
        index=None,
        placeholder=UNDECLARED,
        key=key,
        help="A CSV file does not state what 1 means, so choose it here. A JSON file "
        "contains the number of available nodes.",
    )


def gap_s(place: DeltaGenerator, key: str) -> float | None:
    """Seconds between ticks; None: the file states them."""
    return place.number_input(
        "Gap (s)",
        min_value=1.0,
        value=None,
        placeholder=UNDECLARED,
        key=key,
        help="Seconds between ticks, if the file does not state them.",
    )
