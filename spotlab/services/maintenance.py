"""Retention and backups, for administrators who see every account.

A restore is not a service, because the lab is closed during it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spotlab.domain.access import Right
from spotlab.maintenance.backup import Backup, back_up
from spotlab.maintenance.retention import RetentionReport, Tell, apply_retention
from spotlab.services.base import Service


class MaintenanceService(Service):
    """Deletes old data and writes backups."""

    __slots__ = ()

    def sweep(
        self,
        *,
        dry_run: bool = False,
        tell: Tell | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> RetentionReport:
        """Delete data older than the retention settings allow; see `retention.apply_retention`.

        Raises:
            Forbidden: the user may not delete data, or does not see every account.
        """
        self.principal.require_everywhere(Right.KEEP_DATA)
        return apply_retention(self.lab, self.by(), dry_run=dry_run, tell=tell, cancelled=cancelled)

    def back_up(self, target: Path, *, with_secrets: bool = False) -> Backup:
        """Write a backup; see `backup.back_up`. Raises Forbidden, Conflict, NotAvailable."""
        self.principal.require_everywhere(Right.KEEP_DATA)
        lab = self.lab
        home = lab.settings.home.absolute()
        backup = back_up(lab.store, home, lab.clock, target.absolute(), with_secrets=with_secrets)
        after = {"sha256": backup.sha256, "bytes": backup.bytes, "with_secrets": with_secrets}
        lab.store.audit.add(self.by(), "data.backup", target.name, None, after)
        return backup
