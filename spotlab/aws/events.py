"""EventBridge events about instances: those of files, and those of queues.

Source: Amazon EC2 User Guide, "EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance
Recommendation" and "EC2 Instance State-change Notification" events; Amazon EventBridge User Guide,
"AWS events" (fields of every event).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.spot_events import STATES, SpotEvent, SpotEventKind
from spotlab.errors import FeedRefused

_KINDS: Final[Mapping[str, InterruptionKind]] = {
    "EC2 Spot Instance Interruption Warning": InterruptionKind.NOTICE,
    "EC2 Instance Rebalance Recommendation": InterruptionKind.REBALANCE,
}


DETAIL_TYPES: Final[Mapping[str, SpotEventKind]] = {
    "EC2 Spot Instance Interruption Warning": SpotEventKind.NOTICE,
    "EC2 Instance Rebalance Recommendation": SpotEventKind.REBALANCE,
    "EC2 Instance State-change Notification": SpotEventKind.STATE_CHANGE,
}
"""The events that a queue may contain."""
MAX_BYTES: Final = 16_384
"""An event has about 500 bytes."""
_ID: Final = re.compile(r"[0-9A-Za-z-]{8,64}", re.ASCII)
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]{8,17}", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z0-9]+)+-\d{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileEvent:
    """An event of a spot instance, from a file.

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


def read_events(content: bytes) -> list[FileEvent]:
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


def _event(index: int, document: _Document) -> FileEvent:
    kind = _KINDS.get(document.detail_type)
    if kind is None or document.source != "aws.ec2":
        raise _rejected(
            f"document {index} is a {document.detail_type!r} from {document.source!r}, which is "
            "not an event of a spot instance"
        )
    if document.time.tzinfo is None:
        raise _rejected(f"document {index} has a time without a time zone")
    return FileEvent(document.detail.instance_id, kind, document.time, document.region)


def _rejected(problem: str) -> FeedRefused:
    return FeedRefused(
        f"EventBridge document: {problem.rstrip('.')}.",
        remedy=f"Use documents as EventBridge sends them: {' or '.join(_KINDS)}.",
    )


class _QueuedDetail(msgspec.Struct, rename={"instance_id": "instance-id"}):
    instance_id: str
    state: str = ""


class _QueuedDocument(msgspec.Struct, rename={"detail_type": "detail-type"}):
    id: str
    detail_type: str
    source: str
    account: str
    time: datetime
    region: str
    detail: _QueuedDetail


_decoder = msgspec.json.Decoder(_QueuedDocument)


def read_message(body: str, aws_account_id: str, latest: datetime) -> SpotEvent:
    """Parse the body of a queue's message.

    Args:
        body: one EventBridge document.
        aws_account_id: of the queue's account; events of others are refused.
        latest: aware UTC; a later event is refused.
    Raises:
        FeedRefused: says why, without the content.
    """
    size = len(body.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _poison(f"it has {size:,} bytes, more than {MAX_BYTES:,}")
    try:
        document = _decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise _poison(f"it is not shaped like an event: {exc}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _poison("it is not JSON") from None
    kind = DETAIL_TYPES.get(document.detail_type)
    if kind is None or document.source != "aws.ec2":
        raise _poison("it is another kind of event than those that SpotLab reads")
    if not _ID.fullmatch(document.id):
        raise _poison("its id is not an event's")
    if document.account != aws_account_id:
        raise _poison(f"its account is not {aws_account_id}, to which the queue belongs")
    if not _INSTANCE_ID.fullmatch(document.detail.instance_id):
        raise _poison("its instance-id is not an instance's")
    if not _REGION.fullmatch(document.region):
        raise _poison("its region is not a region's name")
    if document.time.tzinfo is None:
        raise _poison("its time has no time zone")
    if document.time > latest:
        raise _poison("its time is in the future")
    state = ""
    if kind is SpotEventKind.STATE_CHANGE:
        state = document.detail.state
        if state not in STATES:
            raise _poison("its state is not an instance's")
    return SpotEvent(
        document.id,
        kind,
        document.detail.instance_id,
        document.account,
        document.region,
        document.time.astimezone(UTC),
        state,
    )


def _poison(problem: str) -> FeedRefused:
    return FeedRefused(f"The message is no event of its queue: {problem.rstrip('.')}.")
