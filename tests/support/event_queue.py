"""An event queue in memory with the semantics of SQS, and EventBridge documents."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from spotlab.domain.ports import QueuedMessage
from spotlab.errors import AwsUnreachable

NAMES = {
    "notice": "EC2 Spot Instance Interruption Warning",
    "rebalance": "EC2 Instance Rebalance Recommendation",
    "state": "EC2 Instance State-change Notification",
}


def document(
    kind: str,
    instance_id: str,
    at: datetime,
    *,
    account: str = "123456789012",
    region: str = "us-east-1",
    event_id: str = "",
    state: str = "running",
    **changes: Any,
) -> str:
    """An event as EventBridge sends it.

    Args:
        kind: "notice", "rebalance" or "state".
        instance_id: the instance.
        at: time of the event.
        account, region, event_id, state: as in the document.
        changes: other fields.
    """
    detail: dict[str, str] = {"instance-id": instance_id}
    detail |= {"state": state} if kind == "state" else {}
    detail |= {"instance-action": "terminate"} if kind == "notice" else {}
    return json.dumps(
        {
            "version": "0",
            "id": event_id or str(uuid.uuid4()),
            "detail-type": NAMES[kind],
            "source": "aws.ec2",
            "account": account,
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": region,
            "resources": [f"arn:aws:ec2:{region}:{account}:instance/{instance_id}"],
            "detail": detail,
        }
        | changes
    )


class MemoryQueue:
    """At least once, without order; what was received and not deleted is delivered again.

    Args:
        bodies: of the messages.
    """

    def __init__(self, *bodies: str) -> None:
        self.messages = {str(uuid.uuid4()): body for body in bodies}
        self.dead: list[tuple[str, str]] = []
        self.in_flight: set[str] = set()
        self.failing: set[str] = set()
        """Names of the methods that fail."""

    def send(self, *bodies: str) -> None:
        self.messages |= {str(uuid.uuid4()): body for body in bodies}

    def expire_visibility(self) -> None:
        """The visibility timeout of what was received passes."""
        self.in_flight.clear()

    def receive(self, wait_s: int = 0) -> Sequence[QueuedMessage]:
        self._answer("receive")
        visible = [key for key in self.messages if key not in self.in_flight][:10]
        self.in_flight |= set(visible)
        return [QueuedMessage(key, f"receipt of {key}", self.messages[key]) for key in visible]

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        self._answer("delete")
        for each in messages:
            self.messages.pop(each.message_id, None)
            self.in_flight.discard(each.message_id)

    def refuse(self, message: QueuedMessage, reason: str) -> None:
        self._answer("refuse")
        self.dead.append((message.body, reason))

    def _answer(self, method: str) -> None:
        if method in self.failing:
            raise AwsUnreachable("SQS does not answer.")
