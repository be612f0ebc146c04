"""Health of the components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spotlab.access.name_redaction import name_redactor
from spotlab.domain.access import Right
from spotlab.domain.components import COMPONENTS
from spotlab.errors import DatabaseDown, NotFound
from spotlab.monitoring.health.report import ComponentDay, Health, read, read_day
from spotlab.services.base import Service


class HealthService(Service):
    """Every component, now and in the last 24 hours; names of other accounts are redacted."""

    __slots__ = ()

    def read(self) -> Health:
        """All components. Raises Forbidden."""
        self.require(Right.READ)
        health = read(self.lab)
        if self.sees_all():
            return health
        hidden = self._hidden()
        parts = [
            replace(part, state=replace(part.state, reason=hidden(part.state.reason)))
            for part in health.components
        ]
        return replace(health, components=tuple(parts))

    def day(self, part: str) -> ComponentDay:
        """Probes and failures of one component. Raises NotFound, DatabaseDown, Forbidden."""
        self.require(Right.READ)
        if part not in COMPONENTS:
            raise NotFound(
                f"There is no component {part!r}.", remedy=f"Available: {', '.join(COMPONENTS)}."
            )
        day = read_day(self.lab, part)
        if self.sees_all():
            return day
        hidden = self._hidden()
        probes, failures = (
            tuple(replace(each, reason=hidden(each.reason)) for each in every)
            for every in (day.probes, day.failures)
        )
        return replace(day, probes=probes, failures=failures)

    def _hidden(self) -> Callable[[str], str]:
        try:
            return name_redactor(self.lab, self.principal)
        except DatabaseDown:
            return lambda _: "Hidden: the accounts that you may see cannot be read now."
