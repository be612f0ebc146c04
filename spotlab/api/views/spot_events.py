"""Events from the accounts' queues, and how they are read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from spotlab.api.views.base import PoolView, View, field
from spotlab.domain.spot_events import Effect, Evaluation, SpotEventKind


class SpotEventView(View):
    """An event of an instance, and what became of it."""

    event_id: str = field("EventBridge's id.", "12345678-1234-1234-1234-123456789012")
    kind: SpotEventKind = field("What it says.", "interruption_notice")
    instance_id: str = field("EC2 instance id.", "i-0000000000000001a")
    account: str = field("Name of the account.", "acme")
    region: str = field("Region of the instance.", "us-east-1")
    state: str = field("State after a state change; empty for other kinds.", "")
    pool: PoolView | None = field("Its pool; null if the instance was unknown.", None)
    at: datetime = field("Time of the event.", "2026-11-03T09:30:00Z")
    received_at: datetime = field("When it was read from the queue.", "2026-11-03T09:30:02Z")
    effect: Effect = field("What it did.", "recorded")
    evaluation: Evaluation = field("Whether it started an evaluation.", "done")
    evaluated_at: datetime | None = field(
        "End of the evaluation; null if there was none.", "2026-11-03T09:30:04Z"
    )
    experiment_id: int | None = field("The decision; null if there is none.", 17)


class PercentilesView(View):
    """Percentiles of a latency; null if no event has one."""

    count: int = field("Number of events.", 12, "count")
    p50_s: float | None = field("Half of the events were as fast.", 1.4, "s")
    p95_s: float | None = field("95 % of the events were as fast.", 3.2, "s")
    max_s: float | None = field("The slowest.", 4.1, "s")


class EventQueueView(View):
    """The last reading of a queue."""

    account: str = field("Name of the account.", "acme")
    region: str = field("Region of the queue.", "us-east-1")
    read_at: datetime = field("When it was last read.", "2026-11-03T09:30:00Z")
    error: str = field("Why it could not be read; empty if it was.", "")


class RefusedMessageView(View):
    """A message that is no event of its queue; its content is in the dead-letter queue."""

    message_id: str = field("SQS's id.", "5fea7756-0ea4-451a-a703-a558b933e274")
    account: str = field("Name of the account.", "acme")
    region: str = field("Region of the queue.", "us-east-1")
    reason: str = field("Why it was refused.", "The message is no event: it is not JSON.")
    refused_at: datetime = field("When.", "2026-11-03T09:30:00Z")
    size_bytes: int = field("Size of its body.", 512, "B")
    sha256: str = field("SHA-256 of its body, hexadecimal.", "ab" * 32)


class InterruptionHistoryView(View):
    """How far past interruptions were read from CloudTrail."""

    account: str = field("Name of the account.", "acme")
    region: str = field("Region of the instances.", "us-east-1")
    since: datetime = field("Start of the period.", "2026-08-05T09:30:00Z")
    until: datetime = field("End of the period.", "2026-11-03T09:30:00Z")
    read_back_to: datetime = field("Later ones were read.", "2026-08-05T09:30:00Z")
    complete: bool = field("Whether the whole period was read.", True)
    found: int = field("Interrupted instances.", 14, "count")
    recorded: int = field("Those that are new evidence.", 12, "count")
    unknown_pool: int = field("Those of unknown pools, which do not count.", 2, "count")
    error: str = field("Why the last reading ended early; empty if it did not.", "")


class EventReadingView(View):
    """How events are read: counts, latencies, queues."""

    counts: dict[str, int] = field(
        "Events by kind, of unknown instances, and refused messages.",
        {"interruption_notice": 1, "rebalance": 9, "state_change": 4},
    )
    received: PercentilesView = field("From an event to its receipt; newest 1,000 events.")
    evaluated: PercentilesView = field("From an event to the end of its evaluation.")
    queues: list[EventQueueView] = field("The last reading of each queue.", [])
    refused: list[RefusedMessageView] = field("The newest refused messages.", [])
    histories: list[InterruptionHistoryView] = field("Past interruptions by region.", [])


class EventSetupView(View):
    """How an account's event queues are set up."""

    account: str = field("Name of the account.", "acme")
    queue: str = field("Name of the queue in each region.", "spotlab-events")
    regions: list[str] = field("Deploy the template in each of them.", ["us-east-1"])
    template: dict[str, Any] = field("CloudFormation template.", {"Resources": {}})
    commands: list[str] = field(
        "AWS CLI commands that do the same.", ["aws sqs create-queue --queue-name spotlab-events"]
    )
    statements: list[dict[str, Any]] = field(
        "Statements for the policy of SpotLab's role.",
        [{"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"}],
    )
