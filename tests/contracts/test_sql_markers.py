"""What changed in SQL is seen without reading it."""

from __future__ import annotations

from datetime import UTC, datetime

from spotlab.domain.ports import By, Topic
from spotlab.store import Store
from spotlab.store.change_markers import SqlMarkers

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_a_mark_moves_with_its_topic_and_no_other(store: Store) -> None:
    markers = SqlMarkers(store.engine)
    empty = markers.read()
    assert set(empty) == set(Topic)
    assert markers.read() == empty
    store.audit.add(By("ana", NOON), "instance.shadow", "i-1")
    moved = {topic for topic, mark in markers.read().items() if mark != empty[topic]}
    assert Topic.FLEET in moved
    assert Topic.EXPERIMENTS not in moved
    assert Topic.MARKET not in moved
