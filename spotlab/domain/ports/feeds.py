"""Ports of market data: sources and the archive of snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from spotlab.domain.market import FeedKind, MarketName, Snapshot


class FeedSource(Protocol):
    """A source of market snapshots."""

    @property
    def name(self) -> str:
        """Its name for a person."""
        ...

    @property
    def covers(self) -> tuple[tuple[FeedKind, str], ...]:
        """The (kind, scope) of each snapshot that `fetch` returns."""
        ...

    def fetch(self, validators: Mapping[FeedKind, str]) -> Sequence[Snapshot]:
        """Read the source once.

        Args:
            validators: of the newest archived snapshots, for a conditional fetch.
        Returns:
            The snapshots; empty if the source reports that nothing has changed.
        Raises:
            FeedRefused: truncated, changed or out of range; none of it may be used.
            NotAvailable, AwsError: it could not be read.
        """
        ...


@runtime_checkable
class ResumableSource(FeedSource, Protocol):
    """A source that stores its progress, so that a killed reading can be resumed."""

    @property
    def unfinished(self) -> bool:
        """Whether the last `fetch` returned only the newest part, and the next one the whole."""
        ...

    def archived(self) -> None:
        """The snapshots of the last `fetch` are archived: the stored progress can be deleted."""
        ...


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot without its rows, as listed by the archive.

    `set_aside` records could not be used; `set_aside_reasons` are the first of their reasons.
    """

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
    set_aside: int = 0
    set_aside_reasons: Sequence[str] = ()


class Archive(Protocol):
    """All accepted snapshots, in SQL; older ones are not overwritten."""

    def save(self, snapshot: Snapshot) -> bool:
        """Store a snapshot, unless the newest of its kind, market and scope has the same digest.

        An unchanged snapshot only updates `fetched_at` and the validator of the stored one.

        Returns:
            True if it is new.
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
        """Snapshots of all scopes with since < event_time <= until, oldest first."""
        ...

    def scopes(self, kind: FeedKind, market: MarketName) -> list[str]:
        """The scopes that have snapshots, sorted."""
        ...

    def infos(
        self,
        market: MarketName | None = None,
        kind: FeedKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[SnapshotInfo]:
        """Snapshots with since < event_time <= until, without their rows, newest first."""
        ...

    def newest(self, market: MarketName, at: datetime | None = None) -> list[SnapshotInfo]:
        """The newest snapshot of each kind and scope, at most `at`, newest event_time first."""
        ...

    def largest(
        self, market: MarketName, kind: FeedKind, since: datetime, until: datetime, span_s: int
    ) -> list[SnapshotInfo]:
        """The two snapshots with the most rows of each scope and span of time, largest first.

        Args:
            market, kind: of the snapshots.
            since, until: limits of their event time; since is excluded.
            span_s: length of a span, seconds; spans are counted from 1970.
        """
        ...

    def last_fetched_at(self, market: MarketName) -> datetime | None:
        """When any feed of a market was last read; None: never."""
        ...

    def active_market(self) -> MarketName | None:
        """The market that decisions read; None before the first collection."""
        ...

    def set_active_market(self, market: MarketName) -> None:
        """Set the market that decisions read."""
        ...
