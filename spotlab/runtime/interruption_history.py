"""Past interruptions of the accounts' instances become evidence: read once, and resumed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from spotlab.aws.interruption_history import (
    EVENT_NAME,
    HISTORY,
    HistoryPage,
    InterruptionHistory,
    PastInterruption,
)
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.spot_events import HistoryProgress
from spotlab.errors import AwsError, Cancelled
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.runtime.interruption_history")
SOURCE: Final = f"CloudTrail: {EVENT_NAME}"


def read_histories(
    lab: Lab,
    tell: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    history: InterruptionHistory | None = None,
) -> list[HistoryProgress]:
    """Read the past interruptions of every account and region that were not read completely.

    A run that ends early is continued by the next one where it ended.

    Args:
        lab: its accounts and store.
        tell: called with the current step and the share done.
        cancelled: checked between pages.
        history: None: CloudTrail.
    Returns:
        The progress of every account and region.
    Raises:
        Cancelled: what was read stays recorded.
        DatabaseDown: nothing can be recorded.
    """
    cloud = lab.cloud()
    reader = history or InterruptionHistory(cloud.sessions)
    known = {(each.account, each.region): each for each in lab.store.interruption_histories.list()}
    places = [(account, region) for account in cloud.accounts for region in account.regions]
    made = []
    for index, (account, region) in enumerate(places):
        progress = known.get((account.name, region)) or _start(lab, account, region)
        if not progress.complete:
            tell(f"reading past interruptions of {account.name} in {region}", index / len(places))
            progress = _read(lab, reader, account, progress, cancelled)
        made.append(progress)
    return made


def _start(lab: Lab, account: Account, region: str) -> HistoryProgress:
    now = lab.clock.now()
    return HistoryProgress(account.name, region, now - HISTORY, now, now, now)


def _read(
    lab: Lab,
    reader: InterruptionHistory,
    account: Account,
    progress: HistoryProgress,
    cancelled: Callable[[], bool],
) -> HistoryProgress:
    store = lab.store.interruption_histories
    try:
        pages = reader.pages(account, progress.region, progress.since, progress.read_back_to)
        for page in pages:
            progress = store.save(*_after(lab, reader, account, progress, page))
            if cancelled():
                raise Cancelled(f"Stopped after {progress.pages} pages of {account.name}.")
    except AwsError as exc:
        log.warning("past interruptions of %s: %s", account.name, exc)
        return store.save(replace(progress, error=str(exc), updated_at=lab.clock.now()))
    progress = replace(progress, complete=True, read_back_to=progress.since, error="")
    return store.save(replace(progress, boundary=(), updated_at=lab.clock.now()))


def _after(
    lab: Lab,
    reader: InterruptionHistory,
    account: Account,
    progress: HistoryProgress,
    page: HistoryPage,
) -> tuple[HistoryProgress, list[InterruptionEvent]]:
    """The progress after a page, and its evidence."""
    new = [each for each in page.interruptions if _key(each) not in progress.boundary]
    now, events, unknown = lab.clock.now(), [], 0
    for each in new:
        pool = each.pool or _known_pool(lab, account, each.instance_id)
        if pool is None:
            pool = reader.launch_pool(account, progress.region, each.instance_id, each.at)
        if pool is None:
            unknown += 1
            continue
        events.append(
            InterruptionEvent(
                each.instance_id,
                pool,
                each.at,
                InterruptionKind.RECLAIMED,
                SOURCE,
                now,
                account.emulated,
            )
        )
    oldest_at = page.oldest_at or progress.read_back_to
    boundary = [_key(each) for each in page.interruptions if each.at == oldest_at]
    if oldest_at == progress.read_back_to:
        boundary = [*progress.boundary, *boundary]
    return (
        replace(
            progress,
            read_back_to=oldest_at,
            boundary=tuple(dict.fromkeys(boundary)),
            pages=progress.pages + 1,
            found=progress.found + len(new),
            unknown_pool=progress.unknown_pool + unknown,
            updated_at=now,
            error="",
        ),
        events,
    )


def _key(each: PastInterruption) -> str:
    return f"{each.event_id}/{each.instance_id}"


def _known_pool(lab: Lab, account: Account, instance_id: str) -> Pool | None:
    """The pool of an instance of the account that SpotLab has ever listed."""
    return next(
        (
            each.pool
            for each in lab.store.fleet.instances(active_only=False)
            if each.instance_id == instance_id and each.account == account.name
        ),
        None,
    )


def document(progress: list[HistoryProgress]) -> Mapping[str, Any]:
    """The result of a run as JSON values; "failed" describes errors."""
    unknown = sum(each.unknown_pool for each in progress)
    return {
        "complete": sum(each.complete for each in progress),
        "regions": len(progress),
        "found": sum(each.found for each in progress),
        "recorded": sum(each.recorded for each in progress),
        "unknown_pool": unknown,
        "note": f"{unknown} interruptions of unknown pools are not counted." if unknown else "",
        "failed": " ".join(dict.fromkeys(each.error for each in progress if each.error)),
    }
