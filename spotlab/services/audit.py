"""The audit log, for those who may read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spotlab.domain.access import Right
from spotlab.domain.ports import AuditCheck, AuditEntry, AuditFilter
from spotlab.services.alerts import sees
from spotlab.services.base import DeskPart


class AuditDesk(DeskPart):
    """Every change: who, what, before and after.

    What is about accounts, instances, alert rules and users that somebody does not see is not there
    for them; the chain is followed over all entries.
    """

    __slots__ = ()

    def list(
        self, where: AuditFilter | None = None, *, limit: int = 100, offset: int = 0
    ) -> Sequence[AuditEntry]:
        """Newest first. Raises Forbidden."""
        return self.lab.store.audit.entries(self._seen(where), limit=limit, offset=offset)

    def count(self, where: AuditFilter | None = None) -> int:
        """How many there are. Raises Forbidden."""
        return self.lab.store.audit.count(self._seen(where))

    def check(self, kept: str = "") -> AuditCheck:
        """Follow the whole chain from its first entry to its last; see `SqlAudit.check`.

        Raises:
            Forbidden: they may not read it.
            InvalidInput: what was kept is no digest.
        """
        self.require(Right.READ_AUDIT)
        return self.lab.store.audit.check(kept)

    def _seen(self, where: AuditFilter | None) -> AuditFilter:
        self.require(Right.READ_AUDIT)
        asked = where or AuditFilter()
        if self.who.accounts is None:
            return asked
        rules = [rule for rule in self.lab.store.alerts.rules() if sees(self.who, rule)]
        ids = tuple(rule.rule_id for rule in rules)
        users = [user for user in self.lab.store.users.list() if self.who.reach.sees(user.accounts)]
        return replace(
            asked,
            accounts=self.who.accounts,
            alert_rules=ids,
            users=tuple(user.name for user in users),
        )
