"""The contract of events from queues, on both databases: each effect once, in any order."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.spot_events import (
    Effect,
    Evaluation,
    QueueState,
    RefusedMessage,
    Signal,
    SpotEvent,
    SpotEventKind,
)
from spotlab.errors import DatabaseDown
from spotlab.store import Store, spot_event_effects
from tests.support import builders as make

NOW = make.NOW.replace(microsecond=0)
ACCOUNT = make.account()
INSTANCE = "i-0123456789abcdef0"
NOTICE, REBALANCE, STATE = SpotEventKind


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def event(
    kind: SpotEventKind, minutes: float = 0.0, number: int = 0, **changes: object
) -> SpotEvent:
    made = SpotEvent(
        f"event-{kind.value}-{minutes}-{number}",
        kind,
        INSTANCE,
        ACCOUNT.aws_account_id,
        "us-east-1",
        at(minutes),
        "terminated" if kind is STATE else "",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def fleet(store: Store) -> Store:
    store.fleet.save_account(ACCOUNT)
    store.fleet.sync(ACCOUNT.name, [make.instance(INSTANCE)])
    return store


def test_an_event_is_evidence_a_mark_and_a_reason_to_evaluate(fleet: Store) -> None:
    (recorded,) = fleet.spot_events.record(ACCOUNT, [event(NOTICE)], at(0.1))
    assert (recorded.effect, recorded.evaluation) == (Effect.RECORDED, Evaluation.PENDING)
    assert recorded.pool == make.pool()
    (evidence,) = fleet.interruptions.events()
    assert (evidence.pool, evidence.at, evidence.kind) == (
        make.pool(),
        at(0),
        InterruptionKind.NOTICE,
    )
    assert fleet.fleet.instance(INSTANCE).signal == Signal(NOTICE, at(0), at(2))
    assert fleet.spot_events.pending() == [recorded]


def test_repeated_and_shuffled_deliveries_have_each_effect_once(fleet: Store) -> None:
    events = [event(REBALANCE, minutes) for minutes in range(0, 30, 3)]
    events += [event(NOTICE, 27), event(STATE, 29)]
    deliveries = [*events, *events, *events]
    random.Random(5).shuffle(deliveries)
    new = 0
    for start in range(0, len(deliveries), 10):
        new += len(fleet.spot_events.record(ACCOUNT, deliveries[start : start + 10], at(30)))
    assert new == len(events) == len(fleet.spot_events.list())
    assert len(fleet.interruptions.events()) == 11
    known = fleet.fleet.instance(INSTANCE)
    assert known.signal == Signal(NOTICE, at(27), at(29))
    assert (known.state, known.active) == ("terminated", False)


@pytest.mark.parametrize("first", [0, 1])
def test_a_recommendation_does_not_hide_a_running_notice(fleet: Store, first: int) -> None:
    pair = [event(NOTICE, 0), event(REBALANCE, 1)]
    for each in (pair[first], pair[1 - first]):
        fleet.spot_events.record(ACCOUNT, [each], at(1))
    assert fleet.fleet.instance(INSTANCE).signal == Signal(NOTICE, at(0), at(2))


@pytest.mark.parametrize("first", [0, 1])
def test_the_newest_state_stays_whatever_arrives_last(fleet: Store, first: int) -> None:
    pair = [event(STATE, 0, state="running"), event(STATE, 1, state="stopped")]
    for each in (pair[first], pair[1 - first]):
        fleet.spot_events.record(ACCOUNT, [each], at(1))
    assert fleet.fleet.instance(INSTANCE).state == "stopped"


def test_a_listing_after_the_event_is_newer(fleet: Store) -> None:
    fleet.fleet.note_listing(ACCOUNT.name, at(5))
    fleet.spot_events.record(ACCOUNT, [event(STATE, 4)], at(6))
    assert fleet.fleet.instance(INSTANCE).state == "running"


def test_an_unknown_instance_is_kept_and_has_no_effect(fleet: Store) -> None:
    foreign = make.account("other", aws_account_id="210987654321")
    fleet.fleet.save_account(foreign)
    (unknown,) = fleet.spot_events.record(
        ACCOUNT, [event(NOTICE, instance_id="i-0000000000000beef")], at(0)
    )
    (of_another,) = fleet.spot_events.record(foreign, [event(NOTICE, number=1)], at(0))
    for each in (unknown, of_another):
        assert (each.effect, each.evaluation, each.pool) == (
            Effect.UNKNOWN_INSTANCE,
            Evaluation.NONE,
            None,
        )
    assert fleet.interruptions.events() == []
    assert fleet.fleet.instance(INSTANCE).signal is None
    assert fleet.spot_events.counts()["unknown instance"] == 2
    assert fleet.spot_events.counts([ACCOUNT.name])["unknown instance"] == 1


def test_an_on_demand_instance_gives_no_evidence_of_a_spot_pool(fleet: Store) -> None:
    fleet.fleet.sync(ACCOUNT.name, [make.instance(INSTANCE, lifecycle=Lifecycle.ON_DEMAND)])
    fleet.spot_events.record(ACCOUNT, [event(REBALANCE)], at(0))
    assert fleet.interruptions.events() == []


@pytest.mark.parametrize(
    ("seen", "minutes", "expected"),
    [
        (event(STATE, 0), 0, Evaluation.NONE),
        (event(NOTICE, 0), 61, Evaluation.NONE),
        (event(STATE, 0, state="running"), 0, Evaluation.PENDING),
    ],
)
def test_an_instance_that_ended_or_an_old_event_is_not_evaluated(
    fleet: Store, seen: SpotEvent, minutes: float, expected: Evaluation
) -> None:
    (recorded,) = fleet.spot_events.record(ACCOUNT, [seen], at(minutes))
    assert recorded.evaluation is expected


def test_a_failure_in_the_middle_records_nothing(
    fleet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise DatabaseDown("lost the connection")

    with monkeypatch.context() as patched:
        patched.setattr(spot_event_effects, "_marks", broken)
        with pytest.raises(DatabaseDown):
            fleet.spot_events.record(ACCOUNT, [event(STATE, 0), event(NOTICE, 1)], at(1))
    assert fleet.spot_events.list() == []
    assert fleet.fleet.instance(INSTANCE).state == "running"
    assert len(fleet.spot_events.record(ACCOUNT, [event(STATE, 0), event(NOTICE, 1)], at(1))) == 2


def test_two_consumers_of_the_same_messages_have_each_effect_once(fleet: Store) -> None:
    events = [event(REBALANCE, minutes) for minutes in range(40)]
    new: list[int] = []

    def consume(seed: int) -> None:
        mine = random.Random(seed).sample(events, len(events))
        batches = [mine[start : start + 10] for start in range(0, len(mine), 10)]
        new.extend(len(fleet.spot_events.record(ACCOUNT, each, at(40))) for each in batches)

    threads = [Thread(target=consume, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == len(fleet.interruptions.events()) == 40


def test_exposure_ends_with_the_event_and_starts_again_with_the_next(fleet: Store) -> None:
    fleet.interruptions.record_running([make.instance(INSTANCE)], at(-5), None, emulated=False)
    states = [event(STATE, 3, state="stopped"), event(STATE, 20, state="running")]
    fleet.spot_events.record(ACCOUNT, states, at(20))
    found = fleet.interruptions.exposures(emulated=False, since=at(-60))
    assert [(each.started_at, each.ended_at) for each in found] == [
        (at(-5), at(3)),
        (at(20), at(20)),
    ]


def test_what_is_evaluated_is_pending_no_more(fleet: Store) -> None:
    fleet.spot_events.record(ACCOUNT, [event(REBALANCE, 0), event(REBALANCE, 1)], at(1))
    first, second = fleet.spot_events.pending()
    fleet.spot_events.note_evaluated([first.event.event_id], at(2), 7)
    fleet.spot_events.note_evaluated(
        [first.event.event_id, second.event.event_id], at(3), None, Evaluation.EXPIRED
    )
    newest, oldest = fleet.spot_events.list()
    assert (oldest.evaluation, oldest.evaluated_at, oldest.experiment_id) == (
        Evaluation.DONE,
        at(2),
        7,
    )
    assert (newest.evaluation, newest.evaluated_at) == (Evaluation.EXPIRED, None)
    assert fleet.spot_events.pending() == []
    assert fleet.spot_events.last_evaluations([INSTANCE]) == {INSTANCE: at(2)}


def test_refused_messages_are_recorded_once(store: Store) -> None:
    message = RefusedMessage("m-1", "production", "us-east-1", "It is not JSON.", NOW, 3, "ab" * 32)
    assert store.spot_events.refuse([message]) == 1
    assert store.spot_events.refuse([message, replace(message, message_id="m-2")]) == 1
    assert [each.message_id for each in store.spot_events.refused()] == ["m-1", "m-2"]
    assert store.spot_events.refused(accounts=["other"]) == []
    assert store.spot_events.counts()["refused"] == 2


def test_the_last_reading_of_a_queue_replaces_the_one_before(store: Store) -> None:
    store.spot_events.note_queue(QueueState("production", "us-east-1", at(0), "It is denied."))
    store.spot_events.note_queue(QueueState("production", "us-east-1", at(1)))
    assert store.spot_events.queues() == [QueueState("production", "us-east-1", at(1))]
