"""The audit log, for those who may read it. Runtime floor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from spotlab.domain.access import Right
from spotlab.domain.ports import AuditCheck, AuditEntry
from spotlab.runtime.desk.base import DeskPart


class AuditDesk(DeskPart):
    """Every change: who, what, before and after."""

    __slots__ = ()

    def list(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[AuditEntry]:
        """Newest first (before a number); an action may be its first part. Raises Forbidden."""
        self.require(Right.READ_AUDIT)
        return self.lab.store.audit.entries(
            actor=actor,
            action=action,
            target=target,
            since=since,
            before=before,
            limit=limit,
            offset=offset,
        )

    def count(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
    ) -> int:
        """How many there are. Raises Forbidden."""
        self.require(Right.READ_AUDIT)
        return self.lab.store.audit.count(actor=actor, action=action, target=target, since=since)

    def check(self) -> AuditCheck:
        """Follow the chain from its first entry to its last. Raises Forbidden."""
        self.require(Right.READ_AUDIT)
        return self.lab.store.audit.check()
