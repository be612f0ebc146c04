"""A lab with a real instance in the emulated AWS, on a clock that the driver's sleep advances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from spotlab.aws.session import Sessions
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.server import serve_in_thread
from spotlab.demo.world import Clock as WorldClock
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.lab import Lab
from tests.support.builders import NOW
from tests.support.emulated import client
from tests.support.lab import small_lab

REGION, ZONE = "us-east-1", "us-east-1b"
OWN, TARGET = (Pool(REGION, ZONE, name) for name in ("t3.large", "m6i.large"))


class TestClock:
    """Monotonic seconds and the time of day; `sleep` advances both."""

    __test__ = False

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class EmulatedLab:
    """The lab, its clock, and boto3 clients of the account "production"."""

    def __init__(self, lab: Lab, clock: TestClock, ec2: Any, account: str) -> None:
        self.lab, self.clock, self.ec2, self.account = lab, clock, ec2, account

    def launch(self, name: str) -> str:
        """Run an instance from a launch template, and list it in the fleet; its id."""
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        template = self.ec2.create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData={"ImageId": image, "InstanceType": OWN.instance_type},
        )["LaunchTemplate"]
        made = self.ec2.run_instances(
            MinCount=1,
            MaxCount=1,
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
            InstanceType=OWN.instance_type,
            Placement={"AvailabilityZone": ZONE},
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}
            ],
        )["Instances"][0]
        instance_id: str = made["InstanceId"]
        self.clock.sleep(300)
        instance = Instance(
            instance_id, self.account, OWN, Lifecycle.ON_DEMAND, name, launched_at=NOW
        )
        others = [i for i in self.lab.store.fleet.instances() if i.account == self.account]
        self.lab.store.fleet.sync(self.account, [*others, instance])
        return instance_id

    def running(self) -> dict[str, str]:
        """Types of the running instances that were launched here, by id."""
        pages = self.ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        )
        return {
            each["InstanceId"]: each["InstanceType"]
            for page in pages
            for reservation in page["Reservations"]
            for each in reservation["Instances"]
        }


@contextmanager
def emulated_lab(home: Path, models_dir: Path) -> Iterator[EmulatedLab]:
    """A small lab whose AWS is emulated in a thread."""
    clock = TestClock()
    with (
        serve_in_thread(7, clock=WorldClock(NOW, clock, advances=True)) as served,
        small_lab(home, models_dir) as lab,
    ):
        first = served.world.accounts[0]
        account = Account(
            first.name, first.account_id, first.role_arn, first.external_id, first.regions, True
        )
        lab.store.fleet.save_account(account)
        sessions = Sessions(
            clock=clock,
            endpoint_url=served.endpoint_url,
            access_key_id=BASE_KEY,
            secret_access_key=BASE_SECRET,
        )
        cloud = Cloud(True, sessions, (account,), FeedAddresses("", "", ""))
        lab.open_cloud = lambda: cloud
        lab.clock = clock
        yield EmulatedLab(lab, clock, client(served, "ec2", REGION, first), first.name)
