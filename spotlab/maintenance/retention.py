"""Retention: deletes data that is older than the settings allow, and counts it by kind.

Known outcomes are recorded first, so that no prediction loses the market data it is evaluated on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.ports import By
from spotlab.pipeline.outcomes import record_outcomes
from spotlab.runtime.evidence import archive_of
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings
from spotlab.store.retention import SqlRetention
from spotlab.store.retention_rules import RULES, Setting

Tell = Callable[[str, float], None]

DRIFT: Final = "drift sketches"
EVIDENCE: Final = "files of evidence"
MARKET_PARTS: Final = "parts of markets"
_DRIFT_BATCH: Final = 200
_PARTS_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """The rows that were, or would be, deleted.

    Args:
        gone: number of rows by kind, without zeros.
        before: by kind, the time before which rows are old.
        dry_run: rows were only counted.
        whole: False: it was stopped early; the next run deletes the rest.
    """

    deleted: Mapping[str, int]
    before: Mapping[str, datetime]
    dry_run: bool
    complete: bool

    @property
    def summary(self) -> str:
        """A sentence that lists the counts."""
        verb = "Would delete" if self.dry_run else "Deleted"
        counts = ", ".join(f"{count:,} {what}" for what, count in self.deleted.items())
        rest = "" if self.complete else " Stopped early; the next run deletes the rest."
        return f"{verb} {counts or 'nothing: no data is both old and unused'}.{rest}"


def apply_retention(
    lab: Lab,
    by: By,
    *,
    dry_run: bool = False,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RetentionReport:
    """Delete data that is older than the settings allow and not needed, in short transactions.

    Args:
        lab: its database and settings.
        by: author of the entry in the audit log.
        dry_run: count only.
        tell: called with the current step and the share done.
        cancelled: called between batches; True stops, and the batches so far are reported.
    Raises:
        DatabaseDown: the batches so far are deleted.
        Fenced: another process is the leader now.
    """
    now = lab.clock.now()
    before = {what: now - timedelta(days=days) for what, days in kept_days(lab.settings).items()}
    if not dry_run:
        record_outcomes(lab.store, lab.model, now)
    deleted: dict[str, int] = {}
    report, stop = tell or _no_progress, cancelled or _never
    try:
        for place, (what, step) in enumerate(_steps(lab, before, now, dry_run)):
            report(what, place / (len(RULES) + 3))
            while not stop() and (count := step()):
                deleted[what] = deleted.get(what, 0) + count
                if dry_run:
                    break
            if stop():
                break
    finally:
        if deleted and not dry_run:
            lab.store.audit.add(by, "data.retention", "database", None, deleted)
    return RetentionReport(deleted, before, dry_run, complete=not stop())


def kept_days(settings: Settings) -> dict[str, float]:
    """How long each kind of row is kept, in days."""
    days: dict[Setting, float] = {
        "keep_prices_days": settings.keep_prices_days,
        "keep_experiments_days": settings.keep_experiments_days,
        "keep_health_days": settings.keep_health_days,
    }
    return {
        **{rule.what: days[rule.setting] for rule in RULES},
        DRIFT: settings.keep_experiments_days,
        MARKET_PARTS: settings.keep_experiments_days,
        EVIDENCE: settings.keep_evidence_days,
    }


def _steps(
    lab: Lab, before: Mapping[str, datetime], now: datetime, dry_run: bool
) -> list[tuple[str, Callable[[], int]]]:
    sql = SqlRetention(lab.store.engine)
    act = sql.count if dry_run else sql.delete_batch
    steps: list[tuple[str, Callable[[], int]]] = [
        (rule.what, lambda rule=rule: act(rule, before[rule.what], now))  # type: ignore[misc]
        for rule in RULES
    ]

    def drift() -> int:
        beyond = sql.old_drift_ids(before[DRIFT])
        if dry_run or not beyond:
            return len(beyond)
        return sql.delete_drift(beyond[:_DRIFT_BATCH])

    unused: list[str] = []

    def market_parts() -> int:
        """Parts of the markets that were deleted before; a dry run counts what is unused now."""
        if not unused:
            unused.extend(lab.store.market_runs.unused_blobs(now))
        if dry_run or not unused:
            return len(unused)
        batch = [unused.pop() for _ in range(min(_PARTS_BATCH, len(unused)))]
        return lab.store.market_runs.delete_blobs(batch, now)

    def evidence() -> int:
        return archive_of(lab).delete_before(before[EVIDENCE].date(), dry_run=dry_run)

    return [*steps, (EVIDENCE, evidence), (DRIFT, drift), (MARKET_PARTS, market_parts)]


def _no_progress(_text: str, _share: float) -> None: ...


def _never() -> bool:
    return False
