"""Reading event queues: deleted when recorded, refused with the reason, evaluated once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.ports import Account
from spotlab.domain.spot_events import Evaluation, SpotEventKind
from spotlab.errors import AwsUnreachable, DatabaseDown
from spotlab.runtime import spot_events
from spotlab.runtime.lab import Lab
from spotlab.runtime.spot_events import EventCounts, evaluate_pending, handle_batch
from tests.support.event_queue import MemoryQueue, document
from tests.support.lab import FLEET, save_toy_model, small_lab

INSTANCE = FLEET[0][0]
OTHER = FLEET[1][0]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        yield opened


def read(lab: Lab, queue: MemoryQueue) -> EventCounts:
    account = Account("acme", "123456789012", emulated=True)
    messages = queue.receive()
    return handle_batch(lab.store, account, "us-east-1", queue, messages, lab.clock)


def body(lab: Lab, kind: str = "rebalance", instance_id: str = INSTANCE, ago_s: float = 5) -> str:
    return document(kind, instance_id, lab.clock.now() - timedelta(seconds=ago_s))


def test_a_recorded_message_is_deleted_and_a_repeated_one_has_no_effect(lab: Lab) -> None:
    same = body(lab)
    queue = MemoryQueue(same, same, body(lab, "notice"))
    counts = read(lab, queue)
    assert (counts.messages, counts.events, counts.repeated) == (3, 2, 1)
    assert queue.messages == {}
    queue.send(same)
    assert (read(lab, queue).repeated, len(lab.store.interruptions.events())) == (1, 2)


def test_a_crash_between_commit_and_delete_only_repeats(lab: Lab) -> None:
    queue = MemoryQueue(body(lab, "notice"))
    queue.failing = {"delete"}
    with pytest.raises(AwsUnreachable):
        read(lab, queue)
    queue.failing.clear()
    queue.expire_visibility()
    assert (read(lab, queue).repeated, queue.messages) == (1, {})
    assert len(lab.store.interruptions.events()) == 1


def test_poison_goes_to_the_dead_letter_queue_with_the_reason(lab: Lab) -> None:
    foreign = document("notice", INSTANCE, lab.clock.now(), account="999999999999")
    queue = MemoryQueue("not json", foreign, body(lab))
    counts = read(lab, queue)
    assert (counts.events, counts.refused, queue.messages) == (1, 2, {})
    assert sorted((text, reason.split(": ")[1]) for text, reason in queue.dead) == sorted(
        [
            ("not json", "it is not JSON."),
            (foreign, "its account is not 123456789012, to which the queue belongs."),
        ]
    )
    assert {each.reason for each in lab.store.spot_events.refused()} == {
        reason for _, reason in queue.dead
    }


def test_poison_stays_until_it_is_in_the_dead_letter_queue(lab: Lab) -> None:
    queue = MemoryQueue("not json", body(lab))
    queue.failing = {"refuse"}
    with pytest.raises(AwsUnreachable):
        read(lab, queue)
    assert len(queue.messages) == 2


def test_without_a_database_the_messages_stay_in_the_queue(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> list[object]:
        raise DatabaseDown("The database does not respond.")

    queue = MemoryQueue(body(lab, "notice"), "not json")
    with monkeypatch.context() as patched:
        patched.setattr(type(lab.store.spot_events), "record", down)
        with pytest.raises(DatabaseDown):
            read(lab, queue)
    assert (len(queue.messages), queue.dead) == (2, [])
    queue.expire_visibility()
    assert read(lab, queue).events == 1


def test_an_unknown_instance_is_one_log_line(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    unknown = body(lab, "notice", "i-0000000000000beef")
    with caplog.at_level(logging.INFO, "spotlab.runtime.spot_events"):
        assert read(lab, MemoryQueue(unknown, unknown)).unknown_instances == 1
    assert [each for each in caplog.messages if "i-0000000000000beef" in each] == [
        "interruption notice of i-0000000000000beef in account acme: the instance is not in the "
        "fleet; no effect"
    ]
    assert evaluate_pending(lab) == 0


def test_an_event_starts_one_evaluation_of_its_instance(lab: Lab) -> None:
    read(lab, MemoryQueue(body(lab), body(lab, ago_s=9), body(lab, "rebalance", OTHER)))
    assert evaluate_pending(lab) == 2
    assert evaluate_pending(lab) == 0
    recorded = lab.store.spot_events.list()
    latest = lab.store.ledger.latest_per_instance()
    assert set(latest) == {INSTANCE, OTHER}
    for each in recorded:
        assert each.evaluation is Evaluation.DONE
        assert each.experiment_id == latest[each.event.instance_id].experiment_id


def test_recommendations_are_debounced_and_notices_are_not(lab: Lab) -> None:
    read(lab, MemoryQueue(body(lab)))
    assert evaluate_pending(lab) == 1
    read(lab, MemoryQueue(body(lab, ago_s=3)))
    assert evaluate_pending(lab) == 0
    assert len(lab.store.spot_events.pending()) == 1
    read(lab, MemoryQueue(body(lab, "notice", ago_s=1)))
    assert evaluate_pending(lab) == 1
    assert lab.store.spot_events.pending() == []


def test_a_failed_evaluation_stays_pending_and_then_expires(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise AwsUnreachable("No market.")

    read(lab, MemoryQueue(body(lab)))
    monkeypatch.setattr(spot_events, "evaluate_instances", failing)
    with pytest.raises(AwsUnreachable):
        evaluate_pending(lab)
    (pending,) = lab.store.spot_events.pending()
    assert pending.event.kind is SpotEventKind.REBALANCE
    monkeypatch.setattr(spot_events, "EVALUATED_WITHIN", timedelta(seconds=-1))
    assert evaluate_pending(lab) == 0
    assert lab.store.spot_events.list()[0].evaluation is Evaluation.EXPIRED
