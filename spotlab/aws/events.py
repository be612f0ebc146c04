"""EventBridge documents about spot instances.

Source: Amazon EC2 User Guide, "EC2 Spot Instance Interruption Warning" and "EC2 Instance Rebalance
Recommendation" events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from spotlab.domain.interruptions import InterruptionKind
from spotlab.errors import FeedRefused

_KINDS: Final[Mapping[str, InterruptionKind]] = {
    "EC2 Spot Instance Interruption Warning": InterruptionKind.NOTICE,
    "EC2 Instance Rebalance Recommendation": InterruptionKind.REBALANCE,
}


@dataclass(frozen=True, slots=True)
class SpotEvent:
    """What such a document says.

    Args:
        instance_id: whose.
        kind: notice or rebalance recommendation.
        at: when EC2 said it, aware UTC.
        region: where.
    """

    instance_id: str
    kind: InterruptionKind
    at: datetime
    region: str


class _Detail(msgspec.Struct, rename={"instance_id": "instance-id"}):
    instance_id: str


class _Document(msgspec.Struct, rename={"detail_type": "detail-type"}):
    detail_type: str
    source: str
    time: datetime
    region: str
    detail: _Detail


def read_events(content: bytes) -> list[SpotEvent]:
    """The events of a file: one document, or a list of them.

    Raises:
        FeedRefused: no JSON, or a document that is no spot event; says which and why.
    """
    try:
        documents = msgspec.json.decode(content, type=_Document | list[_Document])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _rejected(str(exc)) from exc
    found = documents if isinstance(documents, list) else [documents]
    return [_event(place, document) for place, document in enumerate(found)]


def _event(place: int, document: _Document) -> SpotEvent:
    kind = _KINDS.get(document.detail_type)
    if kind is None or document.source != "aws.ec2":
        raise _rejected(
            f"document {place} is a {document.detail_type!r} of {document.source!r}, which says "
            "nothing about a spot instance"
        )
    if document.time.tzinfo is None:
        raise _rejected(f"document {place} has a time without a zone")
    return SpotEvent(document.detail.instance_id, kind, document.time, document.region)


def _rejected(problem: str) -> FeedRefused:
    return FeedRefused(
        f"EventBridge document: {problem.rstrip('.')}.",
        remedy=f"Give documents as EventBridge sends them: {' or '.join(_KINDS)}.",
    )
