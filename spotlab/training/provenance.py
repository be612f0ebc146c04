"""Detection of traces that a model was trained on.

A digest finds the same file. A sketch finds the same record in another file: renamed, cut, rebuilt
from another source, or in another format. It consists of hashes of short sequences of run lengths
(how long a pool stayed up or down), which two pools hardly ever share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import Trace
from spotlab.recorded.file_reading import digest_of_file

FloatArray = NDArray[np.float64]

CARD_KEY: Final = "training_traces"
"""Key in a model card for the result of `training_traces`."""
RUNS_PER_SEQUENCE: Final = 8
"""Run lengths in one hashed sequence."""
MIN_SEQUENCE_TICKS: Final = 60
"""Shorter sequences are not used: rapid changes look alike in every pool."""
SKETCH_SIZE: Final = 48
MIN_SHARED_SEQUENCES: Final = 3
"""Two records are the same if they share at least this many sequences of a sketch."""


def training_traces(traces: Sequence[Trace], files: Sequence[Path]) -> list[dict[str, Any]]:
    """The card's entries about the training traces: name, digest and sketch.

    Args:
        traces, files: n each, in the same order.
    """
    return [
        {"name": trace.name, "sha256": digest_of_file(path), "sketch": sketch(trace.available)}
        for trace, path in zip(traces, files, strict=True)
    ]


def sketch(available: FloatArray) -> list[str]:
    """The smallest hashes of a record's sequences, sorted; empty if it hardly changes.

    Args:
        available: (n,) 1, 0 or NaN.
    """
    return sorted(_sequences(available))[:SKETCH_SIZE]


def learned_from(
    card: Mapping[str, Any], traces: Sequence[Trace], files: Sequence[Path]
) -> dict[str, str]:
    """Why a trace counts as training data of the model, by the trace's name."""
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
        hashlib.blake2s(
            run_ticks[i : i + RUNS_PER_SEQUENCE].astype("<i8").tobytes(), digest_size=6
        ).hexdigest()
        for i in range(len(run_ticks) - RUNS_PER_SEQUENCE + 1)
        if run_ticks[i : i + RUNS_PER_SEQUENCE].sum() >= MIN_SEQUENCE_TICKS
    }
