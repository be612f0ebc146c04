"""How a step tells the engine what comes next: wait, try another candidate, give up, or stop."""

from __future__ import annotations


class StepSignal(Exception):
    """Base of the signals; `why` is one sentence for the journal."""

    def __init__(self, why: str, *, remedy: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


class Wait(StepSignal):
    """AWS has not finished; look again later.

    Args:
        why: one sentence.
        failed: a call failed, so that the next try waits longer.
    """

    def __init__(self, why: str, *, failed: bool = False) -> None:
        super().__init__(why)
        self.failed = failed


class NextAttempt(StepSignal):
    """The replacement is lost or not usable; launch the next candidate.

    Args:
        why: one sentence.
        code: AWS's reason, such as "Server.SpotInstanceTermination"; "".
    """

    def __init__(self, why: str, *, code: str = "") -> None:
        super().__init__(why)
        self.code = code


class Impossible(StepSignal):
    """Forward is impossible: roll back, or ask for attention where that is impossible too."""


class NeedsPerson(StepSignal):
    """Neither forward nor back without a person."""


class Paused(StepSignal):
    """A user asked to stop before a step that cannot be undone."""


class Held(StepSignal):
    """A guard holds the switch: the driver leaves, and a later one asks again."""
