"""What is real here and what is not. Runtime floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.domain.market import MarketName

MARKET_LABELS: Final = {
    MarketName.SIMULATED: "Simulated market",
    MarketName.RECORDED: "Recorded feeds",
    MarketName.PUBLIC: "Public AWS feeds",
    MarketName.ACCOUNT: "AWS account",
}


@dataclass(frozen=True, slots=True)
class Mode:
    """What is real here.

    Args:
        aws: "emulated" or "account".
        market: the active market; None before the first collect.
        label: the market, for a person.
        simulated: its numbers come from the simulation.
        execution: "off": decisions are recorded, never carried out.
    """

    aws: str
    market: MarketName | None
    label: str
    simulated: bool
    execution: str = "off"
