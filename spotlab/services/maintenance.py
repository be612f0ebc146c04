"""Old data and backups: for administrators of every account.

Restoring is not here: while it goes on, there is no lab.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spotlab.domain.access import Right
from spotlab.maintenance.backup import Backup, back_up
from spotlab.maintenance.retention import Swept, Tell, sweep
from spotlab.services.base import DeskPart


class KeepingDesk(DeskPart):
    """What is kept, and where else."""

    __slots__ = ()

    def sweep(
        self,
        *,
        dry_run: bool = False,
        tell: Tell | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Swept:
        """Delete old dataer than the settings say; see `retention.sweep`. Raises Forbidden."""
        self.who.require_everywhere(Right.KEEP_DATA)
        return sweep(self.lab, self.by(), dry_run=dry_run, tell=tell, cancelled=cancelled)

    def back_up(self, target: Path, *, with_secrets: bool = False) -> Backup:
        """Write a backup; see `backup.back_up`. Raises Forbidden, Conflict, NotAvailable."""
        self.who.require_everywhere(Right.KEEP_DATA)
        lab = self.lab
        home = lab.settings.home.absolute()
        made = back_up(lab.store, home, lab.clock, target.absolute(), with_secrets=with_secrets)
        told = {"sha256": made.sha256, "bytes": made.bytes, "with_secrets": with_secrets}
        lab.store.audit.add(self.by(), "data.backup", target.name, None, told)
        return made
