"""Interruptions of instances that a user sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from spotlab.domain.access import Right
from spotlab.domain.evidence_points import EvidencePoint
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import Pool
from spotlab.errors import NotFound
from spotlab.runtime.evidence import EvidenceReader
from spotlab.runtime.outcomes import BY_HAND, add_event, read_event_file
from spotlab.services.base import Service


class InterruptionService(Service):
    """Interruption events; those of unknown instances need a user who sees every account."""

    __slots__ = ()

    def list(self) -> Sequence[InterruptionEvent]:
        """Events, newest first. Raises Forbidden."""
        self.require(Right.READ)
        events = self.lab.store.interruptions.events()
        if self.sees_all():
            return events
        fleet = self.lab.store.fleet.instances(active_only=False)
        visible = {
            instance.instance_id for instance in fleet if self.principal.sees(instance.account)
        }
        return [event for event in events if event.instance_id in visible]

    def evidence(self, pool: Pool, since: datetime, until: datetime) -> Sequence[EvidencePoint]:
        """Everything that was observed about a pool, oldest first.

        Own launches and interruptions are in SQL and in the evidence archive, prices, zone spreads
        and moves of the advisor's buckets in the active market's history. For a user who sees every
        account: points do not say whose they are.

        Args:
            pool: with its zone; its points include those of its type in the region.
            since, until: aware UTC; since <= at < until.
        Raises:
            Forbidden: not every account is visible.
            NoMarketData: no market was collected.
        """
        self.principal.require_everywhere(Right.READ)
        data = self.lab.market()
        return EvidenceReader(self.lab, data.market).read([pool], since, until, data)

    def add(
        self, instance_id: str, kind: InterruptionKind, at: datetime, pool: Pool | None = None
    ) -> bool:
        """Record an event of an own instance; see `runtime.outcomes.add_event`.

        Raises:
            Forbidden, NotFound, InvalidInput: nothing was recorded.
        """
        self._may_record(instance_id)
        return add_event(self.lab, instance_id, kind, at, pool, BY_HAND, self.by())

    def add_file(self, path: Path) -> tuple[int, int]:
        """Record a file of events, all or none; see `runtime.outcomes.read_event_file`.

        Returns:
            The number of new events, and of all events in the file.
        Raises:
            Forbidden, NotFound, InvalidInput: nothing was recorded.
        """
        self.require(Right.RECORD_EVENTS)
        events = read_event_file(self.lab, path)
        for event in events:
            self._may_record(event.instance_id)
        return self.lab.store.interruptions.add(events, self.by()), len(events)

    def _may_record(self, instance_id: str) -> None:
        self.require(Right.RECORD_EVENTS)
        try:
            account = self.lab.store.fleet.instance(instance_id).account
        except NotFound:
            if not self.sees_all():
                raise
            return
        if not self.principal.sees(account):
            raise NotFound(
                f"Instance {instance_id!r} is not in the fleet.",
                remedy="Check its id, or collect its account first.",
            )
