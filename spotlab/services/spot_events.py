"""Events of the accounts that a user sees: what was read, how fast, and the set-up of queues."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spotlab.aws.event_setup import cli_commands, cloudformation, reader_statements
from spotlab.domain.access import Right
from spotlab.domain.ports import Account
from spotlab.domain.spot_events import (
    HistoryProgress,
    Percentiles,
    QueueState,
    RecordedEvent,
    RefusedMessage,
    percentiles,
)
from spotlab.errors import Conflict, NotFound, SpotlabError
from spotlab.runtime.interruption_history import read_histories
from spotlab.runtime.spot_events import EventCounts, read_events
from spotlab.services.base import Service

MAX_EVENTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class EventsView:
    """What was read of the user's accounts.

    Args:
        events: the newest, at most MAX_EVENTS.
        refused: the newest refused messages, at most MAX_EVENTS.
        counts: events by kind, "unknown instance" and "refused".
        received: from the time of an event to its receipt, of the listed events.
        evaluated: from the time of an event to the end of its evaluation.
        queues: the last reading of each queue.
        histories: how far past interruptions were read.
    """

    events: Sequence[RecordedEvent]
    refused: Sequence[RefusedMessage]
    counts: Mapping[str, int]
    received: Percentiles
    evaluated: Percentiles
    queues: Sequence[QueueState]
    histories: Sequence[HistoryProgress]


@dataclass(frozen=True, slots=True)
class EventSetup:
    """How an account's queues are set up.

    Args:
        account: name of the account.
        queue: name of the queue.
        regions: in each of which the template is deployed.
        template: CloudFormation.
        commands: AWS CLI commands that do the same.
        statements: of the policy of SpotLab's role.
    """

    account: str
    queue: str
    regions: tuple[str, ...]
    template: Mapping[str, Any]
    commands: Sequence[str]
    statements: Sequence[Mapping[str, Any]]


class SpotEventService(Service):
    """Events of the accounts that the user sees."""

    __slots__ = ()

    def view(self, limit: int = MAX_EVENTS) -> EventsView:
        """Events, latencies and queues. Raises Forbidden."""
        self.require(Right.READ)
        accounts = self._accounts()
        store = self.lab.store.spot_events
        events = store.list(accounts=accounts, limit=min(limit, MAX_EVENTS))
        received = [(each.received_at - each.event.at).total_seconds() for each in events]
        evaluated = [
            (each.evaluated_at - each.event.at).total_seconds()
            for each in events
            if each.evaluated_at is not None
        ]
        return EventsView(
            events,
            store.refused(accounts=accounts, limit=min(limit, MAX_EVENTS)),
            store.counts(accounts),
            percentiles([max(0.0, each) for each in received]),
            percentiles([max(0.0, each) for each in evaluated]),
            [each for each in store.queues() if self.principal.sees(each.account)],
            [
                each
                for each in self.lab.store.interruption_histories.list()
                if self.principal.sees(each.account)
            ],
        )

    def setup(self, account: str) -> EventSetup:
        """The set-up of an account's queues.

        Raises:
            NotFound: the user sees no such account.
            Conflict: it has no region, or no queue's name is set.
            Forbidden: the right to read is missing.
        """
        self.require(Right.READ)
        found = self._account(account)
        queue = self.lab.settings.event_queue
        if not queue:
            raise Conflict(
                "SPOTLAB_EVENT_QUEUE is empty, so no events are read.",
                remedy="Set the name of the queue, such as spotlab-events.",
            )
        if not found.regions:
            raise Conflict(f"Account {account!r} has no region.", remedy="Add one to it.")
        return EventSetup(
            found.name,
            queue,
            found.regions,
            cloudformation(queue),
            cli_commands(found, queue),
            reader_statements(found, queue),
        )

    def read(self) -> tuple[EventCounts, Sequence[HistoryProgress]]:
        """Read the queues until they are empty, and past interruptions that were not read yet.

        Raises:
            Forbidden: the user may not record events, or does not see every account.
        """
        self.require(Right.RECORD_EVENTS)
        if not self.sees_all():
            raise NotFound(
                "Events of accounts that you do not see would be read.",
                remedy="Ask an administrator who sees every account.",
            )

        def tell(_text: str, _share: float) -> None:
            """Progress is not shown."""

        counts = read_events(self.lab, tell, lambda: False, listen_s=0.0)
        return counts, read_histories(self.lab, tell, lambda: False)

    def _accounts(self) -> Collection[str] | None:
        return self.principal.accounts

    def _account(self, name: str) -> Account:
        if self.principal.sees(name):
            # Accounts of the settings are not in the store before they are first listed.
            for accounts in (self.lab.store.fleet.accounts, self._of_settings):
                for account in accounts():
                    if account.name == name:
                        return account
        raise NotFound(f"There is no account {name!r}.", remedy="Check its name.")

    def _of_settings(self) -> Sequence[Account]:
        """The accounts of the settings; none if they cannot be read."""
        try:
            return self.lab.open_cloud().accounts
        except SpotlabError:
            return ()
