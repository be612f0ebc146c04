"""Events of own instances that EventBridge sends: kinds, signals and delivery latency.

Source: Amazon EC2 User Guide, "Spot Instance interruption notices", "EC2 instance rebalance
recommendations" and "State change events for Amazon EC2 instances".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.market import Pool

NOTICE_PERIOD: Final = timedelta(minutes=2)
"""EC2 interrupts an instance two minutes after its notice."""
ENDED_STATES: Final = frozenset({"shutting-down", "terminated"})
STATES: Final = frozenset({"pending", "running", "stopping", "stopped", *ENDED_STATES})


class SpotEventKind(StrEnum):
    """What an event says about its instance. Values are stored in SQL."""

    NOTICE = "interruption_notice"
    REBALANCE = "rebalance"
    STATE_CHANGE = "state_change"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _LABELS[self]

    @property
    def interruption(self) -> InterruptionKind | None:
        """The kind of evidence that it is; None: none."""
        return _EVIDENCE.get(self)


_LABELS: Final = {
    SpotEventKind.NOTICE: "interruption notice",
    SpotEventKind.REBALANCE: "rebalance recommendation",
    SpotEventKind.STATE_CHANGE: "state change",
}
_EVIDENCE: Final = {
    SpotEventKind.NOTICE: InterruptionKind.NOTICE,
    SpotEventKind.REBALANCE: InterruptionKind.REBALANCE,
}


class Effect(StrEnum):
    """What an event did. Values are stored in SQL."""

    RECORDED = "recorded"
    UNKNOWN_INSTANCE = "unknown instance"


class Evaluation(StrEnum):
    """Whether an event starts an evaluation. Values are stored in SQL."""

    NONE = "none"
    PENDING = "pending"
    DONE = "done"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SpotEvent:
    """An event of an instance.

    Args:
        event_id: unique; a repeated delivery has the same.
        kind: what it says.
        instance_id: the instance.
        aws_account_id: of the instance, 12 digits.
        region: of the instance.
        at: time of the event, aware UTC.
        state: of the instance after a state change; "" for other kinds.
    """

    event_id: str
    kind: SpotEventKind
    instance_id: str
    aws_account_id: str
    region: str
    at: datetime
    state: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """The last interruption notice or rebalance recommendation of an instance.

    Args:
        kind: a notice or a recommendation.
        at: time of the event, aware UTC.
        notice_ends_at: when EC2 interrupts it; None: it only recommends to leave.
    """

    kind: SpotEventKind
    at: datetime
    notice_ends_at: datetime | None = None

    def follows(self, before: Signal | None) -> bool:
        """Whether it replaces an earlier known one, in whatever order they arrive.

        A newer one does, except that a recommendation does not hide a notice that has not ended.
        """
        if before is None:
            return True
        if before.notice_ends_at is not None and self.notice_ends_at is None:
            return self.at > before.notice_ends_at
        if self.notice_ends_at is not None and before.notice_ends_at is None:
            return before.at <= self.notice_ends_at
        return self.at > before.at

    def interrupts_at(self, now: datetime) -> datetime | None:
        """When EC2 interrupts the instance, if a notice is running at `now`; else None."""
        ends_at = self.notice_ends_at
        return ends_at if ends_at is not None and self.at <= now <= ends_at else None


def signal_of(event: SpotEvent) -> Signal | None:
    """The signal that an event is; None: a state change."""
    if event.kind is SpotEventKind.STATE_CHANGE:
        return None
    ends_at = event.at + NOTICE_PERIOD if event.kind is SpotEventKind.NOTICE else None
    return Signal(event.kind, event.at, ends_at)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event with what became of it.

    Args:
        event: the event.
        account: name of the account whose queue it came from.
        pool: of the instance when the event was received; None: the instance was unknown.
        received_at: when it was read from the queue, aware UTC.
        effect: what it did.
        evaluation: whether it starts an evaluation.
        evaluated_at: when the evaluation ended, aware UTC; None: not yet, or none.
        experiment_id: the decision; None: none.
    """

    event: SpotEvent
    account: str
    pool: Pool | None
    received_at: datetime
    effect: Effect
    evaluation: Evaluation
    evaluated_at: datetime | None = None
    experiment_id: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message that is no event of its queue's account. Its content is not stored.

    Args:
        message_id: assigned by SQS.
        account: name of the account whose queue it came from.
        region: of the queue.
        reason: why it was refused, a sentence.
        refused_at: aware UTC.
        size_bytes: of its body.
        sha256: of its body.
    """

    message_id: str
    account: str
    region: str
    reason: str
    refused_at: datetime
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """The last reading of a queue.

    Args:
        account: name of the account.
        region: of the queue.
        read_at: aware UTC.
        error: why it could not be read, a sentence; "": it was read.
    """

    account: str
    region: str
    read_at: datetime
    error: str = ""


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """How far an account's past interruptions in one region were read, newest first.

    Args:
        account: name of the account.
        region: of the instances.
        since, until: the period, aware UTC.
        read_back_to: everything after this time was read, aware UTC.
        boundary: ids of the events at that very time that were read.
        complete: whether the period was read to its start.
        pages: read.
        found: interrupted instances that were found.
        recorded: those that are new evidence; the others were known.
        unknown_pool: those whose pool could not be found; they are not evidence.
        updated_at: aware UTC.
        error: why the last reading ended early, a sentence; "": it did not.
    """

    account: str
    region: str
    since: datetime
    until: datetime
    read_back_to: datetime
    updated_at: datetime
    boundary: tuple[str, ...] = ()
    complete: bool = False
    pages: int = 0
    found: int = 0
    recorded: int = 0
    unknown_pool: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a latency in seconds; None: no event has one."""

    count: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """Percentiles by the nearest-rank method.

    >>> percentiles([1.0, 2.0, 3.0, 10.0])
    Percentiles(count=4, p50_s=2.0, p95_s=10.0, max_s=10.0)
    """
    ordered = sorted(seconds)
    count = len(ordered)
    if not count:
        return Percentiles(0, None, None, None)
    ranks = (max(1, -(-count * share // 100)) for share in (50, 95))
    p50, p95 = (ordered[rank - 1] for rank in ranks)
    return Percentiles(count, p50, p95, ordered[-1])
