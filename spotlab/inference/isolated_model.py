"""Models whose own libraries run in another process; the card, checked and applied, stays here.

They are asked like any other model and answer the same numbers, bit for bit.
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
QUESTION_BYTES: Final = 2**25
"""A larger matrix is asked about in several questions, each with its own time."""


def isolated(
    folder: Path, artefact: Artefact, workers: ModelWorkers
) -> IsolatedRisk | IsolatedCapacity:
    """A model that answers from another process.

    Args:
        folder: its files, read again when a process starts.
        artefact: as verified; its model is not opened here.
        workers: the processes.
    Raises:
        ArtefactRefused: the card is not consistent.
    """
    spec = artefact.card.spec

    def read() -> Artefact:
        found = verify(folder)
        if found.digest != artefact.digest:
            raise ArtefactRefused(f"The files of {spec.name}@{spec.version} were changed.")
        return found

    source = Source(f"{spec.name}@{spec.version}", spec.kind, artefact.digest, read)
    library = _Library(source, workers)
    if spec.task == CAPACITY:
        return IsolatedCapacity(artefact, library)
    return IsolatedRisk(artefact, library)


class _Library:
    """A model's own library, in another process."""

    def __init__(self, source: Source, workers: ModelWorkers) -> None:
        self._source = source
        self._workers = workers

    def refuse_failed(self) -> None:
        """Nothing, unless the model failed a short time ago; then raises what it failed with."""
        self._workers.refuse_failed(self._source)

    def score(self, rows: Matrix, horizon_h: float = 0.0) -> FloatArray:
        """(n,) scores."""
        pieces = [self._ask(wire.SCORE, each, 1, horizon_h) for each in _pieces(rows)]
        return np.concatenate(pieces)

    def parts(self, rows: Matrix, width: int) -> tuple[Matrix, FloatArray]:
        """(n, width) contributions and (n,) bases."""
        pieces = [self._ask(wire.PARTS, each, width + 1) for each in _pieces(rows)]
        parts = [said[: len(said) // (width + 1) * width] for said in pieces]
        bases = [said[len(said) // (width + 1) * width :] for said in pieces]
        return np.concatenate(parts).reshape(-1, width), np.concatenate(bases)

    def parts_at(self, rows: Matrix, width: int, horizon_h: float) -> Matrix:
        """(n, width) contributions, among them those of the horizon and the base."""
        pieces = [self._ask(wire.PARTS, each, width, horizon_h) for each in _pieces(rows)]
        return np.concatenate(pieces).reshape(-1, width)

    def _ask(
        self, operation: bytes, rows: Matrix, width: int, horizon_h: float = 0.0
    ) -> FloatArray:
        head = wire.QUESTION.pack(operation, horizon_h, len(rows))
        numbers = np.ascontiguousarray(rows, dtype=np.float64)
        question = (head, numbers.data)
        answer = self._workers.ask(self._source, question, 8 * len(rows) * width)
        said = np.frombuffer(answer, dtype=np.float64)
        if not np.isfinite(said).all():
            what = "answers what is no number"
            raise ModelFailed(f"Model {self._source.reference} {what}.", what=what)
        return said


def _pieces(rows: Matrix) -> list[Matrix]:
    most = max(1, QUESTION_BYTES // (8 * rows.shape[1]))
    return [rows[start : start + most] for start in range(0, len(rows), most)]


class IsolatedRisk(CheckedModel):
    """A model of the monthly rate in another process.

    Args:
        artefact: as verified.
        library: answers for it.
    Raises:
        ArtefactRefused: the card gives no monthly rate.
    """

    def __init__(self, artefact: Artefact, library: _Library) -> None:
        super().__init__(artefact.card, artefact.digest)
        self.library = library

    def _score(self, rows: Matrix) -> FloatArray:
        return self.library.score(rows) if len(rows) else np.zeros(0)

    def _score_parts(self, rows: Matrix) -> tuple[Matrix, FloatArray]:
        width = len(self.feature_names)
        return self.library.parts(rows, width) if len(rows) else (rows[:, :width], np.zeros(0))


class IsolatedCapacity(CapacityModel):
    """A capacity model whose trees are in another process; its logistic part is its card's.

    Args:
        artefact: as verified.
        library: answers for its trees.
    Raises:
        ArtefactRefused: the card is of another task.
    """

    def __init__(self, artefact: Artefact, library: _Library) -> None:
        CheckedInput.__init__(self, artefact.card, artefact.digest)
        if not isinstance(artefact.card.spec, CapacitySpec):
            raise ArtefactRefused(f"card.json: task {artefact.card.spec.task} is not {CAPACITY}")
        self._spec = artefact.card.spec
        self.library = library

    def _trees(self, rows: Matrix, horizon_h: float, *, contributions: bool) -> FloatArray:
        width = len(self.feature_names) + 2
        if not len(rows):
            return np.zeros((0, width) if contributions else 0)
        if contributions:
            return self.library.parts_at(rows, width, horizon_h)
        return self.library.score(rows, horizon_h)
