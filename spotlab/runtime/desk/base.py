"""What every part of the desk has: the lab, who asks, and how they sign. Runtime floor."""

from __future__ import annotations

from dataclasses import dataclass

from spotlab.domain.access import Principal, Reach, Right
from spotlab.domain.ports import By
from spotlab.runtime.lab import Lab


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
        """The signature under a change made now."""
        return By(self.who.name, self.lab.clock.now(), reason, self.who.via)
