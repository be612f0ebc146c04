"""The audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spotlab.domain.access import Right
from spotlab.domain.ports import AuditCheck, AuditEntry, AuditFilter
from spotlab.services.alerts import sees_rule
from spotlab.services.base import Service


class AuditService(Service):
    """Every change, with its user, subject, and values before and after.

    Entries about accounts, instances, switches, alert rules and users that the user does not see
    are not listed. The hash chain is checked over all entries.
    """

    __slots__ = ()

    def list(
        self, where: AuditFilter | None = None, *, limit: int = 100, offset: int = 0
    ) -> Sequence[AuditEntry]:
        """Entries, newest first. Raises Forbidden."""
        return self.lab.store.audit.entries(self._visible(where), limit=limit, offset=offset)

    def count(self, where: AuditFilter | None = None) -> int:
        """Number of entries. Raises Forbidden."""
        return self.lab.store.audit.count(self._visible(where))

    def check(self, kept: str = "") -> AuditCheck:
        """Check the whole hash chain; see `SqlAudit.check`.

        Args:
            kept: a head that was noted earlier and must be in the chain, or "".
        Raises:
            Forbidden: the user may not read the audit log.
            InvalidInput: `kept` is not a digest.
        """
        self.require(Right.READ_AUDIT)
        return self.lab.store.audit.check(kept)

    def _visible(self, where: AuditFilter | None) -> AuditFilter:
        self.require(Right.READ_AUDIT)
        where = where or AuditFilter()
        if self.principal.accounts is None:
            return where
        rules = [rule for rule in self.lab.store.alerts.rules() if sees_rule(self.principal, rule)]
        ids = tuple(rule.rule_id for rule in rules)
        users = [
            user for user in self.lab.store.users.list() if self.principal.reach.sees(user.accounts)
        ]
        return replace(
            where,
            accounts=self.principal.accounts,
            alert_rules=ids,
            users=tuple(user.name for user in users),
        )
