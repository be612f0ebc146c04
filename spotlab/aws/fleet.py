"""The instances of an account, from EC2.

Source: Amazon EC2 API Reference, DescribeInstances and StateReason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from spotlab.aws.failures import translated
from spotlab.aws.region_access import explained
from spotlab.aws.region_calls import REGION_LIMIT_S, in_each_region
from spotlab.aws.session import Sessions
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import LINUX, Pool
from spotlab.domain.ports import Account
from spotlab.errors import AwsError, SpotlabError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_STATES: Final = ("pending", "running", "stopping", "stopped")
_ENDED_STATES: Final = ("shutting-down", "terminated")
_RECLAIMED: Final = "Server.SpotInstanceTermination"
"""StateReason of an instance that EC2 reclaimed; a user's own termination has another one."""
_LIFECYCLES: Final = {"spot": Lifecycle.SPOT, "": Lifecycle.ON_DEMAND}
"""On-demand instances have no lifecycle in EC2. Scheduled instances and capacity blocks are paid
for in advance, so SpotLab ignores them."""


@dataclass(frozen=True, slots=True)
class RegionFleet:
    """What one region answered.

    Args:
        region: such as "us-east-1".
        instances: those that are not terminated, by id.
        interruptions: reclaimed spot instances that EC2 still lists, which it does for about an
            hour. EC2 does not report when it reclaimed them, so the time is that of the listing.
        error: why the region could not be listed; None: it was.
    """

    region: str
    instances: tuple[Instance, ...] = ()
    interruptions: tuple[InterruptionEvent, ...] = ()
    error: SpotlabError | None = None


class Ec2Instances:
    """Spot and on-demand instances of an account, from DescribeInstances in each region.

    Args:
        sessions: clients by account and region.
        region_limit_s: time limit of a region, seconds.
    """

    def __init__(self, sessions: Sessions, region_limit_s: float = REGION_LIMIT_S) -> None:
        self._sessions = sessions
        self._region_limit_s = region_limit_s

    def list_regions(self, account: Account, now: datetime) -> list[RegionFleet]:
        """The instances of each region of an account, in the account's order.

        A region that is not enabled, denied or slow is listed with its error; it does not keep the
        others from being listed.

        Args:
            account: with its regions.
            now: time of the listing, aware UTC.
        """
        answers = in_each_region(
            {
                region: partial(self._list_region, account, region, now)
                for region in account.regions
            },
            f"Listing the instances of account {account.name!r}",
            self._region_limit_s,
        )
        answering = next(
            (region for region, each in answers.items() if isinstance(each, RegionFleet)), ""
        )
        return [
            answer
            if isinstance(answer, RegionFleet)
            else RegionFleet(region, error=self._explained(account, region, answer, answering))
            for region, answer in answers.items()
        ]

    def _explained(
        self, account: Account, region: str, error: SpotlabError, answering: str
    ) -> SpotlabError:
        if not isinstance(error, AwsError):
            return error
        return explained(self._sessions, account, region, error, answering)

    def _list_region(self, account: Account, region: str, now: datetime) -> RegionFleet:
        instances = sorted(self._list(account, region), key=lambda each: each.instance_id)
        interruptions = [
            InterruptionEvent(
                instance_id=reclaimed.instance_id,
                pool=reclaimed.pool,
                at=now,
                kind=InterruptionKind.RECLAIMED,
                source=f"DescribeInstances: {_RECLAIMED}",
                recorded_at=now,
                emulated=account.emulated,
            )
            for reclaimed in self._list(account, region, _ENDED_STATES, _RECLAIMED)
        ]
        return RegionFleet(region, tuple(instances), tuple(interruptions))

    def _list(
        self, account: Account, region: str, states: Sequence[str] = _STATES, reason: str = ""
    ) -> Iterator[Instance]:
        ec2 = self._sessions.client("ec2", account, region)
        with translated(
            f"Listing the instances of account {account.name!r} in {region}",
            account.external_id,
            account.pending_external_id,
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
