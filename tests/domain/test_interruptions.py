"""What counts as one interruption, and what own instances went through on a pool."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spotlab.domain.interruptions import (
    Exposure,
    InterruptionKind,
    OwnRecord,
    Record,
    distinct,
    own_record,
)
from tests.support import builders as make
from tests.support.outcomes import event

HOUR = timedelta(hours=1)
HERE, THERE = make.pool(), make.pool(zone="us-east-1b")


def test_a_notice_and_the_instance_seen_gone_are_one_interruption() -> None:
    notice = event(at=make.NOW)
    gone = event(at=make.NOW + 0.5 * HOUR, kind=InterruptionKind.RECLAIMED)
    assert distinct([gone, notice]) == [notice]


def test_an_instance_that_is_stopped_and_interrupted_again_counts_twice() -> None:
    assert len(distinct([event(), event(at=make.NOW + 30 * HOUR)])) == 2


def test_a_rebalance_recommendation_interrupts_nothing() -> None:
    assert distinct([event(kind=InterruptionKind.REBALANCE)]) == []


def test_events_and_hours_are_counted_by_pool_since_a_moment() -> None:
    since = make.NOW - 10 * HOUR
    record = own_record(
        [event(), event("i-2", at=since - HOUR), event("i-3", pool=THERE)],
        [
            Exposure("i-1", HERE, since - 5 * HOUR, since + 4 * HOUR),
            Exposure("i-1", HERE, since + 6 * HOUR, since + 8 * HOUR),
            Exposure("i-9", HERE, since - 9 * HOUR, since - HOUR),
        ],
        since,
    )
    assert record.pools == {HERE: Record(1, 6.0), THERE: Record(1, 0.0)}


@pytest.mark.parametrize(
    ("zone", "own", "siblings"),
    [
        ("us-east-1a", Record(2, 310.0), Record(1, 50.0)),
        ("us-east-1f", Record(), Record(3, 360.0)),
        (None, Record(3, 360.0), Record()),
    ],
)
def test_a_pool_has_its_own_record_and_its_siblings(
    zone: str | None, own: Record, siblings: Record
) -> None:
    other_type = make.pool("c5.large")
    record = OwnRecord({HERE: Record(2, 310.0), THERE: Record(1, 50.0), other_type: Record(9, 1.0)})
    assert record.on(make.pool(zone=zone)) == (own, siblings)
