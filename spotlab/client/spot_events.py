"""Client resource for events of instances, and its responses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from spotlab.client.schemas import Pool
from spotlab.client.transport import Resource, path_segment


class SpotEvent(msgspec.Struct, frozen=True):
    """An interruption notice, a rebalance recommendation or a state change of an instance."""

    event_id: str
    kind: str
    instance_id: str
    account: str
    region: str
    state: str
    pool: Pool | None
    at: datetime
    received_at: datetime
    effect: str
    evaluation: str
    evaluated_at: datetime | None
    experiment_id: int | None


class Latency(msgspec.Struct, frozen=True):
    """Percentiles of a latency; None if no event has one."""

    count: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


class EventQueue(msgspec.Struct, frozen=True):
    """The last reading of a queue; `error` is "" if it could be read."""

    account: str
    region: str
    read_at: datetime
    error: str


class RefusedMessage(msgspec.Struct, frozen=True):
    """A message that is no event of its queue."""

    message_id: str
    account: str
    region: str
    reason: str
    refused_at: datetime
    size_bytes: int
    sha256: str


class InterruptionHistory(msgspec.Struct, frozen=True):
    """How far past interruptions were read from CloudTrail."""

    account: str
    region: str
    since: datetime
    until: datetime
    read_back_to: datetime
    complete: bool
    found: int
    recorded: int
    unknown_pool: int
    error: str


class EventReading(msgspec.Struct, frozen=True):
    """How events are read."""

    counts: dict[str, int]
    received: Latency
    evaluated: Latency
    queues: tuple[EventQueue, ...]
    refused: tuple[RefusedMessage, ...]
    histories: tuple[InterruptionHistory, ...]


class EventSetup(msgspec.Struct, frozen=True):
    """How an account's event queues are set up."""

    account: str
    queue: str
    regions: tuple[str, ...]
    template: dict[str, Any]
    commands: tuple[str, ...]
    statements: tuple[dict[str, Any], ...]


class Events(Resource):
    """Events from the accounts' queues."""

    def list(self) -> Iterator[SpotEvent]:
        """The newest 1,000 events of accounts that you may see, newest first."""
        return self._transport.pages("/spot-events", SpotEvent)

    def reading(self) -> EventReading:
        """Counts, latencies, queues, refused messages and past interruptions."""
        return self._transport.get("/spot-events/reading", EventReading)

    def setup(self, account: str) -> EventSetup:
        """The set-up of an account's queues: CloudFormation, AWS CLI commands, policy."""
        return self._transport.get(f"/accounts/{path_segment(account)}/event-setup", EventSetup)
