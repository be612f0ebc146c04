"""Models whose libraries run in a separate process; the card is checked and applied here.

They have the same interface as other models, and return the same numbers, bit for bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, ModelFailed
from spotlab.inference import model_worker as wire
from spotlab.inference.adapters import CheckedModel
from spotlab.inference.artefacts import Artefact, verify
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.card import CAPACITY, CapacitySpec
from spotlab.inference.input_checks import CheckedInput
from spotlab.inference.model_process import Source
from spotlab.inference.model_workers import ModelWorkers

FloatArray = NDArray[np.float64]
MAX_REQUEST_BYTES: Final = 2**25
"""A larger matrix is sent in several requests, each with its own time limit."""


def open_isolated(
    folder: Path, artefact: Artefact, workers: ModelWorkers
) -> IsolatedRisk | IsolatedCapacity:
    """A model that runs in a separate process.

    Args:
        folder: its files, read again when a process starts.
        artefact: as verified; its model is not opened here.
        workers: start and manage the processes.
    Raises:
        ArtefactRefused: the card is not consistent.
    """
    spec = artefact.card.spec

    def read() -> Artefact:
        artefact_now = verify(folder)
        if artefact_now.digest != artefact.digest:
            raise ArtefactRefused(f"The files of {spec.name}@{spec.version} have changed.")
        return artefact_now

    source = Source(f"{spec.name}@{spec.version}", spec.kind, artefact.digest, read)
    library = _Library(source, workers)
    if spec.task == CAPACITY:
        return IsolatedCapacity(artefact, library)
    return IsolatedRisk(artefact, library)


class _Library:
    """A model's library in a separate process."""

    def __init__(self, source: Source, workers: ModelWorkers) -> None:
        self._source = source
        self._workers = workers

    def raise_if_failed(self) -> None:
        """Raise the model's error if it failed within the last BLOCKED_S seconds."""
        self._workers.raise_if_failed(self._source)

    def score(self, rows: Matrix, horizon_h: float = 0.0) -> FloatArray:
        """(n,) scores."""
        batches = [self._request(wire.SCORE, batch, 1, horizon_h) for batch in _batches(rows)]
        return np.concatenate(batches)

    def contributions(self, rows: Matrix, width: int) -> tuple[Matrix, FloatArray]:
        """(n, width) contributions and (n,) bases."""
        batches = [self._request(wire.CONTRIBUTIONS, batch, width + 1) for batch in _batches(rows)]
        parts = [values[: len(values) // (width + 1) * width] for values in batches]
        bases = [values[len(values) // (width + 1) * width :] for values in batches]
        return np.concatenate(parts).reshape(-1, width), np.concatenate(bases)

    def contributions_at(self, rows: Matrix, width: int, horizon_h: float) -> Matrix:
        """(n, width) contributions, including those of the horizon and the base."""
        batches = [
            self._request(wire.CONTRIBUTIONS, batch, width, horizon_h) for batch in _batches(rows)
        ]
        return np.concatenate(batches).reshape(-1, width)

    def _request(
        self, operation: bytes, rows: Matrix, width: int, horizon_h: float = 0.0
    ) -> FloatArray:
        header = wire.REQUEST_HEADER.pack(operation, horizon_h, len(rows))
        numbers = np.ascontiguousarray(rows, dtype=np.float64)
        parts = (header, numbers.data)
        response = self._workers.request(self._source, parts, 8 * len(rows) * width)
        values = np.frombuffer(response, dtype=np.float64)
        if not np.isfinite(values).all():
            what = "returned values that are not finite numbers"
            raise ModelFailed(f"Model {self._source.reference} {what}.", what=what)
        return values


def _batches(rows: Matrix) -> list[Matrix]:
    batch_rows = max(1, MAX_REQUEST_BYTES // (8 * rows.shape[1]))
    return [rows[start : start + batch_rows] for start in range(0, len(rows), batch_rows)]


class IsolatedRisk(CheckedModel):
    """A model of the monthly rate in a separate process.

    Args:
        artefact: as verified.
        library: computes its raw scores.
    Raises:
        ArtefactRefused: the card is for another task.
    """

    def __init__(self, artefact: Artefact, library: _Library) -> None:
        super().__init__(artefact.card, artefact.digest)
        self.library = library

    def _score(self, rows: Matrix) -> FloatArray:
        return self.library.score(rows) if len(rows) else np.zeros(0)

    def _score_contributions(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        width = len(self.feature_names)
        return (
            self.library.contributions(rows, width) if len(rows) else (rows[:, :width], np.zeros(0))
        )


class IsolatedCapacity(CapacityModel):
    """A capacity model whose trees run in a separate process; its logistic terms are in its card.

    Args:
        artefact: as verified.
        library: computes the scores of its trees.
    Raises:
        ArtefactRefused: the card is for another task.
    """

    def __init__(self, artefact: Artefact, library: _Library) -> None:
        CheckedInput.__init__(self, artefact.card, artefact.digest)
        if not isinstance(artefact.card.spec, CapacitySpec):
            raise ArtefactRefused(f"card.json: task {artefact.card.spec.task} is not {CAPACITY}")
        self._spec = artefact.card.spec
        self.library = library

    def _tree_scores(self, rows: Matrix, horizon_h: float, *, contributions: bool) -> FloatArray:
        width = len(self.feature_names) + 2
        if not len(rows):
            return np.zeros((0, width) if contributions else 0)
        if contributions:
            return self.library.contributions_at(rows, width, horizon_h)
        return self.library.score(rows, horizon_h)
