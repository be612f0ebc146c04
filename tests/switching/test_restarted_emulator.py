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
from spotlab.switching.rounds import drive_all
from tests.support.builders import NOW
from tests.support.emulated import client
from tests.support.lab import save_toy_model, small_lab
from tests.support.switching import APPROVER, OPERATOR, allow
from tests.switching.emulated_lab import TARGET, EmulatedLab, TestClock

SEED = 7
OUTAGE_S = 20.0
SEEDED = "checkout-api-1"


class MortalAws:
    """An emulated AWS that is killed, and started again on the same port without its memory."""

    def __init__(self, clock: TestClock) -> None:
        self._clock, self._port = clock, 0
        self._stack = ExitStack()
        self.runs = False
        self.may_start, self.started = threading.Event(), threading.Event()

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

    def ensure_running(self) -> None:
        """Start it again, once the test lets it."""
        if not self.runs and self.may_start.is_set():
            self.start()
            self.started.set()


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

        def open_cloud() -> Cloud:
            aws.ensure_running()
            return cloud

        lab.open_cloud = open_cloud
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
            aws.may_start.set()
            assert aws.started.wait(60), "whoever drives starts it again"

    lab.bus.publish = look  # type: ignore[method-assign]
    try:
        drive_all(lab, sleep=sleep, monotonic=clock)
    finally:
        lab.bus.publish = publish  # type: ignore[method-assign]
    assert died_at, "it was killed"
    return lab.store.switches.get(switch_id)


def seeded_instance(made: EmulatedLab) -> str:
    """An instance of the first fleet, which is there again after a restart."""
    made.lab.sync_fleet()
    return next(i.instance_id for i in made.lab.store.fleet.instances() if i.name == SEEDED)


@pytest.mark.parametrize("killed_in", [Step.HEALTH, Step.TERMINATE, Step.VERIFY])
def test_a_switch_of_an_instance_that_is_there_again_is_rolled_back(
    tmp_path: Path, models_dir: Path, killed_in: Step
) -> None:
    with mortal_lab(tmp_path, models_dir) as (made, aws):
        switch = approved(made, seeded_instance(made), TARGET)
        ended = drive_through(made, aws, switch.switch_id, killed_in)
        journal = made.lab.store.switches.journal(switch.switch_id)
        assert ended.state is SwitchState.ROLLED_BACK, ended.situation
        assert ended.got is None, "the replacement is gone, and not claimed"
        assert "does not exist" in ended.situation
        assert any("could not reach AWS" in str(each.detail) for each in journal)
        assert any("cannot be found" in str(each.detail) for each in journal)
        assert switch.instance_id in made.running()
        report = Services(made.lab, APPROVER).switch_orphans.report(made.account)
        assert not report.found, "nothing of the switch is left"


@pytest.mark.parametrize("killed_in", [Step.IMAGE, Step.HEALTH])
def test_a_switch_of_which_nothing_is_left_says_so_and_can_be_given_up(
    tmp_path: Path, models_dir: Path, killed_in: Step
) -> None:
    with mortal_lab(tmp_path, models_dir) as (made, aws):
        lab = made.lab
        switch = approved(made, made.launch("web-a"), TARGET)
        lost = drive_through(made, aws, switch.switch_id, killed_in)
        assert lost.state is SwitchState.NEEDS_ATTENTION
        assert lost.got is None
        assert f"Instance: {switch.instance_id}" in lost.situation
        Services(lab, OPERATOR).switches.roll_back(switch.switch_id, "the emulator was restarted")
        drive_all(lab, sleep=made.clock.sleep, monotonic=made.clock)
        ended = lab.store.switches.get(switch.switch_id)
        assert ended.state is SwitchState.ROLLED_BACK
        assert f"neither {switch.instance_id} nor a replacement runs" in ended.situation
        assert lab.store.switches.open_of(switch.instance_id) is None
