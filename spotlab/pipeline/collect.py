"""Collecting a market: reads every source and archives new snapshots.

A source that fails is recorded in the health log and does not stop the others; its last snapshot
stays in use.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from spotlab.domain.components import ADVISOR_SCRAPER, PRICE_SCRAPER
from spotlab.domain.market import (
    LINUX,
    MAX_SET_ASIDE_REASONS,
    FeedKind,
    MarketName,
    Snapshot,
)
from spotlab.domain.ports import (
    Archive,
    Clock,
    FeedSource,
    HealthLog,
    ResumableSource,
    SnapshotInfo,
)
from spotlab.errors import Cancelled, SpotlabError
from spotlab.telemetry import metrics, traces

log = logging.getLogger("spotlab.pipeline.collect")
Progress = Callable[[str, float], None]
READERS: Final = 3


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One snapshot of a source, or its failure.

    Args:
        name: name of the source.
        kind: kind of the snapshot; None if the source failed.
        scope: "" or a region.
        event_time, fetched_at: aware UTC; None if the source failed.
        records: number of rows.
        new: whether it was not archived before.
        error: why the source failed, or "".
        set_aside: number of records that could not be used.
        set_aside_reasons: the first of their reasons.
    """

    name: str
    kind: FeedKind | None
    scope: str
    event_time: datetime | None
    fetched_at: datetime | None
    records: int
    new: bool
    error: str = ""
    set_aside: int = 0
    set_aside_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectReport:
    """Result of one collection.

    Args:
        market: the market that was collected.
        sources: one report per snapshot, and one per failed source.
        counts: rows by kind: advisor_linux, advisor_all, spot_prices_linux and others.
        regions: number of regions that the advisor (or else the prices) covers.
        unchanged: nothing failed and nothing was new.
        duration_ms: wall time.
    """

    market: MarketName
    sources: tuple[SourceReport, ...]
    counts: dict[str, int]
    regions: int
    unchanged: bool
    duration_ms: float

    @property
    def errors(self) -> tuple[str, ...]:
        """One message per failed source."""
        return tuple(source.error for source in self.sources if source.error)

    @property
    def set_aside(self) -> int:
        """Number of records of all sources that could not be used."""
        return sum(source.set_aside for source in self.sources)


def collect(
    sources: Sequence[FeedSource],
    market: MarketName,
    archive: Archive,
    health: HealthLog,
    clock: Clock,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    newest_archived: Callable[[], None] = lambda: None,
) -> CollectReport:
    """Read the sources and archive their snapshots, in order.

    Up to READERS sources are read at a time: while one waits for AWS, another is parsed.

    Sources that return their newest part first are read again after all others.

    Args:
        sources: the sources of the market.
        market: the market to collect.
        archive: stores the snapshots.
        health: receives one entry per source.
        clock: for fetched_at and the health log.
        progress: called with the current step and the share done.
        cancelled: checked before each source; sources may also check it themselves.
        newest_archived: called once every source has been read and only the older parts of some
            are left.
    Raises:
        Cancelled: snapshots read before it stay archived.
        DatabaseDown: the archive or the health log cannot be written.
    """
    started = time.perf_counter()
    reports: list[SourceReport] = []
    collected: list[Snapshot] = []
    newest = {(info.kind, info.scope): info for info in archive.newest(market)}
    read = partial(_timed_read, newest=newest, archive=archive, clock=clock)
    to_read, finished = list(sources), 0
    while to_read:
        unfinished = list[FeedSource]()
        with _read_ahead(to_read, read) as readings:
            for source in to_read:
                if cancelled is not None and cancelled():
                    raise Cancelled(
                        f"Collecting was cancelled after {finished} of {len(sources)} sources."
                    )
                if progress is not None:
                    progress(f"reading {source.name}", finished / len(sources))
                reading = next(readings)
                try:
                    if reading.error is not None:
                        raise reading.error
                    is_new = [archive.save(snapshot) for snapshot in reading.snapshots]
                    if isinstance(source, ResumableSource):
                        source.archived()
                except Cancelled:
                    raise
                except SpotlabError as exc:
                    finished += 1
                    reports.append(
                        SourceReport(source.name, None, "", None, None, 0, False, str(exc))
                    )
                    _record_health(health, source, clock, reading.seconds, str(exc))
                    continue
                _record_health(health, source, clock, reading.seconds, "")
                if isinstance(source, ResumableSource) and source.unfinished:
                    unfinished.append(source)
                    continue
                finished += 1
                _log_set_aside(source, reading.snapshots)
                collected += reading.snapshots
                reports += [
                    _report(source, s, new)
                    for s, new in zip(reading.snapshots, is_new, strict=True)
                ]
        if unfinished:
            newest_archived()
        to_read = unfinished
    if progress is not None:
        progress("collected", 1.0)
    failed = any(report.error for report in reports)
    return CollectReport(
        market=market,
        sources=tuple(reports),
        counts=_counts(collected),
        regions=_regions(collected),
        unchanged=not failed and not any(report.new for report in reports),
        duration_ms=(time.perf_counter() - started) * 1e3,
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a source answered, or why it failed."""

    snapshots: list[Snapshot]
    error: SpotlabError | None
    seconds: float


@contextmanager
def _read_ahead(
    sources: Sequence[FeedSource], read: Callable[[FeedSource], _Reading]
) -> Iterator[Iterator[_Reading]]:
    """Readings in the order of the sources, of which READERS are read at a time.

    At the end, sources that are not read yet are skipped, and those being read are waited for.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="collect") as readers:
        # The context has the lease that writes are checked against, and the trace.
        futures: deque[Future[_Reading]] = deque()

        def readings() -> Iterator[_Reading]:
            for source in sources:
                futures.append(readers.submit(copy_context().run, read, source))
                if len(futures) >= READERS:
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()

        try:
            yield readings()
        finally:
            readers.shutdown(cancel_futures=True)


def _timed_read(
    source: FeedSource,
    newest: Mapping[tuple[FeedKind, str], SnapshotInfo],
    archive: Archive,
    clock: Clock,
) -> _Reading:
    started = time.perf_counter()
    snapshots: list[Snapshot] = []
    error = None
    try:
        with traces.span("read a source", source=source.name):
            snapshots = _read(source, newest, archive, clock)
    except SpotlabError as exc:
        error = exc
    return _Reading(snapshots, error, time.perf_counter() - started)


def _read(
    source: FeedSource,
    newest: Mapping[tuple[FeedKind, str], SnapshotInfo],
    archive: Archive,
    clock: Clock,
) -> list[Snapshot]:
    """New snapshots; if the source reports "unchanged", its archived ones, fetched now."""
    known = [newest[each] for each in source.covers if each in newest]
    complete = len(known) == len(source.covers)
    validators = {info.kind: info.validator for info in known if info.validator}
    fresh = list(source.fetch(validators if complete else {}))
    if fresh:
        return fresh
    now = clock.now()
    unchanged = (archive.latest(info.kind, info.market, info.scope) for info in known)
    return [replace(s, origin=replace(s.origin, fetched_at=now)) for s in unchanged if s]


def _report(source: FeedSource, snapshot: Snapshot, new: bool) -> SourceReport:
    return SourceReport(
        name=source.name,
        kind=snapshot.kind,
        scope=snapshot.scope,
        event_time=snapshot.origin.event_time,
        fetched_at=snapshot.origin.fetched_at,
        records=len(snapshot.rows),
        new=new,
        set_aside=snapshot.set_aside_count,
        set_aside_reasons=snapshot.set_aside[:MAX_SET_ASIDE_REASONS],
    )


def _log_set_aside(source: FeedSource, snapshots: Sequence[Snapshot]) -> None:
    reasons = [reason for snapshot in snapshots for reason in snapshot.set_aside]
    if reasons:
        listed = " ".join(reasons[:MAX_SET_ASIDE_REASONS])
        count = sum(snapshot.set_aside_count for snapshot in snapshots)
        log.warning("%s: %d records were set aside. %s", source.name, count, listed)


def scraper_of(kinds: Iterable[FeedKind]) -> str:
    """The component that reads the kinds of data of one source."""
    prices = {FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY, FeedKind.ON_DEMAND}
    return ADVISOR_SCRAPER if prices.isdisjoint(kinds) else PRICE_SCRAPER


def _record_health(
    health: HealthLog, source: FeedSource, clock: Clock, seconds: float, error: str
) -> None:
    component = scraper_of(kind for kind, _ in source.covers)
    latency_ms = seconds * 1e3
    metrics.COLLECTS.labels(source=component, outcome="failed" if error else "read").inc()
    level = logging.WARNING if error else logging.INFO
    message = f"{source.name} failed: {error}" if error else f"{source.name} was read"
    log.log(level, message, extra={"fields": {"duration_ms": round(latency_ms, 1)}})
    health.note(component, ok=not error, at=clock.now(), latency_ms=latency_ms, reason=error)


def _counts(snapshots: Sequence[Snapshot]) -> dict[str, int]:
    counts = {f"{kind}_all": 0 for kind in FeedKind}
    counts |= {f"{kind}_linux": 0 for kind in (FeedKind.ADVISOR, FeedKind.SPOT_PRICES)}
    for snapshot in snapshots:
        counts[f"{snapshot.kind}_all"] += len(snapshot.rows)
        if f"{snapshot.kind}_linux" in counts:
            linux = snapshot.rows["operating_system"] == LINUX
            counts[f"{snapshot.kind}_linux"] += int(linux.sum())
    return counts


def _regions(snapshots: Sequence[Snapshot]) -> int:
    for kind in (FeedKind.ADVISOR, FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY):
        regions = {region for s in snapshots if s.kind is kind for region in set(s.rows["region"])}
        if regions:
            return len(regions)
    return 0
