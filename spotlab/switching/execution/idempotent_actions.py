"""Actions in AWS: each is looked for first, journalled before and after, and repeated with care."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from spotlab.domain.switches import Phase
from spotlab.errors import (
    AccessDenied,
    AwsError,
    AwsUnreachable,
    ClockSkewed,
    NoSuchThing,
    Throttled,
)
from spotlab.switching.execution.signals import Impossible, Wait
from spotlab.switching.execution.switch_record import SwitchRecord

GIVE_UP_AFTER: Final = 4
"""Consecutive refusals of an action, such as AccessDenied, after which it is given up: a right that
was just granted takes a moment to be seen everywhere."""
_TRANSIENT: Final = (Throttled, AwsUnreachable, ClockSkewed)
_NOT_NOW: Final = frozenset(
    {
        "DependencyViolation",
        "IncorrectInstanceState",
        "IncorrectState",
        "InvalidInstanceID",
        "InvalidSnapshot.InUse",
        "InvalidTarget",
        "ResourceInUse",
        "VolumeInUse",
    }
)
"""Codes of a resource that is not in the right state yet."""


def may_have_happened(exc: AwsError) -> bool:
    """Whether AWS may have carried out a call that failed: the answer was lost."""
    return isinstance(exc, AwsUnreachable)


def transient(exc: AwsError) -> bool:
    """Whether the same call may succeed later without anybody doing anything."""
    return isinstance(exc, _TRANSIENT) or exc.code in _NOT_NOW


def ensure(
    record: SwitchRecord,
    action: str,
    done: Callable[[], bool],
    do: Callable[[], object],
    *,
    detail: Mapping[str, Any] | None = None,
    phase: Phase = Phase.AFTER,
    missing_may_be_done: bool = False,
) -> None:
    """Make sure that an effect is there: look first, then do it, then look again.

    Args:
        record: of the switch.
        action: for the journal, such as "terminate i-…".
        done: whether the effect is there; raises Wait while it is under way.
        do: the call.
        detail: for the journal.
        phase: of the entry that says that it succeeded.
        missing_may_be_done: "not found" may mean that nothing is left to do, or that EC2 does not
            find it yet: the next look tells.
    Raises:
        Wait: look again later.
        Impossible: it was refused too often.
        Fenced: another driver is at work.
    """
    if done():
        return
    record.save(record.entry(action, Phase.BEFORE, detail))
    record.require_lease()
    try:
        do()
    except AwsError as exc:
        if missing_may_be_done and isinstance(exc, NoSuchThing):
            record.save(record.entry(action, Phase.FAILED, {"code": exc.code}))
            raise Wait(f"{action}: not found; looking again", failed=True) from exc
        raise failed(record, action, exc) from exc
    record.save(record.entry(action, phase, detail), progress=_without_failures(record, action))
    if not done():
        raise Wait(f"{action}: AWS is working on it")


def failed(record: SwitchRecord, action: str, exc: AwsError) -> Wait | Impossible:
    """Journal a failed call; the signal says whether it is tried again.

    Args:
        record: of the switch.
        action: that failed.
        exc: how.
    """
    failures = dict(record.progress.failures)
    if not transient(exc):
        failures[action] = failures.get(action, 0) + 1
    entry = record.entry(action, Phase.FAILED, {"code": exc.code, "error": exc.message})
    record.save(entry, progress=replace(record.progress, failures=failures))
    if failures.get(action, 0) >= GIVE_UP_AFTER:
        return Impossible(f"{action}: {exc.message}", remedy=exc.remedy)
    why = f"{action} failed ({exc.code or type(exc).__name__}) and is tried again"
    return Wait(why, failed=True)


def failed_look(record: SwitchRecord, exc: AwsError) -> Wait | Impossible:
    """The signal of a read that failed."""
    name = "look"
    if isinstance(exc, AccessDenied):
        name = "look (denied)"
    return failed(record, name, exc)


def _without_failures(record: SwitchRecord, action: str) -> Any:
    failures = {name: count for name, count in record.progress.failures.items() if name != action}
    return replace(record.progress, failures=failures)
