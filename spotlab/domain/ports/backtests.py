"""Port of backtest sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from spotlab.domain.ports.models import By

SweepState = Literal["queued", "running", "done", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep: policies and models over windows.

    Args:
        sweep_id: digest of everything its results depend on.
        created_at: when it was asked for first.
        state: `running` is what it last said of itself: a process that was killed says no more.
        config: what was asked for, in plain values.
        total: cells.
        done: cells that are finished and kept.
        error: why it failed, one sentence; "" else.
        cancel_requested: somebody asked a running sweep to stop.
    """

    sweep_id: str
    created_at: datetime
    state: SweepState
    config: Mapping[str, Any]
    total: int
    done: int
    error: str
    cancel_requested: bool


class Sweeps(Protocol):
    """Sweeps and their finished cells. Every write may be repeated without harm."""

    def open(
        self,
        sweep_id: str,
        config: Mapping[str, Any],
        total: int,
        at: datetime,
        by: By | None = None,
    ) -> SweepRecord:
        """Queue a sweep, or again one that was cancelled or failed; its cells are kept.

        Args:
            sweep_id, config, total, at: as in SweepRecord.
            by: who asks, for the audit log; None: it is no person's wish.
        """
        ...

    def begin(self, sweep_id: str) -> None:
        """It runs now; an old wish to stop it is forgotten. Raises NotFound."""
        ...

    def finish(self, sweep_id: str, state: SweepState, error: str = "") -> None:
        """It runs no more. Raises NotFound."""
        ...

    def cancel(self, sweep_id: str, by: By | None = None) -> None:
        """Cancel one that is queued, ask one that runs to stop. Raises NotFound."""
        ...

    def get(self, sweep_id: str) -> SweepRecord:
        """One sweep.

        Raises:
            NotFound: no such sweep.
        """
        ...

    def list(self, limit: int = 100) -> list[SweepRecord]:
        """Newest first."""
        ...

    def keep(self, sweep_id: str, key: str, result: Mapping[str, Any]) -> None:
        """Keep a finished cell.

        Args:
            key: of the cell, unique within the sweep.
            result: plain values; every float comes back bit for bit.
        Raises:
            InvalidInput: a number that is infinite or NaN.
        """
        ...

    def finished(self, sweep_id: str) -> dict[str, dict[str, Any]]:
        """The finished cells' results, by key in order."""
        ...
