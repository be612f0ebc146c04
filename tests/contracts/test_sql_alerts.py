"""The contract of alert rules and their outbox, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from spotlab.domain.alert_state import Event, FiringAlert, Message
from spotlab.domain.alerts import AlertKind, AlertRule, Channel, Condition
from spotlab.domain.ports import AuditFilter, By, DeliveryState
from spotlab.errors import NotFound
from spotlab.store import Store
from tests.support import builders as make

NOW = make.NOW
BY = By("ana", NOW, "for tests")


def rule(rule_id: str = "r1", **values: object) -> AlertRule:
    made = AlertRule(
        rule_id=rule_id,
        name=f"rule {rule_id}",
        condition=Condition(AlertKind.RISK, threshold=0.01, accounts=("acme",)),
        channel=Channel.SLACK,
        shown_address="https://hooks.example.com/…",
        enabled=True,
        created_at=NOW,
        created_by="ana",
        rung={},
    )
    return replace(made, **values)  # type: ignore[arg-type]


def message(key: str = "k", at: datetime = NOW) -> Message:
    return Message(Event.FIRING, key, "the subject", "what is so", 0.5, at, at)


RUNG = {"k": FiringAlert("the subject", "what is so", NOW, NOW, "down")}


def test_a_rule_comes_back_whole(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    assert store.alerts.rules() == [rule()]
    assert store.alerts.rule("r1") == rule()
    assert store.alerts.sealed("r1") == "sealed"
    with pytest.raises(NotFound):
        store.alerts.rule("r2")


def test_what_rings_and_what_is_told_are_kept_together(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    assert store.alerts.record_firing("r1", RUNG, [message()])
    assert store.alerts.rule("r1").rung == RUNG
    (due,) = store.alerts.due(NOW, 10)
    assert due.message["rule"] == {"id": "r1", "name": "rule r1", "kind": "risk"}
    assert due.message["event"] == "firing"
    assert not store.alerts.record_firing("gone", RUNG, [message()])


def test_an_attempt_is_made_by_one_process_alone(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    store.alerts.record_firing("r1", RUNG, [message()])
    (due,) = store.alerts.due(NOW, 10)
    later = NOW + timedelta(seconds=30)
    assert store.alerts.claim(due, later)
    assert not store.alerts.claim(due, later)
    assert store.alerts.due(NOW, 10) == []
    (again,) = store.alerts.due(later, 10)
    assert again.attempts == 1


def test_what_became_of_an_attempt(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    store.alerts.record_firing("r1", {}, [message("a"), message("b")])
    one, other = store.alerts.due(NOW, 10)
    store.alerts.settle(one.alert_id, NOW, "It responded 200.", final=True)
    store.alerts.settle(other.alert_id, None, "It responded 503.", final=False)
    assert [(d.state, d.error) for d in store.alerts.history()] == [
        (DeliveryState.WAITING, "It responded 503."),
        (DeliveryState.SENT, "It responded 200."),
    ]
    store.alerts.settle(other.alert_id, None, "It responded 410.", final=True)
    assert store.alerts.history()[0].state is DeliveryState.FAILED
    assert store.alerts.due(NOW + timedelta(days=1), 10) == []
    assert store.alerts.count() == 2
    assert store.alerts.count(["r2"]) == 0


def test_a_change_starts_anew_and_is_in_the_audit_log(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    store.alerts.record_firing("r1", RUNG, [message()])
    store.alerts.change(rule(enabled=False, name="renamed"), "sealed again", BY)
    assert store.alerts.rule("r1") == rule(enabled=False, name="renamed")
    assert store.alerts.sealed("r1") == "sealed again"
    assert not store.alerts.record_firing("r1", RUNG, [])
    assert store.alerts.history()[0].state is DeliveryState.CANCELLED
    changed, added = store.audit.entries(AuditFilter(action="alert"))
    assert (added.action, changed.action) == ("alert.add", "alert.change")
    assert changed.after["address"] == "changed"
    assert "sealed" not in str(store.audit.entries())


def test_a_deleted_rule_tells_nothing_more(store: Store) -> None:
    store.alerts.add(rule(), "sealed", BY)
    store.alerts.record_firing("r1", RUNG, [message()])
    store.alerts.delete("r1", BY)
    assert store.alerts.rules() == []
    assert store.alerts.due(NOW, 10) == []
    with pytest.raises(NotFound):
        store.alerts.delete("r1", BY)
