"""The emulated AWS dies in the middle of a switch and starts again with its first fleet.

All that was launched, imaged or moved since its start is gone. A switch that is under way must end,
and may say no more than what EC2 then shows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from spotlab.aws.session import Sessions
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.patches import emulated
from spotlab.demo.server import RunningServer, bind
from spotlab.demo.world import Clock as WorldClock
from spotlab.demo.world import World
from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account, Topic
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Switch, SwitchState
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.services import Services
from spotlab.switching.driving import drive_all
from tests.support.builders import NOW
from tests.support.emulated import client
from tests.support.lab import save_toy_model, small_lab
from tests.support.switching import APPROVER, OPERATOR, allow
from tests.switching.emulated_lab import EmulatedLab, TestClock

SEED = 7
OUTAGE_S = 20.0
ENDED = {
    SwitchState.DONE,
    SwitchState.ROLLED_BACK,
    SwitchState.REFUSED,
    SwitchState.NEEDS_ATTENTION,
}


class MortalAws:
    """An emulated AWS that is killed, and started again on the same port without its memory."""

    def __init__(self, clock: TestClock) -> None:
        self._clock, self._port = clock, 0
        self._stack = ExitStack()
        self.runs = False

    def start(self) -> RunningServer:
        world = World.of(SEED, WorldClock(NOW, self._clock, advances=True))
        self._stack.enter_context(emulated(world))
        server = bind(world, port=self._port)
        self._port = server.port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self._stack.callback(server.server_close)
        self._stack.callback(thread.join)
        self._stack.callback(server.shutdown)
        self.runs = True
        return RunningServer(server.port, world)

    def kill(self) -> None:
        self._stack.close()
        self.runs = False


@contextmanager
def mortal_lab(home: Path, models_dir: Path) -> Iterator[tuple[EmulatedLab, MortalAws]]:
    """As `emulated_lab`, with an AWS that can be killed."""
    clock = TestClock()
    aws = MortalAws(clock)
    served = aws.start()
    with small_lab(home, models_dir) as lab:
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
        yield EmulatedLab(lab, clock, client(served, "ec2", "us-east-1", first), first.name), aws
    aws.kill()


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


def approved(made: EmulatedLab, instance_id: str, pool: Pool) -> Switch:
    """An approved switch with every level on."""
    allow(made.lab, instance_id, made.account)
    switches = Services(made.lab, OPERATOR).switches
    where: dict[str, Any] = {"pool": pool, "lifecycle": Lifecycle.SPOT}
    asked = switches.plan(instance_id, **where).preflight
    assert not asked.forbidding, asked.forbidding
    switch = switches.request(
        instance_id, confirmed=[each.code for each in asked.questions], **where
    )
    return Services(made.lab, APPROVER).switches.approve(switch.switch_id)


def drive_through(made: EmulatedLab, aws: MortalAws, switch_id: str, killed_in: Step) -> Switch:
    """Drive to the end; AWS dies once the switch is in a step, and is back a little later."""
    lab, clock = made.lab, made.clock
    died_at: list[float] = []
    publish = lab.bus.publish

    def look(topic: Topic, *more: Any) -> None:
        publish(topic, *more)
        if not died_at and lab.store.switches.get(switch_id).step is killed_in:
            died_at.append(clock())
            aws.kill()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if died_at and not aws.runs and clock() > died_at[0] + OUTAGE_S:
            aws.start()

    lab.bus.publish = look  # type: ignore[method-assign]
    try:
        for _ in range(5):
            drive_all(lab, sleep=sleep, monotonic=clock)
            switch = lab.store.switches.get(switch_id)
            if switch.state in ENDED:
                break
    finally:
        lab.bus.publish = publish  # type: ignore[method-assign]
    assert died_at, "it was killed"
    return switch
