"""Ports of the market: sources and the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spotlab.domain.market import FeedKind, MarketName, Snapshot


class FeedSource(Protocol):
    """One place that market snapshots come from."""

    @property
    def name(self) -> str:
        """A person's name for it."""
        ...

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """The (kind, scope) of each snapshot that a fetch gives."""
        ...

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        """Read the source once.

        Args:
            validators: of the newest archived snapshots, for a conditional fetch.
        Returns:
            The snapshots; empty when the source says nothing changed.
        Raises:
            FeedRefused: truncated, changed or out of range; nothing of it may be used.
            NotAvailable, AwsError: it could not be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot without its rows, as the archive lists it."""

    kind: FeedKind
    market: MarketName
    scope: str
    source: str
    event_time: datetime
    fetched_at: datetime
    digest: str
    validator: str
    records: int
    approximate: bool = False


class Archive(Protocol):
    """Every snapshot ever accepted, in SQL. What is older is kept; nothing is overwritten."""

    def save(self, snapshot: Snapshot) -> bool:
        """Store it, unless the newest of its kind, market and scope has the same digest.

        An unchanged snapshot only moves that one's `fetched_at` (and validator) forward.

        Returns:
            True when it is new.
        """
        ...

    def latest(
        self,
        kind: FeedKind,
        market: MarketName,
        scope: str = "",
        at: datetime | None = None,
    ) -> Snapshot | None:
        """The snapshot with the newest event_time not later than `at`, or None."""
        ...

    def history(
        self, kind: FeedKind, market: MarketName, since: datetime, until: datetime
    ) -> list[Snapshot]:
        """Snapshots of every scope with since < event_time <= until, oldest first."""
        ...

    def scopes(self, kind: FeedKind, market: MarketName) -> list[str]:
        """The scopes there are snapshots of, sorted."""
        ...

    def infos(self, market: MarketName | None = None) -> list[SnapshotInfo]:
        """Every snapshot without its rows, newest event_time first."""
        ...

    def active_market(self) -> MarketName | None:
        """The market that decisions are made in; None before the first collect."""
        ...

    def set_active_market(self, market: MarketName) -> None:
        """Make decisions in this market from now on."""
        ...
