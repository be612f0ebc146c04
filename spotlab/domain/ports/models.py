"""Ports of models and their registry."""

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


@runtime_checkable
class BucketModel(Protocol):
    """A model that also says how likely a pool's next advisor bucket is at least 3."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the matrix it wants, in order."""
        ...

    def high_bucket_probability(self, matrix: Matrix) -> NDArray[np.float64]:
        """(n,) probabilities; NaN for a refused row."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A registered model version.

    Args:
        name, version: as in its card.
        task: such as "advisor".
        digest: SHA-256 over the artefact's checksums file.
        path: folder under models/, relative.
        state: candidate, graduated, champion, rejected or archived (`domain/lifecycle`).
        registered_at: aware UTC.
        card: card.json.
        enabled: False: no evaluation uses it.
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
    """Who changes something, when and why.

    Args:
        actor: a user's name; "spotlab" for what the app does itself.
        at: aware UTC.
        reason: in the actor's words; "": none was given.
        via: how they came: "session", "token NAME", "command line", …; "": the app itself.
    """

    actor: str
    at: datetime
    reason: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One line of the audit trail.

    Args:
        event_id: its place in the trail; 0 before it is recorded.
        at, actor, reason: as in By.
        name, version, task: the model's; "" where a refused upload did not say.
        action: a ModelAction.
        before, after: state, "enabled" or "disabled", or the model reference of an assignment
            ("champion": none of its own).
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
    """Which model versions there are, which is the champion, and how it came to be so.

    Every change leaves a ModelEvent in the same transaction; events are never changed.
    """

    def register(self, record: ModelRecord, by: By | None = None) -> bool:
        """Insert a candidate by (name, version); True when new.

        Args:
            record: its state is candidate.
            by: None: SpotLab itself, at record.registered_at.
        Raises:
            InvalidInput: the version exists with another digest, or the state is not candidate.
        """
        ...

    def records(self) -> list[ModelRecord]:
        """By name, then newest version first."""
        ...

    def trusts(self, name: str, version: str, digest: str) -> bool:
        """Whether a version of just this content is `lifecycle.trusted`; cheap."""
        ...

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task."""
        ...

    def move(self, name: str, version: str, action: ModelAction, by: By) -> ModelRecord:
        """Make one of the moves of `domain/lifecycle`; a former champion steps down.

        Raises:
            NotFound: no such version.
            InvalidInput: this move is not made from its state; nothing changed.
        """
        ...

    def assign(
        self,
        instance_id: str,
        record: ModelRecord | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """Let an instance be evaluated by a version of its own; None: by the champion.

        Raises:
            NotFound: the instance or the version is not there.
            ChangedMeanwhile: the instance is not as `expected`, which the change was made from.
            InvalidInput: the version is disabled, rejected or archived.
        """
        ...

    def refuse(self, name: str, version: str, task: str, by: By) -> None:
        """Record that an upload was refused; by.reason says why."""
        ...

    def events(self, name: str | None = None, limit: int | None = None) -> list[ModelEvent]:
        """The audit trail, newest first; None: of every model, all of it."""
        ...

    def live_at(self, task: str, at: datetime) -> ModelEvent | None:
        """The event that had made the champion which was in force at a moment; None: none was."""
        ...
