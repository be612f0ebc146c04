"""The instances of an account, from EC2.

Source: Amazon EC2 API Reference, DescribeInstances and StateReason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from spotlab.aws.failures import translated
from spotlab.aws.session import Sessions
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import LINUX, Pool
from spotlab.domain.ports import Account

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_STATES: Final = ("pending", "running", "stopping", "stopped")
_ENDED_STATES: Final = ("shutting-down", "terminated")
_RECLAIMED: Final = "Server.SpotInstanceTermination"
"""StateReason of an instance that EC2 reclaimed; a user's own termination has another one."""
_LIFECYCLES: Final = {"spot": Lifecycle.SPOT, "": Lifecycle.ON_DEMAND}
"""On-demand instances have no lifecycle in EC2. Scheduled instances and capacity blocks are paid
for in advance, so SpotLab ignores them."""


class Ec2Instances:
    """Spot and on-demand instances of an account, from DescribeInstances in each region.

    Args:
        sessions: clients by account and region.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def instances(self, account: Account) -> list[Instance]:
        """All instances of the account that are not terminated, ordered by region and id.

        Raises:
            AwsError: a region could not be read; a partial fleet is never returned.
        """
        return [
            instance
            for region in account.regions
            for instance in sorted(self._list(account, region), key=lambda i: i.instance_id)
        ]

    def interruptions(self, account: Account, now: datetime) -> list[InterruptionEvent]:
        """Reclaimed spot instances that EC2 still lists, which it does for about an hour.

        EC2 does not report when it reclaimed them, so the event's time is `now`.

        Raises:
            AwsError: a region could not be read.
        """
        return [
            InterruptionEvent(
                instance_id=reclaimed.instance_id,
                pool=reclaimed.pool,
                at=now,
                kind=InterruptionKind.RECLAIMED,
                source=f"DescribeInstances: {_RECLAIMED}",
                recorded_at=now,
                emulated=account.emulated,
            )
            for region in account.regions
            for reclaimed in self._list(account, region, _ENDED_STATES, _RECLAIMED)
        ]

    def _list(
        self, account: Account, region: str, states: Sequence[str] = _STATES, reason: str = ""
    ) -> Iterator[Instance]:
        ec2 = self._sessions.client("ec2", account, region)
        with translated(
            f"Listing the instances of account {account.name!r} in {region}", account.external_id
        ):
            pages = ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": "instance-state-name", "Values": list(states)}],
                PaginationConfig={"PageSize": 1000},
            )
            for page in pages:
                for reservation in page["Reservations"]:
                    for record in reservation["Instances"]:
                        if record.get("InstanceLifecycle", "") not in _LIFECYCLES:
                            continue
                        if reason and record.get("StateReason", {}).get("Code", "") != reason:
                            continue
                        yield _instance(record, account.name, region)


def _instance(record: InstanceTypeDef, account: str, region: str) -> Instance:
    tags = {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}
    windows = record.get("Platform", "").lower() == "windows"
    return Instance(
        instance_id=record["InstanceId"],
        account=account,
        pool=Pool(
            region=region,
            availability_zone=record["Placement"]["AvailabilityZone"],
            instance_type=record["InstanceType"],
            operating_system="Windows" if windows else LINUX,
        ),
        lifecycle=_LIFECYCLES[record.get("InstanceLifecycle", "")],
        name=tags.get("Name", ""),
        tags=tags,
        state=record["State"]["Name"],
        launched_at=record["LaunchTime"].astimezone(UTC),
    )
