"""A switch of a real instance in the emulated AWS, on a clock that the engine's sleep advances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Refusal, Switch, SwitchState, Target
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload
from spotlab.switching.engine import Engine
from spotlab.switching.hooks import Hooks
from spotlab.switching.move_plans import move_plan
from spotlab.switching.planner import Planner
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
        confirmed: tuple[str, ...] = (),
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
            state=SwitchState.APPROVED,
            account=each.name,
            instance_id=instance_id,
            pool=pool,
            lifecycle=view.lifecycle,
            strategy=strategy,
            confirmed=confirmed,
            targets=(Target(new_pool, lifecycle, 0.03, 1.0),),
            on_demand=Target(pool, Lifecycle.ON_DEMAND, 0.1, 0.1),
        )
        self.store = MemorySwitches(replace(switch, **changes))
        self.refusal: Callable[[Switch, Step], Refusal | None] = lambda _switch, _step: None
        planner = Planner(Ec2Discovery(sessions, seconds), TargetRegion(sessions))
        self.engine = Engine(
            self.store,
            self.aws,
            Hooks(
                plan=lambda current: move_plan(planner, self.account, current, workload),
                may_proceed=lambda switch, step: self.refusal(switch, step),
                on_capacity=lambda _pool, _code, _at: None,
                check_health=lambda _check, _view: "",
                measure=lambda _switch, _now: None,
                allowances=NoLimits(),
            ),
            seconds,
            seconds,
            seconds.sleep,
        )

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
