"""Reading the accounts' queues: each event has its effect once, and starts an evaluation.

A batch of messages is recorded in one transaction and deleted from its queue afterwards. A crash in
between makes a repeated delivery, which the event's id makes harmless. What the database could not
record stays in the queue. Evaluations are made outside of the transaction; those that are due are
in the database, so that a crash does not lose them. See docs/adr/0035-events.md.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from spotlab.aws.event_queue import find_queue
from spotlab.aws.events import read_message
from spotlab.domain.ports import Account, Clock, EventQueue, QueuedMessage, Topic
from spotlab.domain.spot_events import (
    Effect,
    Evaluation,
    QueueState,
    RecordedEvent,
    RefusedMessage,
    SpotEvent,
    SpotEventKind,
)
from spotlab.errors import AwsError, Cancelled, DatabaseDown, FeedRefused, NotFound, SpotlabError
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.store import Store
from spotlab.store.spot_events import EVALUATED_WITHIN
from spotlab.telemetry import metrics
from spotlab.telemetry.logs import log_context

log = logging.getLogger("spotlab.runtime.spot_events")

WAIT_S: Final = 2
"""How long one ReceiveMessage waits, seconds: a run notices within this time that it must stop."""
LISTEN_S = 50.0
"""How long a run waits for further events, seconds; the job starts every minute."""
DEBOUNCE: Final = timedelta(seconds=30)
"""An instance is evaluated again because of events at most this often, notices excepted."""
CLOCK_SLACK: Final = timedelta(minutes=5)
"""How far the time of an event may be ahead of this clock."""
_MAX_QUEUES: Final = 32
"""Most queues that are waited for at the same time."""


@dataclass(slots=True)
class EventCounts:
    """What a run read.

    Args:
        messages: received, repeated ones included.
        events: new events.
        repeated: events that were already recorded.
        unknown_instances: new events of instances that are not in the fleet.
        refused: messages that are no events of the account.
        evaluated: instances that were evaluated.
        failed: an error by queue, or of evaluations.
    """

    messages: int = 0
    events: int = 0
    repeated: int = 0
    unknown_instances: int = 0
    refused: int = 0
    evaluated: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def read_batch(
    store: Store, account: Account, region: str, queue: EventQueue, clock: Clock, wait_s: int = 0
) -> EventCounts:
    """Receive one batch of messages and handle it; see `handle_batch`."""
    return handle_batch(store, account, region, queue, queue.receive(wait_s), clock)


def handle_batch(
    store: Store,
    account: Account,
    region: str,
    queue: EventQueue,
    messages: Sequence[QueuedMessage],
    clock: Clock,
) -> EventCounts:
    """Record a batch with its effects, refuse what is no event, then delete the messages.

    Args:
        store: receives events and effects.
        account: to which the queue belongs.
        region: of the queue.
        queue: the messages are deleted from it.
        messages: up to 10.
        clock: for the time of receipt.
    Raises:
        DatabaseDown: nothing was recorded, and the messages stay in the queue.
        AwsError: the messages may be delivered again.
    """
    now = clock.now()
    counts = EventCounts(messages=len(messages))
    events: list[SpotEvent] = []
    refused: list[tuple[QueuedMessage, RefusedMessage]] = []
    for message in messages:
        try:
            events.append(read_message(message.body, account.aws_account_id, now + CLOCK_SLACK))
        except FeedRefused as exc:
            refused.append((message, _refused(message, account, region, exc.message, now=now)))
    new = store.spot_events.record(account, events, now)
    for message, why in refused:
        queue.refuse(message, why.reason)
    counts.refused = store.spot_events.refuse([why for _, why in refused])
    queue.delete(messages)
    counts.events, counts.repeated = len(new), len(events) - len(new)
    counts.unknown_instances = _count(account, new)
    for _, why in refused:
        log.warning("refused message %s of %s: %s", why.message_id, account.name, why.reason)
    metrics.SPOT_EVENTS.labels(kind="repeated").inc(counts.repeated)
    metrics.SPOT_EVENTS.labels(kind="refused").inc(counts.refused)
    return counts


def _refused(
    message: QueuedMessage, account: Account, region: str, reason: str, *, now: Any
) -> RefusedMessage:
    body = message.body.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(body).hexdigest()
    return RefusedMessage(message.message_id, account.name, region, reason, now, len(body), digest)


def _count(account: Account, new: Sequence[RecordedEvent]) -> int:
    """Count and log new events; returns how many are of unknown instances."""
    unknown = 0
    for each in new:
        event = each.event
        metrics.SPOT_EVENTS.labels(kind=event.kind.value).inc()
        received_s = (each.received_at - event.at).total_seconds()
        metrics.SPOT_EVENT_SECONDS.labels(step="received").observe(max(0.0, received_s))
        if each.effect is Effect.UNKNOWN_INSTANCE:
            unknown += 1
            log.info(
                "%s of %s in account %s: the instance is not in the fleet; no effect",
                event.kind.label,
                event.instance_id,
                account.name,
            )
        elif event.kind is not SpotEventKind.STATE_CHANGE:
            log.info("%s of %s at %s", event.kind.label, event.instance_id, event.at.isoformat())
    return unknown


@dataclass(slots=True)
class _OpenQueue:
    """A queue that is read; `noted`: its reading is recorded in this run."""

    account: Account
    region: str
    queue: EventQueue
    noted: bool = False


def read_events(
    lab: Lab,
    tell: Callable[[str, float], None],
    cancelled: Callable[[], bool],
    listen_s: float | None = None,
) -> EventCounts:
    """Read every account's queues until they are empty, evaluating what events ask for.

    Args:
        lab: its accounts, store and models.
        tell: called with the current step and the share done.
        cancelled: checked between batches.
        listen_s: how long to wait for further events; None: LISTEN_S.
    Raises:
        DatabaseDown: events cannot be recorded; they stay in their queues.
        Cancelled: events read before stay recorded.
    """
    total = EventCounts()
    name = lab.settings.event_queue
    seconds = LISTEN_S if listen_s is None else listen_s
    tell("reading events", 0.0)
    opened = _open_queues(lab, name, total) if name else []
    _evaluate_due(lab, total, cancelled)
    if not opened:
        return total
    ends = time.monotonic() + seconds
    with ThreadPoolExecutor(min(len(opened), _MAX_QUEUES), "event-queue") as pool:
        waiting: dict[Future[Sequence[QueuedMessage]], _OpenQueue] = {}

        def receive(each: _OpenQueue) -> None:
            left_s = max(0.0, ends - time.monotonic())
            waiting[pool.submit(each.queue.receive, int(min(WAIT_S, left_s)))] = each

        for each in opened:
            receive(each)
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            stop = cancelled()
            for future in done:
                each = waiting.pop(future)
                received = _handle(lab, each, future, total)
                listens = received == 0 and ends - time.monotonic() >= 1
                if not stop and (received or listens):
                    receive(each)
            _evaluate_due(lab, total, cancelled)
    if cancelled():
        raise Cancelled(f"Stopped after {total.messages:,} messages.")
    return total


def _open_queues(lab: Lab, name: str, total: EventCounts) -> list[_OpenQueue]:
    """The queues that exist; why the others cannot be read is recorded."""
    cloud = lab.cloud()
    opened = []
    for account in cloud.accounts:
        for region in account.regions:
            try:
                queue = find_queue(cloud.sessions, account, region, name)
            except AwsError as exc:
                _note(lab, account, region, str(exc))
                if exc.code not in _NOT_SET_UP:
                    total.failed[f"{account.name} {region}"] = str(exc)
                continue
            opened.append(_OpenQueue(account, region, queue))
    return opened


_NOT_SET_UP: Final = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotEmulated"}
)


def _handle(
    lab: Lab, each: _OpenQueue, future: Future[Sequence[QueuedMessage]], total: EventCounts
) -> int | None:
    """Handle what was received; returns the number of messages, None if the queue failed."""
    account, region = each.account, each.region
    try:
        messages = future.result()
        with log_context(account=account.name):
            counts = handle_batch(lab.store, account, region, each.queue, messages, lab.clock)
    except DatabaseDown:
        raise
    except AwsError as exc:
        total.failed[f"{account.name} {region}"] = str(exc)
        _note(lab, account, region, str(exc))
        return None
    for name in ("messages", "events", "repeated", "unknown_instances", "refused"):
        setattr(total, name, getattr(total, name) + getattr(counts, name))
    if counts.events:
        lab.bus.publish(Topic.FLEET)
    if counts.messages or not each.noted:
        _note(lab, account, region)
        each.noted = True
    return counts.messages


def _note(lab: Lab, account: Account, region: str, error: str = "") -> None:
    lab.store.spot_events.note_queue(QueueState(account.name, region, lab.clock.now(), error))


def _evaluate_due(lab: Lab, total: EventCounts, cancelled: Callable[[], bool]) -> None:
    """Evaluate the instances of pending events; a failure leaves them pending."""
    try:
        total.evaluated += evaluate_pending(lab, cancelled)
    except (Cancelled, DatabaseDown):
        raise
    except SpotlabError as exc:
        total.failed["evaluation"] = str(exc)
        log.warning("no evaluation because of events: %s", exc)


def evaluate_pending(lab: Lab, cancelled: Callable[[], bool] | None = None) -> int:
    """Evaluate each instance with pending events once, and record the latency.

    An instance that was evaluated because of events a short time ago waits, unless a notice came.
    Events that have been pending for too long expire.

    Returns:
        The number of instances evaluated.
    Raises:
        SpotlabError: the market or the model is not available; the events stay pending.
        Cancelled: some were not evaluated.
    """
    events, now = lab.store.spot_events, lab.clock.now()
    due: dict[str, list[RecordedEvent]] = {}
    expired = []
    for each in events.pending():
        if now - each.received_at > EVALUATED_WITHIN:
            expired.append(each.event.event_id)
        else:
            due.setdefault(each.event.instance_id, []).append(each)
    if expired:
        events.note_evaluated(expired, now, None, Evaluation.EXPIRED)
    last = events.last_evaluations(due) if due else {}
    evaluated = 0
    for instance_id, pending in sorted(due.items(), key=_urgency):
        notice = any(each.event.kind is SpotEventKind.NOTICE for each in pending)
        before = last.get(instance_id)
        if before is not None and now - before < DEBOUNCE and not notice:
            continue
        try:
            made = evaluate_instances(lab, [instance_id], cancelled=cancelled)
        except NotFound:
            made = []
        at = lab.clock.now()
        number = made[0].experiment_id if made else None
        events.note_evaluated([each.event.event_id for each in pending], at, number)
        for each in pending:
            seconds = (at - each.event.at).total_seconds()
            metrics.SPOT_EVENT_SECONDS.labels(step="evaluated").observe(max(0.0, seconds))
        evaluated += 1
    return evaluated


def _urgency(due: tuple[str, Sequence[RecordedEvent]]) -> tuple[bool, Any]:
    """Instances with a notice first, then by the time of their first event."""
    notices = [each.event.kind is SpotEventKind.NOTICE for each in due[1]]
    return not any(notices), min(each.event.at for each in due[1])


def document(counts: EventCounts) -> Mapping[str, Any]:
    """The result of a run as JSON values; "failed" describes errors."""
    return {
        "messages": counts.messages,
        "events": counts.events,
        "repeated": counts.repeated,
        "unknown_instances": counts.unknown_instances,
        "refused": counts.refused,
        "evaluated": counts.evaluated,
        "failed": " ".join(counts.failed.values()),
    }
