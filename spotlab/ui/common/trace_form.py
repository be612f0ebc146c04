"""Form fields for facts that a trace file does not contain: polarity, gap, columns, zone names."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.recorded.traces import POLARITIES, Polarity
from spotlab.recorded.zone_names import ZONES_COMMAND, zone_ids_in

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


def columns(place: DeltaGenerator, key: str) -> tuple[str, ...]:
    """Names of the columns of a CSV without a header line; (): it has one."""
    text = place.text_input(
        "Columns",
        placeholder="as in the first line",
        key=key,
        max_chars=200,
        help="Names of the columns in order, such as tick,time,fail, if a CSV has no header line.",
    )
    return tuple(name for each in text.split(",") if (name := each.strip()))


def zone_ids(key: str) -> tuple[tuple[str, str], ...]:
    """The account's name of each zone id, from an upload; (): none.

    Raises:
        InvalidInput: the file is not what it should be.
    """
    file = st.file_uploader(
        "Names of zone ids, if the files give ids such as use1-az6",
        type="json",
        key=key,
        max_upload_size=1,
        help=f"The output of `{ZONES_COMMAND}` of your account.",
    )
    return tuple(zone_ids_in(file.getvalue(), file.name).items()) if file is not None else ()
