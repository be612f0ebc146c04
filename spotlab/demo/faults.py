"""Faults that a test injects into the emulated AWS: which calls fail, and how.

Source: "Error codes for the Amazon EC2 API" (codes and statuses); "Eventual consistency in the
Amazon EC2 API" (new ids that are not found).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import count
from random import Random
from threading import RLock
from typing import Any, Final

from spotlab.errors import InvalidInput


class FaultKind(StrEnum):
    """How a call fails."""

    THROTTLED = "throttled"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    CAPACITY = "capacity"
    DENIED = "denied"
    MALFORMED = "malformed"
    NOT_YET = "not_yet"
    PARTIAL = "partial"
    ERROR = "error"


BEFORE: Final = frozenset(
    {FaultKind.THROTTLED, FaultKind.TIMEOUT_BEFORE, FaultKind.DENIED, FaultKind.ERROR}
)
"""Kinds without any effect of the call."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one operation.

    Args:
        kind: how the call fails. `timeout_after`, `malformed` and `not_yet` take effect; `partial`
            takes effect for the first half of a batch.
        operation: such as "RunInstances"; may be a pattern such as "Describe*".
        count: how many calls fail; None: all.
        skip: how many matching calls succeed before.
        probability: share of the remaining calls that fail, 0..1.
        pool: for `capacity`: pattern of "zone/instance type".
        code, status, message: for `error`: AWS's error code, HTTP status and message.
        calls, seconds: for `not_yet`: for how many calls, or how long, new ids are not found.
    """

    kind: FaultKind
    operation: str = "*"
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    pool: str = "*"
    code: str = "InternalError"
    status: int = 500
    message: str = "An internal error has occurred."
    calls: int = 0
    seconds: float = 0.0

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Fault:
        """A fault from its JSON document.

        Raises:
            InvalidInput: a field is unknown or has a wrong type.
        """
        try:
            fault = cls(**{**document, "kind": FaultKind(document["kind"])})
            if not 0.0 <= fault.probability <= 1.0 or fault.count == 0:
                raise ValueError("the probability must be from 0 to 1, and the count above 0")
            return fault
        except (TypeError, KeyError, ValueError) as exc:
            kinds = ", ".join(FaultKind)
            raise InvalidInput(
                f"The fault {dict(document)!r} is not valid: {exc}.",
                remedy=f"Give kind ({kinds}), operation, and optionally count, skip, probability, "
                "pool, code, status, message, calls, seconds.",
            ) from exc


@dataclass(slots=True)
class _Planned:
    number: int
    fault: Fault
    skip: int
    left: int | None


@dataclass(slots=True)
class _Unseen:
    calls: int
    until_s: float


class Faults:
    """The faults that are planned, and the new ids that are not visible yet.

    Args:
        elapsed_s: a monotonic clock, seconds.
        seed: of the probabilities, so that a run can be repeated.
    """

    def __init__(self, elapsed_s: Callable[[], float], seed: int = 0) -> None:
        self._elapsed_s = elapsed_s
        self._random = Random(seed)  # noqa: S311  (no secret)
        self._lock = RLock()
        self._numbers = count(1)
        self._planned: list[_Planned] = []
        self._unseen: dict[str, _Unseen] = {}

    def add(self, kind: FaultKind | str, operation: str = "*", **details: Any) -> int:
        """Plan a fault; see `Fault` for the details. Returns its number."""
        return self.plan(Fault.read({"kind": kind, "operation": operation, **details}))

    def plan(self, fault: Fault) -> int:
        """Plan a fault. Returns its number."""
        with self._lock:
            planned = _Planned(next(self._numbers), fault, fault.skip, fault.count)
            self._planned.append(planned)
            return planned.number

    def clear(self) -> None:
        """Remove all faults; new ids become visible."""
        with self._lock:
            self._planned.clear()
            self._unseen.clear()

    def planned(self) -> list[Fault]:
        """The faults that can still happen, in the order in which they were added."""
        with self._lock:
            return [each.fault for each in self._planned]

    def take(self, operation: str) -> list[Fault]:
        """The faults of a call, except lack of capacity; each counts as used.

        At most one fault decides how a call fails; `not_yet` may be added to it.
        """
        with self._lock:
            found: list[Fault] = []
            for planned in list(self._planned):
                fault = planned.fault
                decided = any(each.kind is not FaultKind.NOT_YET for each in found)
                if (
                    fault.kind is FaultKind.CAPACITY
                    or (decided and fault.kind is not FaultKind.NOT_YET)
                    or not fnmatchcase(operation, fault.operation)
                ):
                    continue
                if self._happens(planned):
                    found.append(fault)
            return found

    def lacks_capacity(self, operation: str, zone: str, instance_type: str) -> bool:
        """Whether a launch into a pool fails for lack of capacity; counts as used."""
        with self._lock:
            return any(
                self._happens(each)
                for each in list(self._planned)
                if each.fault.kind is FaultKind.CAPACITY
                and fnmatchcase(operation, each.fault.operation)
                and fnmatchcase(f"{zone}/{instance_type}", each.fault.pool)
            )

    def hide(self, ids: Iterable[str], fault: Fault) -> None:
        """Let new ids be invisible for some calls, or some time, or both."""
        with self._lock:
            for each in ids:
                until_s = self._elapsed_s() + fault.seconds
                self._unseen[each] = _Unseen(fault.calls, until_s)

    def hidden(self, ids: Iterable[str]) -> list[str]:
        """Those of the ids that this call does not find; counts as one call."""
        with self._lock:
            found = []
            for each in ids:
                unseen = self._unseen.get(each)
                if unseen is None:
                    continue
                if unseen.calls > 0:
                    unseen.calls -= 1
                    found.append(each)
                elif self._elapsed_s() < unseen.until_s:
                    found.append(each)
                else:
                    del self._unseen[each]
            return found

    def _happens(self, planned: _Planned) -> bool:
        if planned.skip > 0:
            planned.skip -= 1
            return False
        probability = planned.fault.probability
        if probability < 1.0 and self._random.random() >= probability:
            return False
        if planned.left is not None:
            planned.left -= 1
            if planned.left <= 0:
                self._planned.remove(planned)
        return True


@dataclass(slots=True)
class Denials:
    """Actions that are denied, although the role would allow them.

    Args:
        actions: IAM actions such as "ec2:RunInstances", patterns such as "ec2:*", and
            "ec2:CreateTags/spot-instances-request" for tags of one type of resource; a prefix such
            as "111122223333:" limits one to an account.
    """

    actions: set[str] = field(default_factory=set)

    def denies(self, account_id: str, action: str) -> bool:
        """Whether an action is denied in an account."""
        return any(
            fnmatchcase(name, pattern)
            for pattern in tuple(self.actions)
            for name in (action, f"{account_id}:{action}")
        )
