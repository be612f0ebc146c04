"""Placement answers in SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spotlab.domain.placement import PlacementResponse
from spotlab.store import Store
from spotlab.store.retention import SqlRetention
from spotlab.store.retention_rules import RULES
from tests.support.builders import NOW

SCORED = PlacementResponse(
    emulated=True,
    account="acme",
    region="us-east-1",
    instance_types=("c5.large", "m5.large", "m6i.large"),
    asked_at=NOW,
    source="Simulated placement scores of us-east-1",
    refused=False,
    scores={"us-east-1a": 7, "us-east-1b": 10},
)
REFUSED = replace(SCORED, asked_at=NOW - timedelta(hours=6), refused=True, scores={})


def test_answers_come_back_whole_oldest_first(store: Store) -> None:
    for answer in (SCORED, REFUSED, replace(SCORED, emulated=False)):
        store.placement.record(answer)
    assert store.placement.since(NOW - timedelta(days=1), emulated=True) == [REFUSED, SCORED]
    assert store.placement.since(NOW, emulated=True) == [SCORED]
    assert store.placement.since(NOW + timedelta(seconds=1), emulated=True) == []


def test_old_answers_go_with_old_prices(store: Store) -> None:
    (rule,) = (rule for rule in RULES if rule.what == "placement scores")
    assert rule.setting == "keep_prices_days"
    store.placement.record(SCORED)
    store.placement.record(REFUSED)
    retention = SqlRetention(store.engine)
    assert retention.delete_batch(rule, NOW - timedelta(hours=1), NOW) == 1
    assert store.placement.since(NOW - timedelta(days=1), emulated=True) == [SCORED]
