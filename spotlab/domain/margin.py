"""The margin of a decision: what a move is worth, split into its parts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class MarginRule(StrEnum):
    """Which rule decided; the value is what a person reads."""

    COST = "expected cost"
    MINIMUM_SAVING = "minimum saving"
    COOLDOWN = "cooldown after a switch"
    RISK_CEILING = "risk ceiling"
    NOTICE = "interruption notice"
    PRICE_OF_SAFETY = "price of safety"
    NO_ALTERNATIVE = "no alternative"
    UNKNOWN = "unknown price or risk"


FORCED: Final = frozenset({MarginRule.RISK_CEILING, MarginRule.NOTICE})
"""Rules by which an instance leaves its pool without a saving."""


@dataclass(frozen=True, slots=True)
class Margin:
    """Expected cost of staying minus that of a move, USD per hour of the instance's work.

    A part above 0 speaks for the move. `total` is exactly their sum. The move is made when the
    total is at least 0, unless `rule` says otherwise: a cooldown forbids moves, a pool over
    the risk ceiling is left for a dearer one if that is not too much for what it avoids, and a pool
    on which EC2 is about to interrupt the instance is left at any price.

    Args:
        price: spot or on-demand price here minus there.
        performance: what the other hardware's speed is worth: 0 where it is equal or unknown.
        interruption: expected cost of interruptions here minus there.
        moving: cost of the move itself, spread over the expected stay; at most 0.
        guards: the minimum saving that the policy demands of the move; at most 0.
        rule: which rule decided.
    """

    price: float
    performance: float
    interruption: float
    moving: float
    guards: float
    rule: MarginRule

    @property
    def saving(self) -> float:
        """Before the minimum saving is taken off."""
        return self.price + self.performance + self.interruption + self.moving

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return self.saving + self.guards

    def as_dict(self) -> dict[str, float]:
        """The parts and their total, USD per hour."""
        return {
            "price": self.price,
            "performance": self.performance,
            "interruption": self.interruption,
            "moving": self.moving,
            "guards": self.guards,
            "total": self.total,
        }
