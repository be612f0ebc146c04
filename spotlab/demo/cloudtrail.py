"""CloudTrail's LookupEvents, which moto does not have.

Source: AWS CloudTrail API Reference, LookupEvents; Amazon EC2 User Guide, "Find spot interruptions
in CloudTrail" (BidEvictedEvent).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final
from uuid import uuid4

TARGET_PREFIX: Final = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."
DAYS: Final = 90
_MAX_RESULTS: Final = 50
_ATTRIBUTES: Final = {"EventId", "EventName", "EventSource", "ReadOnly", "ResourceName"} | {
    "AccessKeyId",
    "ResourceType",
    "Username",
}


class LookupRefused(Exception):
    """A request that CloudTrail refuses; `code` is AWS's.

    Args:
        code: AWS's error code.
        message: AWS's message.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One event of an account's event history.

    Args:
        name: such as "BidEvictedEvent".
        at: aware UTC.
        account_id, region: where it happened.
        instance_ids: the instances that it names.
        details: fields of the CloudTrail record that depend on the event.
        event_id: unique.
    """

    name: str
    at: datetime
    account_id: str
    region: str
    instance_ids: tuple[str, ...]
    details: Mapping[str, Any]
    event_id: str = field(default_factory=lambda: str(uuid4()))

    def matches(self, attribute: str, value: str) -> bool:
        """Whether a lookup attribute has this value."""
        if attribute == "ResourceName":
            return value in self.instance_ids
        if attribute == "ResourceType":
            return value == "AWS::EC2::Instance" and bool(self.instance_ids)
        values = {
            "EventId": self.event_id,
            "EventName": self.name,
            "EventSource": "ec2.amazonaws.com",
            "ReadOnly": "false",
        }
        return values.get(attribute) == value

    def as_json(self) -> dict[str, Any]:
        """The event as LookupEvents returns it."""
        record = {
            "eventVersion": "1.08",
            "userIdentity": {"accountId": self.account_id, "invokedBy": "ec2.amazonaws.com"},
            "eventTime": f"{self.at:%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "ec2.amazonaws.com",
            "eventName": self.name,
            "awsRegion": self.region,
            "sourceIPAddress": "ec2.amazonaws.com",
            "userAgent": "ec2.amazonaws.com",
            "requestParameters": None,
            "responseElements": None,
            "requestID": self.event_id,
            "eventID": self.event_id,
            "readOnly": False,
            "eventType": "AwsServiceEvent",
            "managementEvent": True,
            "recipientAccountId": self.account_id,
            "eventCategory": "Management",
            **self.details,
        }
        return {
            "EventId": self.event_id,
            "EventName": self.name,
            "ReadOnly": "false",
            "EventTime": self.at.timestamp(),
            "EventSource": "ec2.amazonaws.com",
            "Resources": [
                {"ResourceType": "AWS::EC2::Instance", "ResourceName": each}
                for each in self.instance_ids
            ],
            "CloudTrailEvent": json.dumps(record),
        }


def evicted(
    account_id: str,
    region: str,
    instance_ids: Sequence[str],
    at: datetime,
    *,
    event_id: str | None = None,
) -> TrailEvent:
    """A BidEvictedEvent: EC2 reclaimed spot instances."""
    details = {"serviceEventDetails": {"instanceIdSet": list(instance_ids)}}
    return TrailEvent(
        "BidEvictedEvent",
        at,
        account_id,
        region,
        tuple(instance_ids),
        details,
        event_id or str(uuid4()),
    )


def launched(
    account_id: str,
    region: str,
    instance_id: str,
    pool: tuple[str, str],
    at: datetime,
    *,
    spot: bool,
    event_id: str | None = None,
) -> TrailEvent:
    """A RunInstances call; `pool` is (zone, instance type)."""
    zone, instance_type = pool
    instance = {
        "instanceId": instance_id,
        "instanceType": instance_type,
        "placement": {"availabilityZone": zone},
    }
    details = {
        "eventType": "AwsApiCall",
        "requestParameters": {"instanceType": instance_type},
        "responseElements": {
            "instancesSet": {"items": [instance | ({"instanceLifecycle": "spot"} if spot else {})]}
        },
    }
    return TrailEvent(
        "RunInstances",
        at,
        account_id,
        region,
        (instance_id,),
        details,
        event_id or str(uuid4()),
    )


class Trail:
    """The event history of all accounts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._events: list[TrailEvent] = []

    def add(self, event: TrailEvent) -> None:
        """Record an event."""
        with self._lock:
            self._events.append(event)

    def lookup(
        self, account_id: str, region: str, now: datetime, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The response to LookupEvents, newest first.

        Args:
            account_id, region: whose history.
            now: aware UTC.
            request: the decoded body.
        Raises:
            LookupRefused: as CloudTrail would refuse it.
        """
        attributes = request.get("LookupAttributes") or []
        if len(attributes) > 1 or any(
            each.get("AttributeKey") not in _ATTRIBUTES for each in attributes
        ):
            raise LookupRefused(
                "InvalidLookupAttributesException",
                "You can specify one lookup attribute, with a valid key.",
            )
        size = int(request.get("MaxResults") or _MAX_RESULTS)
        if not 1 <= size <= _MAX_RESULTS:
            raise LookupRefused("InvalidMaxResultsException", "MaxResults must be from 1 to 50.")
        found = self._found(account_id, region, now, request, attributes)
        offset = _offset(request.get("NextToken"))
        response: dict[str, Any] = {
            "Events": [each.as_json() for each in found[offset : offset + size]]
        }
        if offset + size < len(found):
            response["NextToken"] = base64.b64encode(f"at.{offset + size}".encode()).decode()
        return response

    def _found(
        self,
        account_id: str,
        region: str,
        now: datetime,
        request: Mapping[str, Any],
        attributes: Sequence[Mapping[str, str]],
    ) -> list[TrailEvent]:
        oldest = now - timedelta(days=DAYS)
        start = max(oldest, _time(request.get("StartTime"), oldest))
        end = _time(request.get("EndTime"), datetime.max.replace(tzinfo=UTC))
        if end < start and request.get("StartTime") and request.get("EndTime"):
            raise LookupRefused("InvalidTimeRangeException", "The start is after the end.")
        with self._lock:
            events = list(self._events)
        found = [
            each
            for each in events
            if (each.account_id, each.region) == (account_id, region)
            and start <= each.at <= end
            and all(each.matches(one["AttributeKey"], one["AttributeValue"]) for one in attributes)
        ]
        return sorted(found, key=lambda each: (each.at, each.event_id), reverse=True)


def _time(epoch_s: float | None, default: datetime) -> datetime:
    return default if epoch_s is None else datetime.fromtimestamp(float(epoch_s), UTC)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("at."))
    except (binascii.Error, ValueError) as exc:
        raise LookupRefused("InvalidNextTokenException", "The NextToken is not valid.") from exc
