"""A small world for a switch: an instance with everything that can be lost, and what must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports.switching import InstanceView
from spotlab.domain.switch_moves import (
    AddressMove,
    HealthCheck,
    LaunchSettings,
    MovePlan,
    TargetMove,
    VolumeMove,
)
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import (
    DRIVEN_STATES,
    Phase,
    Refusal,
    Switch,
    SwitchState,
    Target,
)
from spotlab.errors import ChangedMeanwhile, DatabaseDown, Fenced, SpotlabError
from spotlab.store.launch_allowances import Allowance
from spotlab.switching.execution.engine import Engine
from spotlab.switching.execution.hooks import Hooks
from tests.support import switches as make
from tests.switching.fake_aws import Crash, FakeAws, Time
from tests.switching.memory_store import MemorySwitches

OLD, THIRD = "i-old", "i-third"
ADDRESS, VOLUME, GROUP = "eipalloc-1", "vol-data", "arn:aws:x:targetgroup/web/1"
LATER_VOLUME = "vol-later"
"""Attached to the instance by somebody while it is switched."""
ON_DEMAND_POOL = Pool("us-east-1", "us-east-1a", "m6i.large")
RESTARTS = 12


class NoLimits:
    """Launch allowances that allow everything."""

    def claim(self, pool: Pool, switch_id: str, now: datetime) -> Allowance | None:
        return None

    def refused(self, pool: Pool, switch_id: str, code: str, now: datetime) -> None: ...

    def succeeded(self, pool: Pool, switch_id: str, now: datetime) -> None: ...

    def release(self, switch_id: str) -> None: ...


@dataclass
class World:
    """A switch of one strategy in an account of its own."""

    strategy: Strategy = Strategy.FROM_TEMPLATE
    changes: dict[str, Any] = field(default_factory=dict)
    appears_after_s: float = 0.0
    refusal: Callable[[Switch, Step], Refusal | None] = lambda _switch, _step: None
    health: Callable[[HealthCheck, InstanceView], str] = lambda _check, _view: ""

    before_change: Callable[[], None] = lambda: None
    sends_late: bool = False
    swept_calls: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        self.time = Time()
        self.aws = FakeAws(self.time, appears_after_s=self.appears_after_s)
        in_place = self.strategy is Strategy.STOP_START
        lifecycle = Lifecycle.ON_DEMAND if in_place else Lifecycle.SPOT
        self.aws.add(OLD, make.OLD_POOL.instance_type, "us-east-1a", lifecycle)
        self.aws.instances[OLD].tags = {"Name": "web-1", "team": "shop"}
        self.aws.addresses[ADDRESS] = OLD
        self.aws.targets[GROUP, OLD] = ("healthy", 0.0)
        data = self.aws.volumes
        from tests.switching.fake_aws import FakeVolume

        data[VOLUME] = FakeVolume(VOLUME, OLD, "/dev/sdf", "attached", 0.0, True)
        self.plan: MovePlan | Refusal = MovePlan(
            launch=LaunchSettings(
                template_id="lt-1", subnets={"us-east-1a": "subnet-a", "us-east-1b": "subnet-b"},
                user_data_sha256="0" * 64,
            ),
            addresses=() if in_place else (AddressMove(ADDRESS, "203.0.113.7"),),
            targets=() if in_place else (TargetMove(GROUP, 80, 30.0),),
            volumes=() if in_place else (VolumeMove(VOLUME, "/dev/sdf", True),),
            attached=(VOLUME,),
            tags={} if in_place else {"Name": "web-1", "team": "shop"},
            spot_request_id="" if in_place else "sir-old",
            former_type=make.OLD_POOL.instance_type,
        )  # fmt: skip
        targets = (make.target(), make.target(make.OTHER_POOL))
        if in_place:
            targets = tuple(replace(each, lifecycle=Lifecycle.ON_DEMAND) for each in targets)
            self.aws.least_healthy = 0
        switch = make.switch(
            state=SwitchState.APPROVED,
            strategy=self.strategy,
            instance_id=OLD,
            lifecycle=lifecycle,
            targets=targets,
            on_demand=Target(ON_DEMAND_POOL, Lifecycle.ON_DEMAND, 0.096, 0.096),
        )
        self.store = MemorySwitches(replace(switch, **self.changes))
        self.capacity: list[tuple[str, str]] = []
        self.interrupted: list[str] = []
        self.engine = Engine(
            self.store,
            self.aws,
            Hooks(
                plan=lambda _switch: self.plan,
                may_proceed=self.may_proceed,
                on_capacity=lambda pool, code, _at: self.capacity.append((pool.key, code)),
                on_interrupted=lambda name, _pool, _at: self.interrupted.append(name),
                check_health=lambda check, view: self.health(check, view),
                measure=lambda _switch, _now: None,
                allowances=NoLimits(),
            ),
            self.time,
            self.time.monotonic,
            self.time.sleep,
        )

    @property
    def switch(self) -> Switch:
        return self.store.switch

    def may_proceed(self, switch: Switch, step: Step) -> Refusal | None:
        """The guards: everything is stopped, or a test refuses a step."""
        if self.stopped:
            return Refusal("olga stopped all switches.", wait=True)
        return self.refusal(switch, step)

    def drive(self) -> Switch:
        """One driver: takes the lease over, and works until the switch is finished."""
        self.store.token += 1
        token = self.store.token

        def leading() -> bool:
            self.before_change()
            return self.store.token == token or self.sends_late

        return self.engine.run(self.switch.switch_id, token, leading)

    def recover(self) -> Switch:
        """Drivers one after another, until none has anything to do."""
        for _ in range(RESTARTS):
            try:
                self.drive()
            except (Crash, DatabaseDown, Fenced, ChangedMeanwhile):
                self.time.sleep(30.0)
                continue
            if self.switch.state is SwitchState.PAUSED and not self.switch.pause_requested:
                continue
            if self.switch.state not in DRIVEN_STATES:
                break
        return self.switch

    def told(self) -> str:
        """The journal, a line an entry."""
        return "\n".join(
            f"{each.seq:3} {each.step.value if each.step else '-':10} {each.phase.value:7} "
            f"{each.action} {dict(each.detail)}"
            for each in self.store.entries
        )


def problems(world: World, *, allow_breach: bool = False) -> list[str]:
    """What does not hold after recovery; empty: the switch has survived."""
    world.time.sleep(600.0)
    aws, switch = world.aws, world.switch
    found = [] if allow_breach else list(dict.fromkeys(aws.breaches))[:2]
    in_place = switch.strategy is Strategy.STOP_START
    if switch.state is SwitchState.DONE:
        if switch.got is None:
            return [*found, "done without a replacement"]
        holder = switch.got.instance_id
        if switch.differs and not switch.got_why:
            found.append("got something else without a reason")
    elif switch.state is SwitchState.ROLLED_BACK:
        holder = OLD
    elif "so there is nothing to copy" in switch.situation and OLD in aws.taken:
        return [*found, *left_behind(world)]
    else:
        return [*found, f"ended {switch.state}: {switch.situation}"]
    if switch.state is SwitchState.DONE and holder in aws.taken and switch.step is Step.CLEANUP:
        # AWS took the replacement when the switch was as good as finished.
        return [*found, *left_behind(world), *story_problems(world)]
    if aws.alive() != [holder] or aws.healthy() != [holder]:
        found.append(f"{holder} should run alone: alive {aws.alive()}, healthy {aws.healthy()}")
    restored = aws.instances[OLD].instance_type == switch.pool.instance_type
    if in_place and switch.state is SwitchState.ROLLED_BACK and not restored:
        found.append("the type was not restored")
    given_away = aws.addresses.get(ADDRESS) == THIRD
    if aws.addresses.get(ADDRESS) != holder and not given_away:
        found.append(f"the address is with {aws.addresses.get(ADDRESS)!r}")
    volume = aws.volumes.get(VOLUME)
    if volume is None and aws.took_volume:
        pass  # AWS deleted it with the instance, before the switch had begun to move
    elif volume is None or (volume.instance_id, volume.attachment) != (holder, "attached"):
        found.append(f"the volume is lost or elsewhere: {volume}")
    registered = {name for (_, name), (state, _) in aws.targets.items() if state == "healthy"}
    expected = set() if GROUP in aws.deleted_groups else {holder}
    if registered != expected or len(aws.targets) != len(expected):
        found.append(f"targets: {aws.targets}")
    if aws.instances[holder].tags != {"Name": "web-1", "team": "shop"}:
        found.append(f"tags: {aws.instances[holder].tags}")
    later = aws.volumes.get(LATER_VOLUME)
    if later is not None and holder == OLD and later.instance_id != OLD:
        found.append(f"the later volume is with {later.instance_id!r}")
    if volume is not None and not volume.delete_on_termination and not in_place:
        found.append("the volume would survive its instance now")
    return [*found, *left_behind(world), *story_problems(world)]


def left_behind(world: World) -> list[str]:
    """What carries the tag still, and any image or snapshot."""
    aws = world.aws
    if aws.leftovers() or aws.images or aws.snapshots:
        return [f"left behind: {aws.leftovers()} {aws.images} {aws.snapshots}"]
    return []


def story_problems(world: World) -> list[str]:
    """Whether the journal tells what was done: every change is announced, the end is the end."""
    entries = world.store.entries
    found = []
    if [each.seq for each in entries] != list(range(1, len(entries) + 1)):
        found.append("the journal has gaps")
    if not entries or entries[-1].action != world.switch.state.value:
        found.append("the journal does not end with the final state")
    changing = {
        name
        for name in world.aws.sent
        if name not in ("instance", "launched", "image", "image_named", "volume", "own")
        and name not in ("address_holder", "target_health", "spot_request_open")
    }
    sent = sum(world.aws.sent[name] for name in changing)
    announced = sum(each.phase is Phase.BEFORE for each in entries) + world.swept_calls
    if announced < sent:
        found.append(f"{sent} changes, {announced} announced")
    return found


def down() -> SpotlabError:
    """A database that does not answer."""
    return DatabaseDown("The database does not answer.")
