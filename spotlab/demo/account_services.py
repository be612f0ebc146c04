"""What an emulated account has beside instances: queues, event rules, roles and a key.

Each region of an account has the queue `spotlab-events` with its dead-letter queue, and a rule that
sends the events of EC2 to it.
"""

from __future__ import annotations

import json
from typing import Any, Final

from moto.ec2.models import ec2_backends
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends
from moto.events.models import events_backends
from moto.iam.models import SERVICE_NAME_CONVERSION, iam_backends
from moto.kms.models import kms_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends

from spotlab.demo.patcher import Patches
from spotlab.demo.world import DEAD_LETTER_QUEUE, EVENTS_QUEUE, Account, World

EVENTS_RULE: Final = "spotlab-ec2-events"
INSTANCE_PROFILE: Final = "spotlab-workload"
MAX_RECEIVE_COUNT: Final = 5
_PATTERN: Final = {
    "source": ["aws.ec2"],
    "detail-type": [
        "EC2 Spot Instance Interruption Warning",
        "EC2 Instance Rebalance Recommendation",
        "EC2 Instance State-change Notification",
    ],
}
BACKENDS: Final[tuple[Any, ...]] = (
    ec2_backends,
    elb_backends,
    elbv2_backends,
    events_backends,
    iam_backends,
    kms_backends,
    sqs_backends,
    sts_backends,
)
"""moto's state that the emulated AWS uses."""


def clear_backends() -> None:
    """Drop all backends; moto's own reset would create them again."""
    for backends in BACKENDS:
        backends.clear()


def patch_role_names(patches: Patches) -> None:
    """Name the service-linked role of spot instances as AWS does; moto calls it "…Forspot"."""
    patches.item(SERVICE_NAME_CONVERSION, "spot", "EC2Spot")


def add_account_services(world: World) -> None:
    """Add keys, roles, queues and event rules to each account."""
    for account in world.accounts:
        _add_identities(account)
        for region in account.regions:
            _add_event_queue(account.account_id, region)


def _add_identities(account: Account) -> None:
    iam = iam_backends[account.account_id]["aws"]
    iam.access_keys[account.access_key_id] = iam.create_temp_access_key()
    iam.create_service_linked_role("spot.amazonaws.com", "", "")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam.create_role(INSTANCE_PROFILE, json.dumps(trust), "/", None, "", [], "3600")
    iam.create_instance_profile(INSTANCE_PROFILE, "/", [])
    iam.add_role_to_instance_profile(INSTANCE_PROFILE, INSTANCE_PROFILE)


def _add_event_queue(account_id: str, region: str) -> None:
    sqs = sqs_backends[account_id][region]
    dead_letters = sqs.create_queue(DEAD_LETTER_QUEUE)
    redrive = {
        "deadLetterTargetArn": dead_letters.queue_arn,
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    }
    queue = sqs.create_queue(EVENTS_QUEUE, RedrivePolicy=json.dumps(redrive))
    events = events_backends[account_id][region]
    events.put_rule(EVENTS_RULE, event_pattern=json.dumps(_PATTERN), state="ENABLED")
    events.put_targets(EVENTS_RULE, None, [{"Id": EVENTS_QUEUE, "Arn": queue.queue_arn}])
