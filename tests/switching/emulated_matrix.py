"""Cells of the fault matrix on the emulated AWS: real calls over HTTP that fail as AWS's do."""

from __future__ import annotations

from collections.abc import Iterator

from spotlab.demo.delays import REALISTIC
from spotlab.demo.server import RunningServer, serve_in_thread
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import SwitchState
from tests.switching.emulated_switch import EmulatedSwitch, Holdings, Seconds

CHANGES = (
    "CreateImage", "RunInstances", "CreateTags", "RegisterTargets", "DeregisterTargets",
    "DetachVolume", "AttachVolume", "AssociateAddress", "CancelSpotInstanceRequests",
    "TerminateInstances", "DeregisterImage", "DeleteSnapshot", "DeleteTags",
)  # fmt: skip
KINDS = ("throttled", "timeout_before", "timeout_after", "malformed", "denied")
FURTHER = (
    ("RunInstances", "capacity"),
    ("RunInstances", "not_yet"),
    ("CreateImage", "not_yet"),
)
COUNTS = (1, 3)


def cells() -> Iterator[tuple[str, str, int]]:
    """Operation, kind of fault and how many calls fail."""
    for operation, kind in (*((each, kind) for each in CHANGES for kind in KINDS), *FURTHER):
        for count in COUNTS:
            yield operation, kind, count


def run_cell(
    served: RunningServer, seconds: Seconds, operation: str, kind: str, count: int
) -> list[str]:
    """Play a cell; what does not hold afterwards."""
    name = f"m{len(seconds.played)}"
    seconds.played.append(name)
    holdings = Holdings(served, seconds, name)
    switch = EmulatedSwitch(served, seconds, holdings.instance_id, Strategy.FROM_IMAGE)
    # EC2 checks rights in the preflight too, whose dry runs must not use the fault up.
    switch.preflight_first()
    details = {"calls": 5} if kind == "not_yet" else {}
    served.world.faults.add(kind, operation, count=count, **details)
    try:
        ended = switch.drive()
    finally:
        served.world.faults.clear()
    if ended.state is SwitchState.NEEDS_ATTENTION:
        return [f"needs attention: {ended.situation}"]
    return holdings.problems(ended)


def play(every: int = 1) -> Iterator[tuple[str, list[str]]]:
    """Play every Nth cell in an emulated AWS of its own: name, and what does not hold."""
    seconds = Seconds()
    with serve_in_thread(7, clock=seconds.world(), delays=REALISTIC) as served:
        for operation, kind, count in list(cells())[::every]:
            name = f"emulated: {kind} at {operation}, {count} times"
            yield name, run_cell(served, seconds, operation, kind, count)
