"""Lets go of what is older than the settings say, and says how many of what.

What can be settled is settled first, so that no prediction loses the market it is measured by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.ports import By
from spotlab.pipeline.outcomes import realise
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings
from spotlab.store.retention import SqlRetention
from spotlab.store.retention_rules import RULES, Setting

Tell = Callable[[str, float], None]

DRIFT: Final = "drift sketches"
_DRIFT_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Swept:
    """What went, or would go.

    Args:
        gone: rows by what they are; what there was none of is not in it.
        before: the moment before which each kind is old.
        dry_run: nothing was deleted, it was counted.
        whole: False: it was stopped before the end; the rest goes next time.
    """

    gone: Mapping[str, int]
    before: Mapping[str, datetime]
    dry_run: bool
    whole: bool

    @property
    def words(self) -> str:
        """In one sentence."""
        verb = "Would delete" if self.dry_run else "Deleted"
        told = ", ".join(f"{count:,} {what}" for what, count in self.gone.items())
        rest = "" if self.whole else " Stopped before the end; the rest goes next time."
        return f"{verb} {told or 'nothing: all is young enough or needed'}.{rest}"


def sweep(
    lab: Lab,
    by: By,
    *,
    dry_run: bool = False,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Swept:
    """Delete old data and not needed any more, in short transactions.

    Args:
        lab: its database and settings.
        by: who asked; under the entry in the audit log.
        dry_run: count only.
        tell: called with what is being done and the share done.
        cancelled: asked between batches; what went until then is gone, and told.
    Raises:
        DatabaseDown: what went until then is gone.
        Fenced: another process leads now.
    """
    now = lab.clock.now()
    before = {what: now - timedelta(days=days) for what, days in kept_days(lab.settings).items()}
    if not dry_run:
        realise(lab.store, lab.model, now)
    gone: dict[str, int] = {}
    report, stop = tell or _quiet, cancelled or _never
    try:
        for place, (what, step) in enumerate(_steps(lab, before, now, dry_run)):
            report(what, place / (len(RULES) + 1))
            while not stop() and (count := step()):
                gone[what] = gone.get(what, 0) + count
                if dry_run:
                    break
            if stop():
                break
    finally:
        if gone and not dry_run:
            lab.store.audit.add(by, "data.retention", "database", None, gone)
    return Swept(gone, before, dry_run, whole=not stop())


def kept_days(settings: Settings) -> dict[str, float]:
    """How long each kind of row is kept."""
    of: dict[Setting, float] = {
        "keep_prices_days": settings.keep_prices_days,
        "keep_experiments_days": settings.keep_experiments_days,
        "keep_health_days": settings.keep_health_days,
    }
    return {
        **{rule.what: of[rule.setting] for rule in RULES},
        DRIFT: settings.keep_experiments_days,
    }


def _steps(
    lab: Lab, before: Mapping[str, datetime], now: datetime, dry_run: bool
) -> list[tuple[str, Callable[[], int]]]:
    sql = SqlRetention(lab.store.engine)
    act = sql.count if dry_run else sql.delete_some
    steps: list[tuple[str, Callable[[], int]]] = [
        (rule.what, lambda rule=rule: act(rule, before[rule.what], now))  # type: ignore[misc]
        for rule in RULES
    ]

    def drift() -> int:
        beyond = sql.drift_beyond(before[DRIFT])
        if dry_run or not beyond:
            return len(beyond)
        return sql.delete_drift(beyond[:_DRIFT_BATCH])

    return [*steps, (DRIFT, drift)]


def _quiet(_text: str, _share: float) -> None: ...


def _never() -> bool:
    return False
