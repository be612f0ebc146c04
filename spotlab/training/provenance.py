"""Whether a trace was part of what a model learned from.

A digest finds the same file again. A sketch finds the same record in another file: renamed, cut,
rebuilt from another source, or written in another form. It hashes short sequences of how long a
pool stayed up and down, which two pools hardly ever share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.traces import Trace
from spotlab.recorded.content import digest_of_file

FloatArray = NDArray[np.float64]

CARD_KEY: Final = "training_traces"
"""Where a model card keeps what `training_traces` gives."""
RUNS_PER_SEQUENCE: Final = 8
"""How many stays, up and down, a hashed sequence has."""
MIN_SEQUENCE_TICKS: Final = 60
"""A sequence shorter than this is no evidence: flapping looks alike everywhere."""
SKETCH_SIZE: Final = 48
MIN_SHARED_SEQUENCES: Final = 3
"""Two records are the same where this many sequences of a sketch are found again."""


def training_traces(traces: Sequence[Trace], files: Sequence[Path]) -> list[dict[str, Any]]:
    """What a card says of the traces that its model learned from.

    Args:
        traces, files: n, in one order.
    """
    return [
        {"name": trace.name, "sha256": digest_of_file(path), "sketch": sketch(trace.available)}
        for trace, path in zip(traces, files, strict=True)
    ]


def sketch(available: FloatArray) -> list[str]:
    """The smallest hashes of a record's sequences, sorted; empty where it hardly changes.

    Args:
        available: (n,) 1, 0 or NaN.
    """
    return sorted(_sequences(available))[:SKETCH_SIZE]


def learned_from(
    card: Mapping[str, Any], traces: Sequence[Trace], files: Sequence[Path]
) -> dict[str, str]:
    """Why the model is taken to have learned from a trace, by the trace's name."""
    card_text = json.dumps(card)
    training_entries = [entry for entry in card.get(CARD_KEY, ()) if isinstance(entry, Mapping)]
    reasons = {}
    for trace, path in zip(traces, files, strict=True):
        sequences = _sequences(trace.available)
        if digest_of_file(path) in card_text or _digest_as_stored(path) in card_text:
            reasons[trace.name] = "the same file"
            continue
        for entry in training_entries:
            if len(sequences.intersection(entry.get("sketch", ()))) >= MIN_SHARED_SEQUENCES:
                reasons[trace.name] = f"the same record as {entry.get('name')}"
                break
    return reasons


def _digest_as_stored(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sequences(available: FloatArray) -> set[str]:
    recorded = available[~np.isnan(available)]
    changes = np.flatnonzero(np.diff(recorded)) + 1
    run_ticks = np.diff(changes)
    return {
        hashlib.blake2s(run_ticks[i : i + RUNS_PER_SEQUENCE].astype("<i8").tobytes(), digest_size=6).hexdigest()
        for i in range(len(run_ticks) - RUNS_PER_SEQUENCE + 1)
        if run_ticks[i : i + RUNS_PER_SEQUENCE].sum() >= MIN_SEQUENCE_TICKS
    }
