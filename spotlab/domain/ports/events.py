"""Queues of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message received from a queue.

    Args:
        message_id: the same in each delivery.
        receipt: of this delivery.
        body: as it was sent.
    """

    message_id: str
    receipt: str
    body: str


class EventQueue(Protocol):
    """An at-least-once queue without order, and its dead-letter queue."""

    def receive(self, wait_s: int = 0) -> Sequence[QueuedMessage]:
        """Up to 10 messages, hidden from other readers for the queue's visibility timeout.

        Args:
            wait_s: how long to wait for the first one, seconds.
        Raises:
            AwsError: the queue could not be read.
        """
        ...

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        """Delete messages. Raises AwsError: some may be delivered again."""
        ...

    def refuse(self, message: QueuedMessage, reason: str) -> None:
        """Copy a message to the dead-letter queue, with the reason; it is not deleted here.

        Raises:
            AwsError: it was not copied.
        """
        ...
