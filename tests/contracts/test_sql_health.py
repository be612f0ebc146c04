"""The health log's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from spotlab.domain.ports import ComponentState
from spotlab.errors import InvalidInput
from spotlab.store import Store
from tests.support import builders as make


def note(store: Store, minutes: float, ok: bool, reason: str = "", name: str = "prices") -> None:
    at = make.NOW + timedelta(minutes=minutes)
    store.health.note(name, ok=ok, at=at, latency_ms=12.5 if ok else None, reason=reason)


def at(minutes: float) -> datetime:
    return make.NOW + timedelta(minutes=minutes)


def test_nothing_is_known_before_the_first_outcome(store: Store) -> None:
    assert store.health.last("prices") is None
    assert list(store.health.recent("prices", at(-1e6))) == []


def test_the_newest_outcome_names_the_last_success(store: Store) -> None:
    note(store, 1, True)
    note(store, 3, False, "HTTP 503")
    note(store, 2, True)
    note(store, 9, True, name="another")

    assert store.health.last("prices") == ComponentState(
        "prices", "down", "HTTP 503", at(2), None, at(3)
    )
    assert store.health.last("prices", ok=True) == ComponentState(
        "prices", "healthy", "", at(2), 12.5, at(2)
    )


def test_a_component_that_never_succeeded_says_so(store: Store) -> None:
    note(store, 1, False, "refused")
    last = store.health.last("prices")
    assert last is not None
    assert last.last_success_at is None
    assert store.health.last("prices", ok=True) is None


def test_of_two_outcomes_at_once_the_later_written_counts(store: Store) -> None:
    note(store, 1, True)
    note(store, 1, False, "refused")
    last = store.health.last("prices")
    assert last is not None
    assert last.state == "down"


def test_recent_outcomes_are_oldest_first(store: Store) -> None:
    for minutes, ok in ((3, True), (1, False), (2, True), (0, True)):
        note(store, minutes, ok)
    assert list(store.health.recent("prices", at(1))) == [
        (at(1), False),
        (at(2), True),
        (at(3), True),
    ]


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        store.health.note(
            "prices",
            ok=True,
            at=datetime(2026, 11, 3),  # noqa: DTZ001 (what must be refused)
            latency_ms=None,
            reason="",
        )
    assert store.health.last("prices") is None
