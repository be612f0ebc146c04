"""Port of sweeps and their cells."""

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
        created_at: when it was first requested.
        state: as last reported; a sweep whose process was killed stays `running`.
        config: the request, as plain values.
        total: number of cells.
        done: number of finished cells.
        error: why it failed, one sentence; else "".
        cancel_requested: a running sweep was requested to stop.
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
    """Sweeps and their finished cells. All writes are idempotent."""

    def open(
        self,
        sweep_id: str,
        config: Mapping[str, Any],
        total: int,
        at: datetime,
        by: By | None = None,
    ) -> SweepRecord:
        """Queue a sweep, or requeue one that was cancelled or failed; its cells are preserved.

        Args:
            sweep_id, config, total, at: as in SweepRecord.
            by: the user, for the audit log; None: not requested by a user.
        """
        ...

    def begin(self, sweep_id: str) -> None:
        """Mark a sweep as running, and clear an earlier request to stop. Raises NotFound."""
        ...

    def finish(self, sweep_id: str, state: SweepState, error: str = "") -> None:
        """Record the final state of a sweep. Raises NotFound."""
        ...

    def cancel(self, sweep_id: str, by: By | None = None) -> None:
        """Cancel a queued sweep, or request a running one to stop. Raises NotFound."""
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

    def store_cell(self, sweep_id: str, key: str, result: Mapping[str, Any]) -> None:
        """Store a finished cell.

        Args:
            sweep_id: of the sweep.
            key: of the cell, unique within the sweep.
            result: plain values; floats are returned bit for bit.
        Raises:
            InvalidInput: a number is infinite or NaN.
        """
        ...

    def finished(self, sweep_id: str) -> dict[str, dict[str, Any]]:
        """The results of the finished cells, in order of their keys."""
        ...
