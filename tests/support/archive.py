"""An in-memory implementation of ports.Archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

import pandas as pd

from spotlab.domain.market import FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.ports import SnapshotInfo


class MemoryArchive:
    """Stores snapshots in a list; counts in `decoded` how often rows are read."""

    def __init__(self, snapshots: Iterable[Snapshot] = ()) -> None:
        self.snapshots: list[Snapshot] = []
        self.decoded = 0
        self._active: MarketName | None = None
        for snapshot in snapshots:
            self.save(snapshot)

    def save(self, snapshot: Snapshot) -> bool:
        newest = self.latest(snapshot.kind, snapshot.market, snapshot.scope)
        if newest is not None and newest.digest == snapshot.digest:
            return False
        self.snapshots.append(snapshot)
        return True

    def latest(
        self, kind: FeedKind, market: MarketName, scope: str = "", at: datetime | None = None
    ) -> Snapshot | None:
        self.decoded += 1
        found = [
            snapshot
            for snapshot in self.snapshots
            if (snapshot.kind, snapshot.market, snapshot.scope) == (kind, market, scope)
            and (at is None or snapshot.origin.event_time <= at)
        ]
        return max(found, key=lambda snapshot: snapshot.origin.event_time, default=None)

    def history(
        self, kind: FeedKind, market: MarketName, since: datetime, until: datetime
    ) -> list[Snapshot]:
        found = [
            snapshot
            for snapshot in self.snapshots
            if (snapshot.kind, snapshot.market) == (kind, market)
            and since < snapshot.origin.event_time <= until
        ]
        return sorted(found, key=lambda snapshot: snapshot.origin.event_time)

    def scopes(self, kind: FeedKind, market: MarketName) -> list[str]:
        return sorted({s.scope for s in self.snapshots if (s.kind, s.market) == (kind, market)})

    def infos(
        self,
        market: MarketName | None = None,
        kind: FeedKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[SnapshotInfo]:
        infos = [
            SnapshotInfo(
                snapshot.kind,
                snapshot.market,
                snapshot.scope,
                snapshot.origin.source,
                snapshot.origin.event_time,
                snapshot.origin.fetched_at,
                snapshot.digest,
                snapshot.validator,
                len(snapshot.rows),
                snapshot.origin.approximate,
            )
            for snapshot in self.snapshots
            if market is None or snapshot.market is market
            if kind is None or snapshot.kind is kind
            if since is None or snapshot.origin.event_time > since
            if until is None or snapshot.origin.event_time <= until
        ]
        return sorted(infos, key=lambda info: info.event_time, reverse=True)

    def newest(self, market: MarketName, at: datetime | None = None) -> list[SnapshotInfo]:
        infos = reversed(self.infos(market, until=at))
        newest = {(info.kind, info.scope): info for info in infos}
        return sorted(newest.values(), key=lambda info: info.event_time, reverse=True)

    def largest(
        self, market: MarketName, kind: FeedKind, since: datetime, until: datetime, span_s: int
    ) -> list[SnapshotInfo]:
        infos = self.infos(market, kind, since, until)
        by_size = sorted(infos, key=lambda info: info.records, reverse=True)
        spans: dict[tuple[str, int], list[SnapshotInfo]] = {}
        for info in by_size:
            spans.setdefault((info.scope, int(info.event_time.timestamp() // span_s)), []).append(
                info
            )
        return [info for info in by_size if any(info in each[:2] for each in spans.values())]

    def last_fetched_at(self, market: MarketName) -> datetime | None:
        return max((info.fetched_at for info in self.infos(market)), default=None)

    def active_market(self) -> MarketName | None:
        return self._active

    def set_active_market(self, market: MarketName) -> None:
        self._active = market


def snapshot_of(
    kind: FeedKind,
    rows: pd.DataFrame,
    event_time: datetime,
    scope: str = "",
    market: MarketName = MarketName.RECORDED,
    source: str | None = None,
) -> Snapshot:
    """A snapshot with the digest of its rows."""
    digest = hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()
    origin = Provenance(source or f"{kind} of a test", event_time, event_time)
    return Snapshot(kind, market, scope, origin, digest, rows)
