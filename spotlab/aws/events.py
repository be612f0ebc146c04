"""EventBridge events about spot instances.

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
    """An event of a spot instance.

    Args:
        instance_id: of the instance.
        kind: interruption notice or rebalance recommendation.
        at: time of the event, aware.
        region: of the instance.
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
    """Parse the events of a file: one JSON document, or a list of them.

    Raises:
        FeedRefused: not JSON, or a document is not a spot event; names it and the reason.
    """
    try:
        documents = msgspec.json.decode(content, type=_Document | list[_Document])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _rejected(str(exc)) from exc
    if not isinstance(documents, list):
        documents = [documents]
    return [_event(index, document) for index, document in enumerate(documents)]


def _event(index: int, document: _Document) -> SpotEvent:
    kind = _KINDS.get(document.detail_type)
    if kind is None or document.source != "aws.ec2":
        raise _rejected(
            f"document {index} is a {document.detail_type!r} from {document.source!r}, which is "
            "not an event of a spot instance"
        )
    if document.time.tzinfo is None:
        raise _rejected(f"document {index} has a time without a time zone")
    return SpotEvent(document.detail.instance_id, kind, document.time, document.region)


def _rejected(problem: str) -> FeedRefused:
    return FeedRefused(
        f"EventBridge document: {problem.rstrip('.')}.",
        remedy=f"Use documents as EventBridge sends them: {' or '.join(_KINDS)}.",
    )
