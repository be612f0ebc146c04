"""The set-up of an account's event queue, as a CloudFormation template and as AWS CLI commands.

In each region: a queue with a dead-letter queue, a queue policy that lets only the rule write, and
an EventBridge rule for the three kinds of events. The reader's statements are what SpotLab's role
needs for them.

Source: Amazon EventBridge User Guide, "Amazon SQS permissions"; AWS CloudFormation Template
Reference, AWS::SQS::Queue, AWS::SQS::QueuePolicy, AWS::Events::Rule.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, Final

from spotlab.aws.event_queue import DEAD
from spotlab.aws.events import DETAIL_TYPES
from spotlab.domain.ports import Account

RULE: Final = "spotlab-ec2-events"
RETENTION_S: Final = 345_600
"""Four days: how long SpotLab may be down without losing an event."""
DEAD_RETENTION_S: Final = 1_209_600
"""14 days, the longest that SQS allows."""
MAX_RECEIVE_COUNT: Final = 5
"""A message that was received this often without being deleted goes to the dead-letter queue."""
VISIBILITY_S: Final = 60
READER_ACTIONS: Final = (
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
)
"""On the queue."""
DEAD_ACTIONS: Final = ("sqs:GetQueueUrl", "sqs:SendMessage")
"""On the dead-letter queue."""


def event_pattern() -> dict[str, Any]:
    """The rule's pattern."""
    return {"source": ["aws.ec2"], "detail-type": list(DETAIL_TYPES)}


def reader_statements(account: Account, queue: str) -> list[dict[str, Any]]:
    """The least that SpotLab's role needs to read events and past interruptions."""
    partition = partition_of(account)
    arns = [
        f"arn:{partition}:sqs:{region}:{account.aws_account_id}:{queue}"
        for region in account.regions
    ]
    return [
        {
            "Sid": "SpotLabReadEvents",
            "Effect": "Allow",
            "Action": list(READER_ACTIONS),
            "Resource": arns,
        },
        {
            "Sid": "SpotLabRefuseEvents",
            "Effect": "Allow",
            "Action": list(DEAD_ACTIONS),
            "Resource": [f"{arn}{DEAD}" for arn in arns],
        },
        {
            "Sid": "SpotLabReadPastInterruptions",
            "Effect": "Allow",
            "Action": ["cloudtrail:LookupEvents"],
            "Resource": "*",
        },
    ]


def partition_of(account: Account) -> str:
    """The partition of an account, from its role or its regions.

    >>> partition_of(Account("cn", "123456789012", regions=("cn-north-1",)))
    'aws-cn'
    """
    if account.role_arn:
        return account.role_arn.split(":")[1]
    region = account.regions[0] if account.regions else ""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def cloudformation(queue: str) -> dict[str, Any]:
    """The template of one region; it contains nothing that differs between accounts."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Events of EC2 for SpotLab: a queue with a dead-letter queue, and a rule.",
        "Resources": {
            "DeadLetterQueue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": f"{queue}{DEAD}",
                    "MessageRetentionPeriod": DEAD_RETENTION_S,
                    "SqsManagedSseEnabled": True,
                },
            },
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": queue,
                    "MessageRetentionPeriod": RETENTION_S,
                    "VisibilityTimeout": VISIBILITY_S,
                    "SqsManagedSseEnabled": True,
                    "RedrivePolicy": {
                        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
                        "maxReceiveCount": MAX_RECEIVE_COUNT,
                    },
                },
            },
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "Name": RULE,
                    "EventPattern": event_pattern(),
                    "Targets": [{"Id": queue, "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
                },
            },
            "QueuePolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Queue"}],
                    "PolicyDocument": _queue_policy(
                        {"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::GetAtt": ["Rule", "Arn"]}
                    ),
                },
            },
        },
    }


def _queue_policy(queue_arn: Any, rule_arn: Any) -> dict[str, Any]:
    """Only the rule may write to the queue."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "EventBridgeRule",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            }
        ],
    }


def cli_commands(account: Account, queue: str) -> list[str]:
    """AWS CLI commands that do the same in every region of an account."""
    return [
        command
        for region in account.regions
        for command in _region_commands(account, region, queue)
    ]


def _region_commands(account: Account, region: str, queue: str) -> Sequence[str]:
    partition, number = partition_of(account), account.aws_account_id
    arn = f"arn:{partition}:sqs:{region}:{number}:{queue}"
    rule_arn = f"arn:{partition}:events:{region}:{number}:rule/{RULE}"
    redrive = {"deadLetterTargetArn": f"{arn}{DEAD}", "maxReceiveCount": str(MAX_RECEIVE_COUNT)}
    attributes = {
        "MessageRetentionPeriod": str(RETENTION_S),
        "VisibilityTimeout": str(VISIBILITY_S),
        "SqsManagedSseEnabled": "true",
        "RedrivePolicy": json.dumps(redrive),
        "Policy": json.dumps(_queue_policy(arn, rule_arn)),
    }
    dead = {"MessageRetentionPeriod": str(DEAD_RETENTION_S), "SqsManagedSseEnabled": "true"}

    def aws(*words: str) -> str:
        return shlex.join(["aws", *words, "--region", region])

    return (
        aws("sqs", "create-queue", "--queue-name", f"{queue}{DEAD}", "--attributes", _json(dead)),
        aws("sqs", "create-queue", "--queue-name", queue, "--attributes", _json(attributes)),
        aws("events", "put-rule", "--name", RULE, "--event-pattern", _json(event_pattern())),
        aws("events", "put-targets", "--rule", RULE, "--targets", f"Id={queue},Arn={arn}"),
    )


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
