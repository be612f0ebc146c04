"""The printed set-up creates what the reader uses, and grants no more than it calls."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from spotlab.aws.event_queue import SqsEventQueue
from spotlab.aws.event_setup import (
    cli_commands,
    cloudformation,
    event_pattern,
    partition_of,
    reader_statements,
)
from spotlab.domain.ports import Account, QueuedMessage

ACCOUNT = Account("acme", "123456789012", regions=("us-east-1", "eu-west-1"), external_id="hush")


def test_the_template_lets_only_the_rule_write_to_the_queue() -> None:
    resources = cloudformation("spotlab-events")["Resources"]
    (statement,) = resources["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}
    }
    queue = resources["Queue"]["Properties"]
    assert queue["QueueName"] == "spotlab-events"
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["DeadLetterQueue", "Arn"]
    }
    assert resources["DeadLetterQueue"]["Properties"]["QueueName"] == "spotlab-events-dlq"
    assert resources["Rule"]["Properties"]["EventPattern"] == event_pattern()


def test_the_commands_create_the_same_in_every_region() -> None:
    commands = [shlex.split(each) for each in cli_commands(ACCOUNT, "spotlab-events")]
    for region in ACCOUNT.regions:
        dead, queue, rule, target = (each for each in commands if each[-1] == region)
        attributes = json.loads(queue[queue.index("--attributes") + 1])
        arn = f"arn:aws:sqs:{region}:123456789012:spotlab-events"
        assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == f"{arn}-dlq"
        (statement,) = json.loads(attributes["Policy"])["Statement"]
        assert statement["Resource"] == arn
        assert dead[dead.index("--queue-name") + 1] == "spotlab-events-dlq"
        assert json.loads(rule[rule.index("--event-pattern") + 1]) == event_pattern()
        assert f"Id=spotlab-events,Arn={arn}" in target
    assert "hush" not in json.dumps(commands)


def test_the_rights_are_those_of_the_calls_that_are_made() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.calls: set[str] = set()

        def __getattr__(self, name: str) -> Any:
            def call(**arguments: Any) -> dict[str, Any]:
                dead = "dlq" in json.dumps(arguments, default=str)
                self.calls.add(f"{'dead ' if dead else ''}{name}")
                return {"QueueUrl": "https://sqs/spotlab-events-dlq"}

            return call

    recorder: Any = Recorder()
    queue = SqsEventQueue(recorder, ACCOUNT, "us-east-1", "spotlab-events", "https://sqs/q")
    message = QueuedMessage("m-1", "r-1", "no event")
    queue.receive()
    queue.delete([message])
    queue.refuse(message, "It is not JSON.")
    recorder.get_queue_url(QueueName="spotlab-events")  # find_queue
    of_call = {
        "receive_message": "sqs:ReceiveMessage",
        "delete_message_batch": "sqs:DeleteMessage",
        "get_queue_url": "sqs:GetQueueUrl",
        "dead get_queue_url": "sqs:GetQueueUrl",
        "dead send_message": "sqs:SendMessage",
    }
    assert recorder.calls == set(of_call)
    on_queue, on_dead, trail = reader_statements(ACCOUNT, "spotlab-events")
    assert set(on_queue["Action"]) == {of_call[each] for each in of_call if "dead" not in each}
    assert set(on_dead["Action"]) == {of_call[each] for each in of_call if "dead" in each}
    assert trail["Action"] == ["cloudtrail:LookupEvents"]


@pytest.mark.parametrize(
    ("role_arn", "regions", "partition"),
    [
        ("", ("us-east-1",), "aws"),
        ("", ("us-gov-west-1",), "aws-us-gov"),
        ("", ("cn-north-1",), "aws-cn"),
        ("arn:aws-cn:iam::123456789012:role/spotlab", ("cn-north-1",), "aws-cn"),
    ],
)
def test_arns_are_of_the_accounts_partition(
    role_arn: str, regions: tuple[str, ...], partition: str
) -> None:
    account = Account("acme", "123456789012", role_arn, regions=regions)
    assert partition_of(account) == partition
    (on_queue, *_) = reader_statements(account, "spotlab-events")
    assert on_queue["Resource"] == [f"arn:{partition}:sqs:{regions[0]}:123456789012:spotlab-events"]
