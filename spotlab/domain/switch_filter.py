"""Which switches to list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spotlab.domain.switches import SwitchState


@dataclass(frozen=True, slots=True)
class SwitchFilter:
    """Which switches to list; None: no restriction.

    Args:
        accounts: only instances of these accounts.
        instance_id: replaced by, or launched by, the switch.
        states: any of these.
        open: only those that are, or are not, finished.
        pool: left or requested.
        since: requested at or after.
        started_since: whose first driver began at or after.
        dry_run: only rehearsals, or only real ones.
        before: only switches after this one (requested_at, switch_id) in the order newest first.
    """

    accounts: tuple[str, ...] | None = None
    instance_id: str | None = None
    states: tuple[SwitchState, ...] | None = None
    open: bool | None = None
    pool: str | None = None
    since: datetime | None = None
    started_since: datetime | None = None
    dry_run: bool | None = None
    experiment_id: int | None = None
    before: tuple[datetime, str] | None = None
