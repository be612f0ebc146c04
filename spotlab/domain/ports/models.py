"""Ports of models and their registry. Domain floor: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix


@runtime_checkable
class RiskModel(Protocol):
    """A model that gives a pool's interruption hazard."""

    @property
    def name(self) -> str:
        """Such as "advisor-lgbm"."""
        ...

    @property
    def version(self) -> str:
        """Such as "1.0.0"."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrix it wants, in order."""
        ...

    @property
    def card(self) -> Mapping[str, Any]:
        """Its model card, as in card.json."""
        ...

    def hazard_per_hour(self, matrix: Matrix) -> NDArray[np.float64]:
        """Hazard of each row.

        Args:
            matrix: (n, f) float64, columns as feature_names, NaN is unknown.
        Returns:
            (n,) hazard per hour; NaN for a row the model refuses (a value out of range, or a
            missing one that the card does not allow).
        Raises:
            InvalidInput: the matrix has not f columns or is not float64.
        """
        ...

    def contributions(self, matrix: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
        """SHAP values in the model's own raw units (log-odds), which add up to its raw score.

        Returns:
            (n, f) contributions and the (n,) base values.
        Raises:
            InvalidInput: as above, or the model has no explanation.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A registered model version.

    Args:
        name, version: as in its card.
        task: such as "advisor".
        digest: SHA-256 over the artefact's checksums file.
        path: folder under models/, relative.
        state: candidate, graduated, champion, rejected or archived.
        registered_at: aware UTC.
        card: card.json.
    """

    name: str
    version: str
    task: str
    digest: str
    path: str
    state: str
    registered_at: datetime
    card: Mapping[str, Any]


class ModelRegistry(Protocol):
    """Which model versions there are, and which is the champion."""

    def register(self, record: ModelRecord) -> bool:
        """Insert by (name, version); True when new.

        Raises:
            InvalidInput: the version exists with another digest.
        """
        ...

    def records(self) -> list[ModelRecord]:
        """By name, then newest version first."""
        ...

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task."""
        ...

    def set_champion(self, name: str, version: str) -> None:
        """Make it the champion of its task; the former one becomes graduated. Raises NotFound."""
        ...
