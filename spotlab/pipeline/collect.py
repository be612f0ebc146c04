"""Read every source of a market, archive what is new, publish it online.

A source that fails is written down and the others go on; what it gave last time stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from spotlab.domain.components import ADVISOR_SCRAPER, PRICE_SCRAPER
from spotlab.domain.market import LINUX, FeedKind, MarketName, Snapshot
from spotlab.domain.ports import Archive, Clock, FeedSource, HealthLog
from spotlab.errors import Cancelled, SpotlabError
from spotlab.telemetry import metrics, traces

log = logging.getLogger("spotlab.pipeline.collect")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source gave.

    Args:
        name: of the source.
        kind: of the snapshot; None when the source failed.
        scope: "" or a region.
        event_time, fetched_at: aware UTC; None when the source failed.
        records: rows.
        new: not archived before.
        error: why it failed; "" when it did not.
    """

    name: str
    kind: FeedKind | None
    scope: str
    event_time: datetime | None
    fetched_at: datetime | None
    records: int
    new: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collect did.

    Args:
        market: the market that was collected.
        sources: one report a snapshot, and one a failed source.
        counts: advisor_linux, advisor_all, spot_prices_linux and others by kind.
        regions: how many regions the advisor (or else the prices) covers.
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
        """What failed, a sentence each."""
        return tuple(source.error for source in self.sources if source.error)


def collect(
    sources: Sequence[FeedSource],
    market: MarketName,
    archive: Archive,
    health: HealthLog,
    clock: Clock,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> CollectReport:
    """Read the sources in order and archive what they give.

    Args:
        sources: of one market.
        market: which one.
        archive: where snapshots go.
        health: gets one outcome a source.
        clock: for fetched_at and the health log.
        progress: called with what is being read and the share done.
        cancelled: asked between sources.
    Raises:
        Cancelled: what was read until then is kept.
        DatabaseDown: the archive or the health log cannot be written.
    """
    started = time.perf_counter()
    reports: list[SourceReport] = []
    taken: list[Snapshot] = []
    for index, source in enumerate(sources):
        if cancelled is not None and cancelled():
            raise Cancelled(f"Collecting was stopped after {index} of {len(sources)} sources.")
        if progress is not None:
            progress(f"reading {source.name}", index / len(sources))
        began = time.perf_counter()
        try:
            with traces.span("read a source", source=source.name):
                snapshots = _read(source, market, archive, clock)
                news = [archive.save(snapshot) for snapshot in snapshots]
        except SpotlabError as exc:
            reports.append(SourceReport(source.name, None, "", None, None, 0, False, str(exc)))
            _note(health, source, clock, began, str(exc))
            continue
        _note(health, source, clock, began, "")
        taken += snapshots
        reports += [_report(source, s, new) for s, new in zip(snapshots, news, strict=True)]
    if progress is not None:
        progress("collected", 1.0)
    failed = any(report.error for report in reports)
    return CollectReport(
        market=market,
        sources=tuple(reports),
        counts=_counts(taken),
        regions=_regions(taken),
        unchanged=not failed and not any(report.new for report in reports),
        duration_ms=(time.perf_counter() - started) * 1e3,
    )


def _read(source: FeedSource, market: MarketName, archive: Archive, clock: Clock) -> list[Snapshot]:
    """What the source gives; where it says "unchanged", what it gave before, read again now."""
    known = [
        snapshot
        for kind, scope in source.covers
        if (snapshot := archive.latest(kind, market, scope)) is not None
    ]
    complete = len(known) == len(source.covers)
    validators = {s.kind: s.validator for s in known if s.validator} if complete else {}
    fresh = list(source.fetch(validators))
    if fresh:
        return fresh
    now = clock.now()
    return [replace(s, origin=replace(s.origin, fetched_at=now)) for s in known]


def _report(source: FeedSource, snapshot: Snapshot, new: bool) -> SourceReport:
    return SourceReport(
        name=source.name,
        kind=snapshot.kind,
        scope=snapshot.scope,
        event_time=snapshot.origin.event_time,
        fetched_at=snapshot.origin.fetched_at,
        records=len(snapshot.rows),
        new=new,
    )


def _note(health: HealthLog, source: FeedSource, clock: Clock, began: float, error: str) -> None:
    prices = {FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY, FeedKind.ON_DEMAND}
    component = PRICE_SCRAPER if prices & {kind for kind, _ in source.covers} else ADVISOR_SCRAPER
    latency_ms = (time.perf_counter() - began) * 1e3
    metrics.COLLECTS.labels(source=component, outcome="failed" if error else "read").inc()
    told = logging.WARNING if error else logging.INFO
    words = f"{source.name} failed: {error}" if error else f"{source.name} was read"
    log.log(told, words, extra={"fields": {"duration_ms": round(latency_ms, 1)}})
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
        found = {region for s in snapshots if s.kind is kind for region in set(s.rows["region"])}
        if found:
            return len(found)
    return 0
