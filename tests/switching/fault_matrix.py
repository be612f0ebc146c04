"""The fault matrix: a switch that is disturbed at every point, and what must hold afterwards.

    python -m tests.switching.fault_matrix [--every N] [--strategy NAME] [--emulated]

prints `cells: N survived: N lost: 0`, and a line for each cell that was lost. A cell is one switch
with one disturbance: the driver is killed before or after an AWS call or a commit, a call fails in
one of several ways, a commit fails, the database is locked for a minute, another driver takes over,
a clock jumps, AWS takes an instance or both, a user stops everything, asks to pause or
to roll back, somebody moves an address away, deletes a target group or attaches a volume, or AWS
refuses every call.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import SwitchState, resumed
from spotlab.switching.orphans import delete, find
from tests.switching.emulated_matrix import play
from tests.switching.fake_aws import FAULTS, Crash, FakeVolume
from tests.switching.world import (
    ADDRESS,
    GROUP,
    LATER_VOLUME,
    OLD,
    THIRD,
    World,
    down,
    problems,
)

READS = frozenset(
    {
        "instance", "launched", "image", "image_named", "volume", "own", "address_holder",
        "target_health", "spot_request_open",
    }
)  # fmt: skip
LOCKED_S = 60.0
"""For how long the database is locked."""
LATE_S = 90.0
"""After how long an instance appears in the cells with a delay."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One switch with one disturbance.

    Args:
        name: for the report.
        strategy: of the switch.
        disturb: prepares the disturbance.
        appears_after_s: delay until a launched instance can be found.
        may_breach: whether no healthy instance may be left for a while, as AWS took it.
        sweep: orphans are swept afterwards.
        heals: if a person is asked, they remove the cause and resume the switch.
    """

    name: str
    strategy: Strategy
    disturb: Callable[[World], None]
    appears_after_s: float = 0.0
    may_breach: bool = False
    sweep: bool = False
    heals: bool = False


def run(cell: Cell) -> list[str]:
    """Play a cell; what does not hold afterwards."""
    world = World(cell.strategy, appears_after_s=cell.appears_after_s)
    cell.disturb(world)
    world.recover()
    if world.stopped:
        world.stopped = False
        world.recover()
    if world.switch.state is SwitchState.PAUSED:
        world.store.ask(pause=False)
        world.recover()
    if cell.heals and world.switch.state is SwitchState.NEEDS_ATTENTION:
        # A person removes the cause and resumes.
        world.aws.always.clear()
        world.aws.denies_all = False
        world.store.switch = resumed(world.switch)
        world.recover()
    if cell.sweep:
        world.time.sleep(1200.0)
        found = find(world.aws, "a", "r", {world.switch.switch_id: world.switch}, world.time.now())
        before = sum(world.aws.sent.values())
        delete(world.aws, found)
        world.swept_calls = sum(world.aws.sent.values()) - before
    return problems(world, allow_breach=cell.may_breach)


def crash_at_call(number: int, when: str) -> Callable[[World], None]:
    """The driver is killed before or after an AWS call."""

    def disturb(world: World) -> None:
        world.aws.crash_at = (number, when)

    return disturb


def crash_at_commit(number: int, when: str) -> Callable[[World], None]:
    """The driver is killed before or after a commit."""

    def at_commit(commit: int, moment: str) -> None:
        if (commit, moment) == (number, when):
            raise Crash

    def disturb(world: World) -> None:
        world.store.on_commit = at_commit

    return disturb


def failing_commit(number: int, when: str) -> Callable[[World], None]:
    """A commit fails; "after": although it took effect."""

    def at_commit(commit: int, moment: str) -> None:
        if (commit, moment) == (number, when):
            raise down()

    def disturb(world: World) -> None:
        world.store.on_commit = at_commit

    return disturb


def failing_call(number: int, fault: str, times: int = 1) -> Callable[[World], None]:
    """An AWS call fails, once or a few times in a row."""

    def disturb(world: World) -> None:
        world.aws.faults = {number + each: fault for each in range(times)}

    return disturb


def always_failing(name: str, fault: str) -> Callable[[World], None]:
    """Every call of a name fails until somebody removes the cause."""

    def disturb(world: World) -> None:
        world.aws.always[name] = fault

    return disturb


def at_call(number: int, happening: Callable[[World], None]) -> Callable[[World], None]:
    """Something happens while a call is made."""

    def disturb(world: World) -> None:
        def on_call(_name: str) -> None:
            if len(world.aws.calls) == number + 1:
                happening(world)

        world.aws.on_call = on_call

    return disturb


def taken_over(number: int, *, sends_late: bool) -> Callable[[World], None]:
    """Another driver works to the end while this one is frozen before its change of this number.

    With `sends_late` it was frozen between its look at the lease and the call, which takes effect
    when everything is over.
    """

    def disturb(world: World) -> None:
        changes = 0

        def before_change() -> None:
            nonlocal changes
            changes += 1
            if changes == number + 1:
                world.recover()
                world.sends_late = sends_late

        world.before_change = before_change

    return disturb


def jump(days: float) -> Callable[[World], None]:
    """The wall clock jumps."""

    def happening(world: World) -> None:
        world.time.jump += timedelta(days=days)

    return happening


def take_old(world: World) -> None:
    """AWS takes the instance that is replaced."""
    world.aws.interrupt(OLD)


def take_new(world: World) -> None:
    """AWS takes the replacement."""
    for each in world.aws.instances.values():
        if each.instance_id != OLD and each.state in ("pending", "running"):
            world.aws.interrupt(each.instance_id)


def ask_rollback(world: World) -> None:
    """A user asks to roll back."""
    world.store.ask(roll_back=True)


def ask_pause(world: World) -> None:
    """A user asks to pause."""
    world.store.ask(pause=True)


def take_both(world: World) -> None:
    """AWS takes the instance and its replacement at once."""
    take_old(world)
    take_new(world)


def stop_all(world: World) -> None:
    """A user stops all switches."""
    world.stopped = True


def lock_database(world: World) -> None:
    """Another process holds the lock of the database for a minute."""
    free_at = world.time.seconds + LOCKED_S

    def on_commit(_number: int, when: str) -> None:
        if when == "before" and world.time.seconds < free_at:
            raise down()

    world.store.on_commit = on_commit


def move_address_away(world: World) -> None:
    """Somebody gives the address to a third instance."""
    world.aws.addresses[ADDRESS] = THIRD


def delete_group(world: World) -> None:
    """Somebody deletes the target group."""
    world.aws.delete_group(GROUP)


def attach_later(world: World) -> None:
    """Somebody attaches another volume to the instance, if it still runs."""
    if world.aws.instances[OLD].state == "running":
        later = FakeVolume(LATER_VOLUME, OLD, "/dev/sdz", "attached")
        world.aws.volumes[LATER_VOLUME] = later


def refuse_all(world: World) -> None:
    """The account's owner takes all rights away, and gives them back when a person asks."""
    world.aws.denies_all = True


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens while a call is made.

    Args:
        effect: what.
        may_breach: it may leave no healthy instance for a while.
        in_place: it can happen to an instance whose type is changed in place.
        heals: see `Cell`.
    """

    effect: Callable[[World], None]
    may_breach: bool = False
    in_place: bool = True
    heals: bool = False


HAPPENINGS: dict[str, Happening] = {
    "the clock jumps 400 days ahead": Happening(jump(400)),
    "the clock jumps 400 days back": Happening(jump(-400)),
    "the clock jumps an hour ahead": Happening(jump(1 / 24)),
    "the clock jumps an hour back": Happening(jump(-1 / 24)),
    "AWS takes the instance": Happening(take_old, may_breach=True, in_place=False),
    "AWS takes the replacement": Happening(take_new, may_breach=True, in_place=False),
    "AWS takes both": Happening(take_both, may_breach=True, in_place=False),
    "AWS refuses every call": Happening(refuse_all, heals=True),
    "the database is locked": Happening(lock_database),
    "a user asks to roll back": Happening(ask_rollback),
    "a user asks to pause": Happening(ask_pause),
    "a user stops all switches": Happening(stop_all),
    "the address is moved away": Happening(move_address_away, in_place=False),
    "the target group is deleted": Happening(delete_group, in_place=False),
    "a volume is attached": Happening(attach_later),
}


def cells(strategy: Strategy) -> Iterator[Cell]:
    """All cells of a strategy."""
    calm = World(strategy)
    calm.recover()
    assert calm.switch.state is SwitchState.DONE, calm.told()
    calls, commits = list(calm.aws.calls), calm.store.commits
    in_place = strategy is Strategy.STOP_START
    yield Cell("calm", strategy, lambda _world: None)
    yield Cell("everything appears late", strategy, lambda _world: None, LATE_S)
    for number, name in enumerate(calls):
        where = f"call {number} {name}"
        for when in ("before", "after"):
            yield Cell(f"killed {when} {where}", strategy, crash_at_call(number, when))
            late = crash_at_call(number, when)
            if name not in READS:
                yield Cell(f"killed {when} {where}, late", strategy, late, LATE_S)
        for fault in (*FAULTS, "not_yet"):
            if name in READS and fault in ("capacity", "not_yet", "timeout_after"):
                continue
            yield Cell(f"{fault} at {where}", strategy, failing_call(number, fault))
            if name not in READS:
                three = failing_call(number, fault, 3)
                yield Cell(f"{fault} three times from {where}", strategy, three)
                if fault in ("timeout_after", "malformed"):
                    late = failing_call(number, fault)
                    yield Cell(f"{fault} at {where}, late", strategy, late, LATE_S)
        for text, each in HAPPENINGS.items():
            if in_place and not each.in_place:
                continue
            disturb = at_call(number, each.effect)
            yield Cell(
                f"{text} at {where}",
                strategy,
                disturb,
                may_breach=each.may_breach,
                heals=each.heals,
            )
    changes = [name for name in calls if name not in READS]
    for number, name in enumerate(changes):
        where = f"change {number} {name}"
        frozen = taken_over(number, sends_late=False)
        yield Cell(f"another driver takes over before {where}", strategy, frozen)
        if name not in ("stop", "start"):
            late = taken_over(number, sends_late=True)
            yield Cell(f"taken over, then sends {where}", strategy, late, sweep=True)
    for name in dict.fromkeys(changes):
        for fault in ("denied", "throttled", "timeout_before", "timeout_after", "malformed"):
            always = always_failing(name, fault)
            yield Cell(f"{fault} at every {name}", strategy, always, heals=True)
    for number in range(commits):
        for when in ("before", "after"):
            yield Cell(f"killed {when} commit {number}", strategy, crash_at_commit(number, when))
            yield Cell(f"commit {number} fails {when}", strategy, failing_commit(number, when))


def main() -> int:
    """Play the cells and report. Returns 1 if one is lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="play every Nth cell")
    parser.add_argument("--emulated", action="store_true", help="also on the emulated AWS")
    parser.add_argument("--strategy", choices=[each.value for each in Strategy])
    options = parser.parse_args()
    began, played, lost = time.monotonic(), 0, 0
    for strategy in Strategy:
        if options.strategy not in (None, strategy.value):
            continue
        for cell in list(cells(strategy))[:: options.every]:
            played += 1
            try:
                found = run(cell)
            except Exception as exc:
                found = [f"{type(exc).__name__}: {exc}"]
            if found:
                lost += 1
                print(f"lost: {strategy.value}: {cell.name}: {'; '.join(found)[:400]}")
    if options.emulated:
        for name, found in play(options.every):
            played += 1
            if found:
                lost += 1
                print(f"lost: {name}: {'; '.join(found)[:400]}", flush=True)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"cells: {played} survived: {played - lost} lost: {lost}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
