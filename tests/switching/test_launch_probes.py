"""Launch probes against the emulated AWS: budget, evidence, and nothing left running."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spotlab.aws.switching import AwsSwitching
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import InterruptionKind
from spotlab.domain.switch_tags import SWITCH_TAG
from spotlab.errors import AwsError
from spotlab.switching import launch_probes, orphans
from tests.support.lab import save_toy_model
from tests.switching.emulated_lab import OWN, REGION, EmulatedLab, emulated_lab


@pytest.fixture
def emulated(tmp_path: Path) -> Iterator[EmulatedLab]:
    save_toy_model(tmp_path / "models")
    with emulated_lab(tmp_path / "home", tmp_path / "models") as made:
        instance_id = made.launch("web")
        spot = Instance(instance_id, made.account, OWN, Lifecycle.SPOT, "web")
        made.lab.store.fleet.sync(made.account, [spot])
        made.lab.collect()
        yield made


def probe(emulated: EmulatedLab, budget: int) -> dict[str, Any]:
    object.__setattr__(
        emulated.lab,
        "settings",
        emulated.lab.settings.model_copy(update={"launch_probes_a_day": budget}),
    )
    return dict(launch_probes.probe(emulated.lab, lambda *_: None, lambda: False))


def kinds(emulated: EmulatedLab) -> list[InterruptionKind]:
    return [each.kind for each in emulated.lab.store.interruptions.events()]


def test_no_probe_is_made_by_default(emulated: EmulatedLab) -> None:
    assert probe(emulated, 0) == {"note": launch_probes.OFF}
    assert kinds(emulated) == []


def test_a_probe_launches_records_and_leaves_nothing(emulated: EmulatedLab) -> None:
    before = emulated.running()
    made = probe(emulated, 96)
    assert (made["launched"], made["refused"], made["failed"]) == (1, 0, "")
    assert emulated.running() == before
    assert kinds(emulated) == [InterruptionKind.LAUNCHED]


def test_the_budget_of_a_day_is_kept(emulated: EmulatedLab) -> None:
    for expected in (1, 1, 0):
        emulated.clock.sleep(60)
        assert probe(emulated, 2)["launched"] == expected


def test_a_probe_that_cannot_be_ended_counts_against_the_budget(
    emulated: EmulatedLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AwsError("TerminateInstances was refused.")

    with monkeypatch.context() as patched:
        patched.setattr(AwsSwitching, "terminate", refuse)
        assert "TerminateInstances was refused" in probe(emulated, 1)["failed"]
    assert kinds(emulated) == [InterruptionKind.LAUNCHED]
    emulated.clock.sleep(60)
    made = probe(emulated, 1)
    assert (made["ended"], made["launched"]) == (1, 0)


def test_what_a_killed_process_left_is_an_orphan_and_ended_by_the_next_run(
    emulated: EmulatedLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    before = emulated.running()
    monkeypatch.setattr(AwsSwitching, "terminate", die)
    with pytest.raises(Killed):
        probe(emulated, 96)
    monkeypatch.undo()
    (left,) = emulated.running().keys() - before.keys()
    cloud = emulated.lab.cloud()
    aws = AwsSwitching(cloud.sessions, cloud.accounts[0], REGION)
    found = orphans.find(aws, emulated.account, REGION, {}, emulated.clock.now())
    instance = next(each for each in found if each.resource.kind == "instance")
    assert (instance.resource.resource_id, instance.state) == (left, "probe")
    assert instance.deletable
    assert instance.resource.tags[SWITCH_TAG].startswith("probe-")
    assert probe(emulated, 96)["ended"] == 1
    assert emulated.running() == before


def test_a_process_killed_before_it_ended_its_probe_leaves_nothing_after_the_next_run(
    emulated: EmulatedLab,
) -> None:
    before = emulated.running()
    fleet = emulated.lab.store.fleet.instances()
    (instance_id,) = (each.instance_id for each in fleet if each.account == emulated.account)
    arguments = (
        str(emulated.lab.settings.home / "spotlab.db"),
        emulated.ec2.meta.endpoint_url,
        instance_id,
        emulated.clock.now().isoformat(),
    )
    command = [sys.executable, "-m", "tests.switching.probing_process", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        left = process.stdout.readline().strip()
        assert emulated.running().keys() - before.keys() == {left}
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert kinds(emulated) == [InterruptionKind.LAUNCHED], "it counts against the budget"
    emulated.clock.sleep(60)
    ended = [probe(emulated, 1)["ended"] for _ in range(2)]
    assert ended == [1, 0], "it is ended once"
    assert emulated.running() == before
    assert kinds(emulated) == [InterruptionKind.LAUNCHED], "the budget was used up"
