"""EventBridge events about spot instances are read; other documents are rejected and named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spotlab.aws.events import FileEvent, read_events
from spotlab.domain.interruptions import InterruptionKind
from spotlab.errors import FeedRefused


def document(**changes: Any) -> dict[str, Any]:
    """The example of the EC2 User Guide."""
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": "EC2 Spot Instance Interruption Warning",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2026-10-31T07:12:30Z",
        "region": "us-east-2",
        "resources": ["arn:aws:ec2:us-east-2a:instance/i-1234567890abcdef0"],
        "detail": {"instance-id": "i-1234567890abcdef0", "instance-action": "terminate"},
    } | changes


def test_a_warning_and_a_recommendation_are_read() -> None:
    rebalance = document(**{"detail-type": "EC2 Instance Rebalance Recommendation"})
    at = datetime(2026, 10, 31, 7, 12, 30, tzinfo=UTC)
    assert read_events(json.dumps([document(), rebalance]).encode()) == [
        FileEvent("i-1234567890abcdef0", InterruptionKind.NOTICE, at, "us-east-2"),
        FileEvent("i-1234567890abcdef0", InterruptionKind.REBALANCE, at, "us-east-2"),
    ]


def test_one_document_alone_is_read() -> None:
    assert len(read_events(json.dumps(document()).encode())) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "truncated"),
        (b"\xff", "malformed"),
        (b'{"x": ' + b"[" * 100_000, "recursion"),
        (b'{"detail-type": "x"}', "missing required field"),
        (json.dumps(document(detail={})).encode(), "instance-id"),
        (json.dumps(document(time="2026-10-31T07:12:30")).encode(), "time without a time zone"),
        (
            json.dumps([document(), document(**{"detail-type": "Scheduled Event"})]).encode(),
            "document 1 is a 'Scheduled Event'",
        ),
        (json.dumps(document(source="my.app")).encode(), "from 'my.app'"),
    ],
    ids=[
        "cut",
        "no text",
        "deep",
        "fields",
        "no instance",
        "no zone",
        "another type",
        "another source",
    ],
)
def test_anything_else_is_refused_by_name(content: bytes, problem: str) -> None:
    with pytest.raises(FeedRefused, match=problem):
        read_events(content)
