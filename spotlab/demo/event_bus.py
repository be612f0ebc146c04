"""EventBridge: events of EC2 as AWS sends them, delivered to the rules of the account.

moto sends an event without its account.
Source: EventBridge User Guide, "Events" (structure); EC2 User Guide, "Spot Instance interruption
notices", "EC2 instance rebalance recommendations" and "EC2 instance state-change events".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from moto.events.models import events_backends
from moto.events.utils import EventTemplateParser

from spotlab.demo.patcher import Patches

_FIELDS: Final = (
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
)


def patch_event_bus(patches: Patches) -> None:
    """Let moto send a whole event to a target that has no input transformer."""
    transform = EventTemplateParser.parse

    def parse(input_template: str, input_paths_map: dict[str, Any], event: Any) -> dict[str, Any]:
        if not input_template:
            return {name: event[name] for name in _FIELDS}
        return dict(transform(input_template, input_paths_map, event))

    patches.attribute(EventTemplateParser, "parse", staticmethod(parse))


def send(
    account_id: str,
    region: str,
    detail_type: str,
    detail: Mapping[str, str],
    at: datetime,
) -> str:
    """Send an event of EC2 about an instance to the account's default bus.

    Args:
        account_id, region: where the instance is.
        detail_type: such as "EC2 Spot Instance Interruption Warning".
        detail: with "instance-id".
        at: aware UTC.
    Returns:
        The event's id.
    """
    arn = f"arn:aws:ec2:{region}:{account_id}:instance/{detail['instance-id']}"
    (entry,) = events_backends[account_id][region].put_events(
        [
            {
                "Source": "aws.ec2",
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
                "Resources": [arn],
                "Time": at.timestamp(),
            }
        ]
    )
    return str(entry["EventId"])
