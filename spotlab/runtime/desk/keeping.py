"""Old data, backups and restoring: for administrators. Runtime floor."""

from __future__ import annotations

from collections.abc import Callable

from spotlab.domain.access import Right
from spotlab.runtime.desk.base import DeskPart
from spotlab.runtime.retention import Swept, Tell, sweep


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
        """Delete what is older than the settings say; see `retention.sweep`. Raises Forbidden."""
        self.require(Right.KEEP_DATA)
        return sweep(self.lab, self.by(), dry_run=dry_run, tell=tell, cancelled=cancelled)
