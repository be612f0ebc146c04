"""The components' health: the same for everybody who reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spotlab.access.name_redaction import foreign
from spotlab.domain.access import Right
from spotlab.domain.components import COMPONENTS
from spotlab.errors import DatabaseDown, NotFound
from spotlab.monitoring.health.report import Health, PartDay, read, read_day
from spotlab.services.base import DeskPart


class HealthDesk(DeskPart):
    """Every component, now and in the last 24 hours; no reason names an account they do not see."""

    __slots__ = ()

    def read(self) -> Health:
        """All of them. Raises Forbidden."""
        self.require(Right.READ)
        health = read(self.lab)
        if self.sees_all():
            return health
        hidden = self._hidden()
        parts = [
            replace(part, state=replace(part.state, reason=hidden(part.state.reason)))
            for part in health.parts
        ]
        return replace(health, parts=tuple(parts))

    def day(self, part: str) -> PartDay:
        """One component's day. Raises NotFound, DatabaseDown, Forbidden."""
        self.require(Right.READ)
        if part not in COMPONENTS:
            raise NotFound(
                f"There is no part {part!r}.", remedy=f"There are: {', '.join(COMPONENTS)}."
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
            return foreign(self.lab, self.who)
        except DatabaseDown:
            return lambda _: "Why is not shown while it cannot be read which accounts you see."
