"""Past interruptions of an account's own instances, from CloudTrail's event history of 90 days.

EC2 records a BidEvictedEvent when it interrupts spot instances. It names the instances, but not
their pools: those of instances that no longer exist are in the RunInstances event that launched
them, if that is not older than 90 days.

Source: AWS CloudTrail API Reference, LookupEvents (50 events a page, two requests a second, account
and region); Amazon EC2 User Guide, "Find interrupted Spot Instances" (BidEvictedEvent).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from spotlab.aws.failures import translated
from spotlab.aws.session import Sessions
from spotlab.domain.market import LINUX, Pool
from spotlab.domain.ports import Account

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.type_defs import EventTypeDef, LookupAttributeTypeDef

HISTORY: Final = timedelta(days=90)
"""How far CloudTrail's event history reaches back."""
EVENT_NAME: Final = "BidEvictedEvent"
REQUESTS_PER_S: Final = 2.0
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class PastInterruption:
    """An instance that EC2 interrupted.

    Args:
        event_id: CloudTrail's; one event may name several instances.
        instance_id: the instance.
        at: aware UTC.
        pool: where it ran, if the event says so; None: it does not.
    """

    event_id: str
    instance_id: str
    at: datetime
    pool: Pool | None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of the history, newest first.

    Args:
        interruptions: on it.
        oldest_at: time of its last event; None: it has none.
    """

    interruptions: tuple[PastInterruption, ...]
    oldest_at: datetime | None


class InterruptionHistory:
    """Reads CloudTrail's event history, with at most REQUESTS_PER_S requests per second.

    Args:
        sessions: clients by account and region.
        sleep: waits for a number of seconds.
        monotonic: a clock in seconds that never jumps.
    """

    def __init__(
        self,
        sessions: Sessions,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._sleep = sleep
        self._monotonic = monotonic
        self._last: dict[tuple[str, str], float] = {}

    def pages(
        self, account: Account, region: str, since: datetime, until: datetime
    ) -> Iterator[HistoryPage]:
        """The interruptions of a period, page by page, newest first.

        Args:
            account: whose instances.
            region: of the instances.
            since, until: aware UTC, both included.
        Raises:
            AwsError: the next page could not be read; AccessDenied: the right
                cloudtrail:LookupEvents is missing.
        """
        wanted: LookupAttributeTypeDef = {
            "AttributeKey": "EventName",
            "AttributeValue": EVENT_NAME,
        }
        for events in self._lookup(account, region, wanted, since, until):
            found = tuple(each for event in events for each in _interruptions(event, region))
            times = [_time(event) for event in events]
            yield HistoryPage(found, min(times, default=None))

    def launch_pool(
        self, account: Account, region: str, instance_id: str, until: datetime
    ) -> Pool | None:
        """The pool on which an instance was launched; None: its launch is not in the history.

        Raises:
            AwsError: the history could not be read.
        """
        wanted: LookupAttributeTypeDef = {
            "AttributeKey": "ResourceName",
            "AttributeValue": instance_id,
        }
        for events in self._lookup(account, region, wanted, until - HISTORY, until):
            for event in events:
                if event.get("EventName") == "RunInstances":
                    pool = _launched(_record(event), instance_id, region)
                    if pool is not None:
                        return pool
        return None

    def _lookup(
        self,
        account: Account,
        region: str,
        wanted: LookupAttributeTypeDef,
        since: datetime,
        until: datetime,
    ) -> Iterator[list[EventTypeDef]]:
        trail = self._sessions.client("cloudtrail", account, region)
        token: dict[str, Any] = {}
        while True:
            self._pace(account, region)
            with translated(
                f"Reading CloudTrail's history of account {account.name!r} in {region}",
                account.external_id,
            ):
                answer = trail.lookup_events(
                    LookupAttributes=[wanted],
                    StartTime=since,
                    EndTime=until,
                    MaxResults=_PAGE,
                    **token,
                )
                events = answer["Events"]
            yield events
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _pace(self, account: Account, region: str) -> None:
        """Wait until the next request is allowed."""
        key = (account.name, region)
        before = self._last.get(key)
        if before is not None:
            wait_s = before + 1.0 / REQUESTS_PER_S - self._monotonic()
            if wait_s > 0:
                self._sleep(wait_s)
        self._last[key] = self._monotonic()


def _time(event: EventTypeDef) -> datetime:
    return event["EventTime"].astimezone(UTC)


def _record(event: EventTypeDef) -> Mapping[str, Any]:
    """The whole record of an event; {} if it cannot be read."""
    try:
        record = json.loads(event.get("CloudTrailEvent", "{}"))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _interruptions(event: EventTypeDef, region: str) -> Iterator[PastInterruption]:
    details = _record(event).get("serviceEventDetails")
    details = details if isinstance(details, dict) else {}
    named = details.get("instanceIdSet")
    if not isinstance(named, list):
        named = [each.get("ResourceName") for each in event.get("Resources", [])]
    for instance_id in dict.fromkeys(named):
        if isinstance(instance_id, str) and instance_id.startswith("i-"):
            pool = _pool(details, region)
            yield PastInterruption(event["EventId"], instance_id, _time(event), pool)


def _launched(record: Mapping[str, Any], instance_id: str, region: str) -> Pool | None:
    response = record.get("responseElements")
    instances = response.get("instancesSet") if isinstance(response, dict) else None
    items = instances.get("items") if isinstance(instances, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("instanceId") == instance_id:
            placement = item.get("placement")
            zone = placement if isinstance(placement, dict) else {}
            return _pool({**item, **zone}, region)
    return None


def _pool(values: Mapping[str, Any], region: str) -> Pool | None:
    """A pool from an instance's fields; None if one is missing."""
    zone, instance_type = values.get("availabilityZone"), values.get("instanceType")
    if not (isinstance(zone, str) and isinstance(instance_type, str) and zone and instance_type):
        return None
    windows = str(values.get("platform", "")).lower() == "windows"
    return Pool(region, zone, instance_type, "Windows" if windows else LINUX)
