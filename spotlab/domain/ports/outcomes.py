"""Ports of what happened: interruptions, shadow decisions, outcomes, drift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Instance
from spotlab.domain.drift import MarketSketch
from spotlab.domain.features import Matrix
from spotlab.domain.interruptions import Exposure, InterruptionEvent, OwnRecord
from spotlab.domain.market import MarketName
from spotlab.domain.outcomes import Outcome, ShadowDecision, Target
from spotlab.domain.ports.models import By


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


class InterruptionLog(Protocol):
    """Own interruptions, and the hours in which they could have happened."""

    def add(self, events: Sequence[InterruptionEvent], by: By | None = None) -> int:
        """Record events; one that is known (instance, kind and time; for an instance seen
        reclaimed: instance and kind) adds nothing.

        Args:
            events: of any kind.
            by: a person who records them, for the audit log; None: SpotLab saw them itself.
        Returns:
            How many are new.
        """
        ...

    def events(
        self, *, emulated: bool | None = None, since: datetime | None = None
    ) -> list[InterruptionEvent]:
        """Newest first; emulated None: those of every AWS."""
        ...

    def seen_running(
        self,
        instances: Sequence[Instance],
        now: datetime,
        last_listed_at: datetime | None,
        *,
        emulated: bool,
    ) -> None:
        """Note that these instances run now; spot ones in state "running" count.

        Args:
            instances: as listed.
            now: when.
            last_listed_at: when the account was listed before; None: never. Over a longer gap
                than MAX_GAP nothing counts as exposure.
            emulated: of the emulated AWS.
        """
        ...

    def exposures(self, *, emulated: bool, since: datetime) -> list[Exposure]:
        """Those that reach beyond a moment, by start."""
        ...

    def own_record(self, market: MarketName, now: datetime) -> OwnRecord:
        """What own instances went through in a market, over the last EVIDENCE_WINDOW.

        The simulated market learns from the emulated AWS alone, the public and the account's
        market from real instances alone, and a recorded market, which is past, from none.
        """
        ...


class ShadowLog(Protocol):
    """What challengers would have decided."""

    def record(self, decisions: Sequence[ShadowDecision]) -> None:
        """Store them; one that is known (experiment and model) stays as it is."""
        ...

    def list(
        self,
        *,
        model: str | None = None,
        since: datetime | None = None,
        limit: int = 10_000,
        accounts: Sequence[str] | None = None,
    ) -> list[ShadowDecision]:
        """Newest first; accounts: only beside decisions about their instances."""
        ...

    def of(self, experiment_ids: Sequence[int]) -> Sequence[ShadowDecision]:
        """Those beside these experiments, by experiment and model."""
        ...


class OutcomeLedger(Protocol):
    """Predictions beside what happened."""

    def record(self, outcomes: Sequence[Outcome]) -> int:
        """Store them; one that is known (experiment, target and model) stays as it is.

        Returns:
            How many are new.
        """
        ...

    def list(
        self,
        *,
        target: Target | None = None,
        model: str | None = None,
        market: MarketName | None = None,
        accounts: Sequence[str] | None = None,
    ) -> list[Outcome]:
        """By time of the prediction; accounts: only of decisions about their instances."""
        ...

    def of(self, experiment_ids: Sequence[int]) -> Sequence[Outcome]:
        """Those of these experiments, by experiment and target."""
        ...

    def settled(self, target: Target) -> set[tuple[int, str]]:
        """The experiment and model of every outcome of a target."""
        ...


class DriftLog(Protocol):
    """Scored markets in a few numbers."""

    def record(self, sketch: MarketSketch) -> bool:
        """Store it, by market, model and time; True when new."""
        ...

    def last_at(self, market: MarketName, model: str) -> datetime | None:
        """When the newest was made; None: there is none."""
        ...

    def list(self, market: MarketName, model: str) -> list[MarketSketch]:
        """Oldest first."""
        ...
