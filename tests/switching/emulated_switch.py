"""A switch of a real instance in the emulated AWS, on a clock that the engine's sleep advances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.session import Sessions
from spotlab.aws.switching import AwsSwitching
from spotlab.aws.target_region import TargetRegion
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.server import RunningServer
from spotlab.demo.world import Clock as WorldClock
from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import MovePlan
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Refusal, Switch, SwitchState, Target
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload
from spotlab.switching.execution.engine import Engine
from spotlab.switching.execution.hooks import Hooks
from spotlab.switching.preflight.move_plan import move_plan
from spotlab.switching.preflight.reader import PreflightReader
from tests.support import switches as make
from tests.support.emulated import client
from tests.switching.memory_store import MemorySwitches
from tests.switching.world import NoLimits

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REGION = "us-east-1"


class Seconds:
    """The emulated world's monotonic clock, advanced by the engine's sleep."""

    def __init__(self) -> None:
        self.value = 0.0
        self.played: list[str] = []

    def __call__(self) -> float:
        return self.value

    def sleep(self, seconds: float) -> None:
        self.value += seconds

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.value)

    def world(self) -> WorldClock:
        return WorldClock(AT, self, advances=True)


class EmulatedSwitch:
    """One switch in the first account of a served emulator."""

    def __init__(
        self,
        served: RunningServer,
        seconds: Seconds,
        instance_id: str,
        strategy: Strategy,
        *,
        workload: AppliedWorkload = NO_WORKLOAD,
        target_type: str = "",
        **changes: Any,
    ) -> None:
        self.emulated_account = served.world.accounts[0]
        each = self.emulated_account
        self.account = Account(
            each.name, each.account_id, each.role_arn, each.external_id, each.regions, True
        )
        self.ec2 = client(served, "ec2", REGION, each)
        self.elb = client(served, "elbv2", REGION, each)
        self.seconds = seconds
        sessions = Sessions(
            clock=seconds,
            endpoint_url=served.endpoint_url,
            access_key_id=BASE_KEY,
            secret_access_key=BASE_SECRET,
        )
        self.aws = AwsSwitching(sessions, self.account, REGION)
        view = self.aws.instance(instance_id)
        assert view is not None
        pool = Pool(REGION, view.availability_zone, view.instance_type)
        other = target_type or _other(view.instance_type)
        new_pool = replace(pool, instance_type=other)
        lifecycle = view.lifecycle if strategy is Strategy.STOP_START else Lifecycle.SPOT
        switch = make.switch(
            f"sw-{instance_id[2:10]}",
            state=SwitchState.APPROVED,
            account=each.name,
            instance_id=instance_id,
            pool=pool,
            lifecycle=view.lifecycle,
            strategy=strategy,
            targets=(Target(new_pool, lifecycle, 0.03, 1.0),),
            on_demand=Target(pool, Lifecycle.ON_DEMAND, 0.1, 0.1),
        )
        self.store = MemorySwitches(replace(switch, **changes))
        self.refusal: Callable[[Switch, Step], Refusal | None] = lambda _switch, _step: None
        reader = PreflightReader(Ec2Discovery(sessions, seconds), TargetRegion(sessions))
        facts = reader.facts(self.account, REGION, instance_id)
        self.preflight = reader.preflight(
            self.account, facts, new_pool, lifecycle, workload, strategy=strategy
        )
        confirmed = tuple(each.code for each in self.preflight.questions)
        self.store.switch = replace(self.store.switch, confirmed=confirmed)
        self.engine = Engine(
            self.store,
            self.aws,
            Hooks(
                plan=lambda current: move_plan(reader, self.account, current, workload),
                may_proceed=lambda switch, step: self.refusal(switch, step),
                on_capacity=lambda _pool, _code, _at: None,
                on_interrupted=lambda _name, _pool, _at: None,
                check_health=lambda _check, _view: "",
                measure=lambda _switch, _now: None,
                allowances=NoLimits(),
            ),
            seconds,
            seconds,
            seconds.sleep,
        )

    def preflight_first(self) -> None:
        """Store the plan now, so that faults do not meet the preflight."""
        switch = self.store.switch
        plan = self.engine.hooks.plan(switch)
        assert isinstance(plan, MovePlan)
        self.store.switch = replace(switch, progress=replace(switch.progress, plan=plan))

    def drive(self) -> Switch:
        self.store.token += 1
        return self.engine.run(self.store.switch.switch_id, self.store.token, lambda: True)

    def told(self) -> str:
        return "\n".join(
            f"{each.seq:3} {each.step.value if each.step else '-':10} {each.phase.value:7} "
            f"{each.action} {dict(each.detail)}"
            for each in self.store.entries
        )


def _other(instance_type: str) -> str:
    family, _, size = instance_type.partition(".")
    return f"{'m6a' if family != 'm6a' else 'm5'}.{size}"


SECRET = "#!/bin/sh\nexport DB_PASSWORD=hunter2-correct-horse\n"
SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


class Holdings:
    """An instance with everything that can be lost, made by its owner; and what is left of it.

    Args:
        served: the emulated AWS.
        seconds: its clock.
        name: of the instance and its target group; unique.
        spot: whether it is a spot instance.
    """

    def __init__(
        self, served: RunningServer, seconds: Seconds, name: str, *, spot: bool = True
    ) -> None:
        owner = served.world.accounts[0]
        self.ec2 = client(served, "ec2", REGION, owner)
        self.elb = client(served, "elbv2", REGION, owner)
        self._seconds = seconds
        subnet = self.ec2.describe_subnets(
            Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}]
        )["Subnets"][0]
        image_id = self.ec2.describe_images(
            Filters=[{"Name": "architecture", "Values": ["x86_64"]}]
        )["Images"][0]["ImageId"]
        template = self.ec2.create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": image_id}
        )["LaunchTemplate"]["LaunchTemplateId"]
        tags = {
            "Name": name,
            "aws:ec2launchtemplate:id": template,
            "aws:ec2launchtemplate:version": "1",
        }
        self.instance_id = str(
            self.ec2.run_instances(
                ImageId=image_id,
                InstanceType="m6i.xlarge",
                MinCount=1,
                MaxCount=1,
                SubnetId=subnet["SubnetId"],
                UserData=SECRET,
                MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
                TagSpecifications=[
                    {
                        "ResourceType": "instance",
                        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                    }
                ],
                **({"InstanceMarketOptions": SPOT} if spot else {}),
            )["Instances"][0]["InstanceId"]
        )
        seconds.value += 300.0
        self.volume_id = self.ec2.create_volume(
            AvailabilityZone="us-east-1b", Size=10, VolumeType="gp3"
        )["VolumeId"]
        self.ec2.attach_volume(
            VolumeId=self.volume_id, InstanceId=self.instance_id, Device="/dev/sdf"
        )
        self.allocation_id = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        self.ec2.associate_address(AllocationId=self.allocation_id, InstanceId=self.instance_id)
        self.group = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=subnet["VpcId"], TargetType="instance"
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=self.group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}],
        )
        self.elb.register_targets(
            TargetGroupArn=self.group, Targets=[{"Id": self.instance_id, "Port": 8080}]
        )
        seconds.value += 300.0

    def problems(self, switch: Switch) -> list[str]:
        """What does not hold after a switch; empty: nothing is lost or left behind."""
        self._seconds.value += 900.0
        done = switch.state is SwitchState.DONE
        if not done and switch.state is not SwitchState.ROLLED_BACK:
            return [f"{switch.state}: {switch.situation}"]
        holder = switch.got.instance_id if done and switch.got else self.instance_id
        found = []
        state = self._state(holder)
        if state != "running":
            found.append(f"{holder} is {state}")
        if holder != self.instance_id and self._state(self.instance_id) != "terminated":
            found.append(f"{self.instance_id} is {self._state(self.instance_id)}")
        address = self.ec2.describe_addresses(AllocationIds=[self.allocation_id])["Addresses"][0]
        if address.get("InstanceId") != holder:
            found.append(f"the address is with {address.get('InstanceId')}")
        volume = self.ec2.describe_volumes(VolumeIds=[self.volume_id])["Volumes"][0]
        if [each["InstanceId"] for each in volume["Attachments"]] != [holder]:
            found.append(f"the volume is {volume['State']} with {volume['Attachments']}")
        health = self.elb.describe_target_health(TargetGroupArn=self.group)
        targets = [each["Target"]["Id"] for each in health["TargetHealthDescriptions"]]
        if targets != [holder]:
            found.append(f"targets: {targets}")
        tag = [{"Name": "tag-key", "Values": ["spotlab:switch"]}]
        live = {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}
        left = [
            *self.ec2.describe_instances(Filters=[*tag, live])["Reservations"],
            *self.ec2.describe_images(Owners=["self"], Filters=tag)["Images"],
            *self.ec2.describe_snapshots(OwnerIds=["self"], Filters=tag)["Snapshots"],
            *self.ec2.describe_volumes(Filters=tag)["Volumes"],
        ]
        if left:
            found.append(f"left behind: {left!r:.300}")
        return found

    def _state(self, instance_id: str) -> str:
        try:
            (reservation,) = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        except ClientError:
            return "terminated"  # EC2 lists it no more
        return str(reservation["Instances"][0]["State"]["Name"])
