"""Ports of models and of the model registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Instance
from spotlab.domain.features import Matrix
from spotlab.domain.model_lifecycle import ModelAction


@runtime_checkable
class RiskModel(Protocol):
    """A model that predicts the interruption hazard of pools."""

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
        """Columns of its input matrix, in order."""
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
            (n,) hazard per hour; NaN for a row that the model rejects (a value is out of range, or
            unknown although the card does not allow that).
        Raises:
            InvalidInput: the matrix does not have f columns, or is not float64.
        """
        ...

    def contributions(self, matrix: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
        """SHAP values in log-odds, which add up to the model's raw score.

        Args:
            matrix: as in `hazard_per_hour`.
        Returns:
            (n, f) contributions and (n,) base values.
        Raises:
            InvalidInput: as in `hazard_per_hour`, or the model has no explanations.
        """
        ...


@runtime_checkable
class BucketModel(Protocol):
    """A model that also predicts P(next advisor bucket >= 3) of pools."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of its input matrix, in order."""
        ...

    def high_bucket_probability(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n,) probabilities; NaN for a rejected row. `matrix` is (n, f), as in RiskModel."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A registered model version.

    Args:
        name, version: as in its card.
        task: "advisor" or "capacity".
        digest: SHA-256 over the artefact's checksums file.
        path: folder, relative to models/.
        state: a ModelState.
        registered_at: aware UTC.
        card: content of card.json.
        enabled: False: evaluations do not use it.
    """

    name: str
    version: str
    task: str
    digest: str
    path: str
    state: str
    registered_at: datetime
    card: Mapping[str, Any]
    enabled: bool = True

    @property
    def reference(self) -> str:
        """ "name@version"."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class By:
    """Signature of a change.

    Args:
        actor: name of the user; "spotlab" for automatic actions.
        at: aware UTC.
        reason: entered by the actor; "": none.
        via: "session", "token NAME", "command line", …; "": the app itself.
    """

    actor: str
    at: datetime
    reason: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One event in the history of a model.

    Args:
        event_id: position in the history; 0 until it is recorded.
        at, actor, reason: as in By.
        name, version, task: of the model; "" if unknown, for a rejected upload.
        action: a ModelAction.
        before, after: state, "enabled" or "disabled", or the assigned model reference
            ("champion": none assigned).
        instance_id: of an assignment; else "".
    """

    event_id: int
    at: datetime
    actor: str
    name: str
    version: str
    task: str
    action: str
    before: str
    after: str
    reason: str
    instance_id: str = ""


class ModelRegistry(Protocol):
    """The registered model versions, the champions, and the history.

    Every change records a ModelEvent in the same transaction; events are never modified.
    """

    def register(self, record: ModelRecord, by: By | None = None) -> bool:
        """Register a candidate model; True if it is new.

        Args:
            record: in the state candidate.
            by: None: SpotLab itself, at record.registered_at.
        Raises:
            InvalidInput: the version exists with another digest, or the state is not candidate.
        """
        ...

    def records(self) -> list[ModelRecord]:
        """All versions by name, then newest version first."""
        ...

    def trusts(self, name: str, version: str, digest: str) -> bool:
        """Whether a version with this digest is `model_lifecycle.trusted`; fast."""
        ...

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task."""
        ...

    def move(self, name: str, version: str, action: ModelAction, by: By) -> ModelRecord:
        """Carry out an action of `model_lifecycle`; a former champion steps down.

        Raises:
            NotFound: no such version.
            InvalidInput: the action is not allowed in its state; nothing was changed.
        """
        ...

    def assign(
        self,
        instance_id: str,
        record: ModelRecord | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """Assign a version to an instance; None: the champion.

        Raises:
            NotFound: the instance or the version does not exist.
            ChangedMeanwhile: the instance is not as `expected`, on which the change was based.
            InvalidInput: the version is disabled, rejected or archived.
        """
        ...

    def record_rejection(self, name: str, version: str, task: str, by: By) -> None:
        """Record that an upload was rejected; by.reason says why."""
        ...

    def events(self, name: str | None = None, limit: int | None = None) -> list[ModelEvent]:
        """The history, newest first; name None: of all models; limit None: all of it."""
        ...

    def champion_event_at(self, task: str, at: datetime) -> ModelEvent | None:
        """The event by which the champion of a given time became champion; None: there was none."""
        ...
