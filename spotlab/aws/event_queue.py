"""The queue of an account's events in one region, in SQS.

A queue is found by its name (the setting `event_queue`), its dead-letter queue by that name with
"-dlq" added; see `event_setup` for both.

Source: Amazon SQS API Reference, ReceiveMessage, DeleteMessageBatch, SendMessage; Amazon SQS
Developer Guide, "at-least-once delivery" and "dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from spotlab.aws.failures import translated
from spotlab.aws.session import Sessions
from spotlab.domain.ports import Account, QueuedMessage
from spotlab.errors import AwsError, NoSuchThing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DEAD: Final = "-dlq"
"""Added to a queue's name, this is the name of its dead-letter queue."""
VISIBILITY_S: Final = 60
"""Seconds after which a message that was received, but not deleted, is delivered again."""
MAX_RECEIVED: Final = 10
"""Most messages of one ReceiveMessage."""
MAX_WAIT_S: Final = 20
"""Longest wait of one ReceiveMessage, seconds."""
REASON: Final = "SpotLabReason"
"""Attribute of a message in the dead-letter queue: why it was refused."""
ORIGINAL_ID: Final = "SpotLabMessageId"
"""Attribute of a message in the dead-letter queue: its id in the queue that it came from."""
_MAX_REASON: Final = 250
_NO_QUEUE: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "com.amazonaws.sqs#QueueDoesNotExist",
    }
)


def find_queue(sessions: Sessions, account: Account, region: str, name: str) -> SqsEventQueue:
    """The queue of an account in a region.

    Args:
        sessions: clients by account and region.
        account: whose queue.
        region: of the queue.
        name: of the queue.
    Raises:
        NoSuchThing: there is no queue of this name.
        AwsError: it could not be looked up.
    """
    sqs = sessions.client("sqs", account, region)
    doing = f"Finding the queue {name!r} of account {account.name!r} in {region}"
    try:
        with translated(doing, account.external_id):
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except AwsError as exc:
        if exc.code in _NO_QUEUE:
            raise NoSuchThing(
                f"Account {account.name!r} has no queue {name!r} in {region}.",
                remedy=f"Create it with the output of `spotlab events setup {account.name}`.",
                code=exc.code,
            ) from exc
        raise
    return SqsEventQueue(sqs, account, region, name, url)


class SqsEventQueue:
    """A queue of events and its dead-letter queue; see `domain.ports.EventQueue`.

    Args:
        sqs: a client in the queue's account and region.
        account: whose queue.
        region: of the queue.
        name: of the queue.
        url: of the queue.
    """

    def __init__(self, sqs: SQSClient, account: Account, region: str, name: str, url: str) -> None:
        self._sqs = sqs
        self._name = name
        self._url = url
        self._secret = account.external_id
        self._place = f"{name!r} of account {account.name!r} in {region}"
        self._dead_url = ""

    def receive(self, wait_s: int = 0) -> Sequence[QueuedMessage]:
        """Up to MAX_RECEIVED messages, hidden from other readers for VISIBILITY_S.

        Args:
            wait_s: how long to wait for the first one, at most MAX_WAIT_S.
        Raises:
            AwsError: the queue could not be read.
        """
        with translated(f"Reading the queue {self._place}", self._secret):
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MAX_RECEIVED,
                VisibilityTimeout=VISIBILITY_S,
                WaitTimeSeconds=min(wait_s, MAX_WAIT_S),
            )
            return [
                QueuedMessage(each["MessageId"], each["ReceiptHandle"], each["Body"])
                for each in answer.get("Messages", [])
            ]

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        """Delete up to MAX_RECEIVED messages.

        Raises:
            AwsError: some were not deleted, and will be delivered again.
        """
        if not messages:
            return
        with translated(f"Deleting from the queue {self._place}", self._secret):
            answer = self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": each.receipt}
                    for index, each in enumerate(messages)
                ],
            )
        failed = answer.get("Failed", [])
        if failed:
            raise AwsError(
                f"{len(failed)} of {len(messages)} messages were not deleted from the queue "
                f"{self._place}; they will be delivered again.",
                code=str(failed[0].get("Code", "")),
            )

    def refuse(self, message: QueuedMessage, reason: str) -> None:
        """Copy a message to the dead-letter queue, with the reason; it is not deleted here.

        Raises:
            AwsError: it was not copied.
        """
        with translated(f"Writing to the dead-letter queue of {self._place}", self._secret):
            if not self._dead_url:
                self._dead_url = self._sqs.get_queue_url(QueueName=self._name + DEAD)["QueueUrl"]
            self._sqs.send_message(
                QueueUrl=self._dead_url,
                MessageBody=message.body,
                MessageAttributes={
                    REASON: {"DataType": "String", "StringValue": reason[:_MAX_REASON]},
                    ORIGINAL_ID: {"DataType": "String", "StringValue": message.message_id},
                },
            )
