"""Messages of an event queue: valid events are read, everything else is refused with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from spotlab.aws.events import MAX_BYTES, read_message
from spotlab.domain.spot_events import SpotEvent, SpotEventKind
from spotlab.errors import FeedRefused
from tests.support.event_queue import document

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
ACCOUNT, INSTANCE = "123456789012", "i-0123456789abcdef0"
ID = "12345678-1234-1234-1234-123456789012"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("notice", SpotEventKind.NOTICE),
        ("rebalance", SpotEventKind.REBALANCE),
        ("state", SpotEventKind.STATE_CHANGE),
    ],
)
def test_an_event_is_read_as_eventbridge_sends_it(kind: str, expected: SpotEventKind) -> None:
    event = read_message(document(kind, INSTANCE, AT, event_id=ID), ACCOUNT, AT)
    state = "running" if kind == "state" else ""
    assert event == SpotEvent(ID, expected, INSTANCE, ACCOUNT, "us-east-1", AT, state)


VALID = json.loads(document("notice", INSTANCE, AT, event_id=ID))
SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 5000, "not shaped like an event"),
        ("\ud800", "not JSON"),
        ("[]", "not shaped like an event"),
        ("null", "not shaped like an event"),
        (json.dumps({**VALID, "detail": SECRET}), "not shaped like an event"),
        (json.dumps({**VALID, "time": SECRET}), "not shaped like an event"),
        (json.dumps({name: VALID[name] for name in VALID if name != "id"}), "id"),
        (json.dumps({**VALID, "id": ""}), "its id"),
        (json.dumps({**VALID, "id": "x" * 65}), "its id"),
        (json.dumps({**VALID, "account": "999999999999"}), "its account is not 123456789012"),
        (json.dumps({**VALID, "detail-type": SECRET}), "another kind of event"),
        (json.dumps({**VALID, "source": "custom"}), "another kind of event"),
        (json.dumps({**VALID, "detail": {"instance-id": SECRET}}), "its instance-id"),
        (json.dumps({**VALID, "region": SECRET}), "its region"),
        (json.dumps({**VALID, "time": "2026-11-03T09:30:00"}), "no time zone"),
        (json.dumps({**VALID, "time": "2026-11-03T09:31:00Z"}), "in the future"),
        (document("state", INSTANCE, AT, state=SECRET), "its state"),
        (json.dumps({**VALID, "detail": {**VALID["detail"], "x": "y" * MAX_BYTES}}), "bytes"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason_but_not_its_content(
    body: str, reason: str
) -> None:
    with pytest.raises(FeedRefused) as refused:
        read_message(body, ACCOUNT, AT)
    assert reason in refused.value.message
    assert SECRET not in str(refused.value)


def test_the_time_of_an_event_is_in_utc() -> None:
    body = json.dumps({**VALID, "time": "2026-11-03T10:00:00+01:00"})
    assert read_message(body, ACCOUNT, AT).at == AT - timedelta(minutes=30)
