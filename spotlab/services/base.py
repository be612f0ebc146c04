"""Base class of the services: the lab, the user, and the signature of changes."""

from __future__ import annotations

from dataclasses import dataclass

from spotlab.domain.access import Principal, Reach, Right
from spotlab.domain.ports import By
from spotlab.errors import InvalidInput
from spotlab.runtime.lab import Lab
from spotlab.telemetry.invisible_characters import hides_something, visible

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Service:
    """A service for one user.

    Args:
        lab: the lab.
        who: the user.
    """

    lab: Lab
    principal: Principal

    def require(self, right: Right, account: str | None = None) -> None:
        """See `Principal.require`. Raises Forbidden."""
        self.principal.require(right, account)

    def sees_all(self) -> bool:
        """Whether the user sees the instances of every account."""
        return self.principal.accounts is None

    def require_all_of(self, reach: Reach) -> None:
        """See `Principal.require_all_of`. Raises Forbidden."""
        self.principal.require_all_of(reach)

    def by(self, reason: str = "") -> By:
        """The signature of a change made now. Raises InvalidInput: the reason is not valid."""
        if len(reason) > LONGEST_REASON or hides_something(reason):
            raise InvalidInput(
                f"A reason is one line of up to {LONGEST_REASON} visible characters, not "
                f"{visible(reason[:40])!r}.",
                remedy="Write it as plain text.",
                field="reason",
            )
        return By(self.principal.name, self.lab.clock.now(), reason, self.principal.via)
