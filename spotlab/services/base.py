"""What every part of the desk has: the lab, who asks, and how they sign."""

from __future__ import annotations

from dataclasses import dataclass

from spotlab.domain.access import Principal, Reach, Right
from spotlab.domain.ports import By
from spotlab.errors import InvalidInput
from spotlab.runtime.lab import Lab
from spotlab.telemetry.text import hides_something, visible

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class DeskPart:
    """One part of the desk.

    Args:
        lab: everything there is.
        who: asks.
    """

    lab: Lab
    who: Principal

    def require(self, right: Right, account: str | None = None) -> None:
        """See `Principal.require`. Raises Forbidden."""
        self.who.require(right, account)

    def sees_all(self) -> bool:
        """Whether every account's instances are shown to them."""
        return self.who.accounts is None

    def require_all_of(self, reach: Reach) -> None:
        """See `Principal.require_all_of`. Raises Forbidden."""
        self.who.require_all_of(reach)

    def by(self, reason: str = "") -> By:
        """The signature under a change made now. Raises InvalidInput: no reason is like that."""
        if len(reason) > LONGEST_REASON or hides_something(reason):
            raise InvalidInput(
                f"A reason has up to {LONGEST_REASON} characters in one line, each of which is "
                f"seen, not {visible(reason[:40])!r}.",
                remedy="Write it anew, in plain words.",
                field="reason",
            )
        return By(self.who.name, self.lab.clock.now(), reason, self.who.via)
