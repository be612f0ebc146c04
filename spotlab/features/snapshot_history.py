"""The snapshots in the archive up to a time that features use, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Final

import pandas as pd

from spotlab.domain.market import FeedKind, MarketName, Provenance
from spotlab.domain.ports import Archive, SnapshotInfo
from spotlab.errors import NoMarketData
from spotlab.features.canonical_tables import stack, tidy
from spotlab.features.table_cache import cache_of

TABLE_OF: Final = {
    FeedKind.ADVISOR: "advisor",
    FeedKind.SPOT_PRICES: "price_history",
    FeedKind.PRICE_HISTORY: "price_history",
    FeedKind.ON_DEMAND: "on_demand",
    FeedKind.SPECS: "specs",
}
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_WEEK: Final = timedelta(days=7)
_CACHED_TABLES: Final = 80
"""Tables in the cache: two days of hourly prices and the other tables of one read; about 100 MB."""


@dataclass(frozen=True, slots=True)
class SnapshotHistory:
    """Snapshots of one market with an event time up to `at`.

    Args:
        archive: with the snapshots.
        market: of the snapshots.
        at: aware UTC.
        since: start of the history, aware UTC; only each scope's newest snapshot may be older.
        newest_infos: the newest snapshot of each kind and scope, newest first.
    """

    archive: Archive
    market: MarketName
    at: datetime
    since: datetime
    newest_infos: tuple[SnapshotInfo, ...]

    @classmethod
    def of(
        cls, archive: Archive, market: MarketName, at: datetime, back: timedelta
    ) -> SnapshotHistory:
        """List the newest snapshots once."""
        return cls(archive, market, at, at - back, tuple(archive.newest(market, at)))

    def newest(self, kind: FeedKind) -> list[SnapshotInfo]:
        """The newest snapshot of each scope, oldest first."""
        return [info for info in reversed(self.newest_infos) if info.kind is kind]

    def weekly(self, kind: FeedKind) -> list[SnapshotInfo]:
        """The newest snapshot of every week before each scope's newest snapshot.

        Advisor buckets cover a month, so snapshots a day apart are nearly the same.
        """
        infos = self.archive.infos(self.market, kind, self.since, self.at)
        snapshots: list[SnapshotInfo] = []
        for current in self.newest(kind):
            weeks_before = partial(_weeks_between, current)
            snapshots += _first_of_each(_others(infos, current), weeks_before)
        return snapshots

    def price_history(
        self, kind: FeedKind, compact: Callable[[pd.DataFrame], pd.DataFrame]
    ) -> pd.DataFrame:
        """Rows of each scope's newest snapshot, and of one earlier snapshot per span of _SPANS_S.

        The snapshot with the most rows represents its span: the first one of a home covers a much
        longer time than later ones.

        Args:
            kind: SPOT_PRICES or PRICE_HISTORY.
            compact: reduces the rows of the days before yesterday; these are the same until
                midnight, so the result is cached.
        """
        yesterday = datetime.combine(self.at.date() - _DAY, time(), tzinfo=UTC) - _MICROSECOND
        recent_span_s, settled_span_s = _SPANS_S[kind]
        recent, settled = self.newest(kind), []
        largest = partial(self.archive.largest, self.market, kind)
        in_recent = largest(max(self.since, yesterday), self.at, recent_span_s)
        in_settled = largest(self.since, min(self.at, yesterday), settled_span_s)
        for current in self.newest(kind):
            recent += _first_of_each(_others(in_recent, current), _span(recent_span_s))
            settled += _first_of_each(_others(in_settled, current), _span(settled_span_s))
        key = ("settled", kind, *map(_identity, settled))
        history = cache_of(self.archive, _CACHED_TABLES).get_or_build(
            key, lambda: compact(self.rows("price_history", settled))
        )
        return tidy("price_history", stack([history, self.rows("price_history", recent)]))

    def rows(self, table: str, infos: Iterable[SnapshotInfo]) -> pd.DataFrame:
        """Rows of these snapshots as one table; for equal keys the row of the later one."""
        frames = [frame for info in infos if len(frame := self._table(info))]
        return tidy(table, stack(frames) if frames else pd.DataFrame())

    def _table(self, info: SnapshotInfo) -> pd.DataFrame:
        return cache_of(self.archive, _CACHED_TABLES).get_or_build(
            _identity(info), lambda: self._decode(info)
        )

    def _decode(self, info: SnapshotInfo) -> pd.DataFrame:
        snapshot = self.archive.latest(info.kind, info.market, info.scope, info.event_time)
        if snapshot is None:
            raise NoMarketData(
                f"The {info.kind} snapshot of {info.event_time} is no longer in the archive."
            )
        rows = snapshot.rows
        if info.kind is not FeedKind.PRICE_HISTORY:
            # These feeds have no times in their rows: the snapshot's is used.
            rows = rows.assign(event_time=pd.Timestamp(info.event_time))
        return tidy(TABLE_OF[info.kind], rows.assign(approximate=info.approximate))

    def origins(self) -> dict[FeedKind, Provenance]:
        """Origin of the newest rows of each kind.

        A kind that is read by region has one origin for all regions: without a region's name, and
        with the oldest fetch time.
        """
        newest = {kind: self.newest(kind) for kind in {info.kind for info in self.newest_infos}}
        return {kind: _origin(infos) for kind, infos in newest.items() if kind in TABLE_OF}


def _origin(infos: Sequence[SnapshotInfo]) -> Provenance:
    newest = infos[-1]
    names = {info.source.removesuffix(f" of {info.scope}") for info in infos if info.scope}
    shared = len(infos) > 1 and len(names) == 1
    return Provenance(
        names.pop() if shared else newest.source,
        newest.event_time,
        min(info.fetched_at for info in infos) if shared else newest.fetched_at,
        approximate=newest.approximate,
    )


def _identity(info: SnapshotInfo) -> Hashable:
    return info.kind, info.market, info.scope, info.event_time, info.digest


def _first_of_each(
    infos: Sequence[SnapshotInfo], span: Callable[[SnapshotInfo], Hashable]
) -> list[SnapshotInfo]:
    """The first snapshot of each span, given snapshots in order of preference."""
    return list({span(info): info for info in reversed(infos)}.values())


def _weeks_between(later: SnapshotInfo, info: SnapshotInfo) -> Hashable:
    return (later.event_time - info.event_time) // _WEEK


def _others(infos: Sequence[SnapshotInfo], current: SnapshotInfo) -> list[SnapshotInfo]:
    """Those of the same scope."""
    return [info for info in infos if info.scope == current.scope and info != current]


def _span(span_s: int) -> Callable[[SnapshotInfo], Hashable]:
    return lambda info: info.event_time.timestamp() // span_s


_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_SPANS_S: Final[Mapping[FeedKind, tuple[int, int]]] = {
    FeedKind.SPOT_PRICES: (_HOUR_S, _DAY_S),
    FeedKind.PRICE_HISTORY: (3 * _DAY_S, 3 * _DAY_S),
}
"""Seconds of spans since the start of yesterday and before it; one snapshot per span is read. A
feed collected every ten minutes has 13,000 snapshots in 90 days; one snapshot of EC2's history
covers a week."""
