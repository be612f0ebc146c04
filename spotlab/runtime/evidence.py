"""The evidence about pools: its archive, and one reader of the archive and SQL together.

Scoring reads the newest evidence from SQL itself (`InterruptionLog.own_record`).

Points are those in SQL and those in the archive's files, each once: SQL has what came late, and the
files have what SQL has deleted. Prices and advisor buckets are kept by the market's own snapshots
and are not stored a second time: their points are computed from its history.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, cast

import numpy as np
import pandas as pd

from spotlab.domain.evidence_points import EvidenceKind, EvidencePoint
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind, distinct
from spotlab.domain.market import MarketData, MarketName, Pool
from spotlab.domain.placement import PlacementResponse
from spotlab.domain.switch_tags import PROBE_PREFIX
from spotlab.pipeline.collect import Progress
from spotlab.pipeline.score import POOL_COLUMNS
from spotlab.runtime.lab import Lab
from spotlab.store.evidence_archive import FOLDER, EvidenceArchive

log = logging.getLogger("spotlab.runtime.evidence")
DAYS: Final = 90
"""Days that are archived when the first run comes late."""
_RECORDED: Final = "The active market is recorded: it has no live evidence."


def archive_of(lab: Lab) -> EvidenceArchive:
    """The archive of a lab's home."""
    return EvidenceArchive(lab.settings.home.absolute() / FOLDER)


class EvidenceReader:
    """Reads evidence of the active market.

    Args:
        lab: its store, archive and market.
        market: the market.
    """

    def __init__(self, lab: Lab, market: MarketName) -> None:
        self._lab, self._market = lab, market
        self._archive = archive_of(lab)

    def read(
        self,
        pools: Collection[Pool],
        since: datetime,
        until: datetime,
        data: MarketData | None = None,
    ) -> list[EvidencePoint]:
        """The evidence about some pools, oldest first.

        Args:
            pools: with their zones.
            since, until: aware UTC; since <= at < until.
            data: the market with its history, for prices and advisor moves; None: without them.
        """
        wanted = set(pools)
        points = set(points_in_sql(self._lab, self._market, since, until))
        for region in {pool.region for pool in wanted}:
            points.update(self._archive.read(self._market, region, since, until, wanted))
        found = [each for each in points if each.pool in wanted]
        if data is not None:
            found += [each for each in market_points(data, wanted) if since <= each.at < until]
        return sorted(found, key=lambda each: (each.at, each.pool.key, each.kind))


def points_in_sql(
    lab: Lab, market: MarketName, since: datetime, until: datetime
) -> Iterator[EvidencePoint]:
    """What SQL knows about a market's pools at since <= at < until, in no order."""
    emulated = market is MarketName.SIMULATED
    points = [*event_points(lab.store.interruptions.events(emulated=emulated, since=since))]
    for answer in lab.store.placement.since(since, emulated=emulated):
        points += placement_points(answer)
    yield from (each for each in points if since <= each.at < until)


def archive_days(lab: Lab, tell: Progress, cancelled: Callable[[], bool]) -> Mapping[str, Any]:
    """Write the days that are over and have no file yet, and compact the months that are over.

    Returns:
        files, points, months and note.
    """
    market = lab.store.archive.active_market()
    if market is None or market is MarketName.RECORDED:
        return {"note": _RECORDED}
    archive, today = archive_of(lab), lab.clock.now().date()
    since = datetime.combine(today - timedelta(days=DAYS), time(), UTC)
    by_file: dict[tuple[str, date], list[EvidencePoint]] = {}
    for point in points_in_sql(lab, market, since, datetime.combine(today, time(), UTC)):
        by_file.setdefault((point.pool.region, point.at.date()), []).append(point)
    regions = sorted({region for region, _ in by_file})
    files = points = months = 0
    for number, region in enumerate(regions):
        tell(f"archiving evidence of {region}", number / len(regions))
        days, compacted = archive.days(market, region), archive.months(market, region)
        for day in sorted(day for each, day in by_file if each == region):
            if cancelled():
                break
            if day not in days and day.isoformat()[:7] not in compacted:
                found = by_file[region, day]
                archive.write(market, region, day, found)
                files, points = files + 1, points + len(found)
        months += archive.compact(market, region, today)
    aside = archive.set_aside()
    note = f"{points} points in {files} files."
    if aside:
        note += f" Set aside because they cannot be read: {', '.join(aside[:5])}."
    return {"files": files, "points": points, "months": months, "note": note}


def event_points(events: Collection[InterruptionEvent]) -> Iterator[EvidencePoint]:
    """Own interruptions (each once), recommendations, launches and probes."""
    interruptions = distinct([*events])
    for event in interruptions:
        yield _point(event, EvidenceKind.INTERRUPTION)
    for event in events:
        probe = event.instance_id.startswith(PROBE_PREFIX)
        match event.kind:
            case InterruptionKind.REBALANCE:
                yield _point(event, EvidenceKind.REBALANCE)
            case InterruptionKind.CAPACITY:
                yield _point(event, EvidenceKind.PROBE_REFUSED if probe else EvidenceKind.REFUSED)
            case InterruptionKind.LAUNCHED:
                kind = EvidenceKind.PROBE_LAUNCHED if probe else EvidenceKind.LAUNCHED
                yield _point(event, kind)


def _point(event: InterruptionEvent, kind: EvidenceKind) -> EvidencePoint:
    recorded_at = max(event.recorded_at, event.at)
    return EvidencePoint(event.pool, event.at, kind, 1.0, event.source, recorded_at)


def placement_points(answer: PlacementResponse) -> Iterator[EvidencePoint]:
    """The scores of an answer: one for each of its types in each zone."""
    for zone, score in answer.scores.items():
        for name in answer.instance_types:
            yield EvidencePoint(
                Pool(answer.region, zone, name),
                answer.asked_at,
                EvidenceKind.PLACEMENT,
                float(score),
                answer.source,
                answer.asked_at,
            )


def market_points(data: MarketData, pools: Collection[Pool]) -> Iterator[EvidencePoint]:
    """Price levels, jumps and zone spreads, and moves of the advisor's buckets, of some pools."""
    names = {pool.instance_type for pool in pools}
    history = data.price_history[data.price_history["instance_type"].isin(names)]
    source = "price history"
    for key, rows in history.groupby(POOL_COLUMNS, sort=False, dropna=False, observed=True):
        region, zone, name, system = cast("tuple[str, object, str, str]", key)
        pool = Pool(region, zone if isinstance(zone, str) else None, name, system)
        if pool not in pools:
            continue
        times = [each.to_pydatetime() for each in rows["event_time"]]
        prices = rows["spot_price_usd_per_hour"].to_numpy(np.float64)
        jumps = np.diff(np.log(prices), prepend=np.nan)
        for at, price, jump in zip(times, prices.tolist(), jumps.tolist(), strict=True):
            yield EvidencePoint(pool, at, EvidenceKind.PRICE, price, source, at)
            if jump == jump:
                yield EvidencePoint(pool, at, EvidenceKind.PRICE_JUMP, jump, source, at)
    yield from _spreads(history, pools, source)
    yield from _advisor_moves(data, pools)


def _spreads(
    history: pd.DataFrame, pools: Collection[Pool], source: str
) -> Iterator[EvidencePoint]:
    of_type = ["region", "instance_type", "operating_system"]
    for key, rows in history.groupby(of_type, sort=False, observed=True):
        region, name, system = cast("tuple[str, str, str]", key)
        zones = [p for p in pools if (p.region, p.instance_type, p.operating_system) == key]
        if not zones or rows["availability_zone"].nunique() < 2:
            continue
        wide = rows.pivot_table(
            index="event_time",
            columns="availability_zone",
            values="spot_price_usd_per_hour",
            aggfunc="last",
            observed=True,
        )
        known = wide.sort_index().ffill().apply(np.log)
        spread = (known.max(axis=1) - known.min(axis=1))[known.notna().sum(axis=1) >= 2]
        for at, value in zip(spread.index, spread.tolist(), strict=True):
            when = at.to_pydatetime()
            pool = Pool(region, None, name, system)
            yield EvidencePoint(pool, when, EvidenceKind.ZONE_SPREAD, value, source, when)


def _advisor_moves(data: MarketData, pools: Collection[Pool]) -> Iterator[EvidencePoint]:
    offers = {(pool.region, pool.instance_type) for pool in pools}
    frames = [data.advisor_past, data.advisor]
    rows = pd.concat([each for each in frames if len(each)]) if any(map(len, frames)) else None
    if rows is None:
        return
    for key, moves in rows.groupby(["region", "instance_type"], sort=False, observed=True):
        if key not in offers:
            continue
        ordered = moves.sort_values("event_time")
        change = ordered["bucket"].astype(float).diff()
        for at, value in zip(ordered["event_time"], change.tolist(), strict=True):
            if value == value and value != 0.0:
                when = at.to_pydatetime()
                pool = Pool(key[0], None, key[1])
                yield EvidencePoint(pool, when, EvidenceKind.ADVISOR_MOVE, value, "advisor", when)
