"""The market that a switch was approved for, and whether it has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from spotlab.domain.decision import MOVES, Decision
from spotlab.domain.market import Pool

NO_DECISION: Final = "none"


@dataclass(frozen=True, slots=True)
class MarketView:
    """What the market says about a switch; also its fingerprint, as text.

    Args:
        decision: of the policy now; "": the switch was requested by hand; NO_DECISION: none can be
            made.
        pool: key of the pool that the policy chooses now; "": none.
        price_usd_per_hour: of the switch's target; None: unknown.
        saving_usd_per_hour: expected of the policy's choice; None: unknown.
    """

    decision: str = ""
    pool: str = ""
    price_usd_per_hour: float | None = None
    saving_usd_per_hour: float | None = None

    @property
    def fingerprint(self) -> str:
        """As text, for `Switch.fingerprint`."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, fingerprint: str) -> MarketView | None:
        """From text; None: it is none."""
        try:
            return msgspec.json.decode(fingerprint.encode(), type=cls)
        except msgspec.MsgspecError:
            return None

    @property
    def choice(self) -> str:
        """For a person: "SWITCH to m6a.large in us-east-1a"."""
        if self.pool and self.decision == Decision.SWITCH:
            return f"{self.decision} to {Pool.parse(self.pool).label}"
        return "no decision can be made" if self.decision == NO_DECISION else self.decision


def changes(
    before: MarketView, now: MarketView, max_price_change: float, min_saving_usd_per_hour: float
) -> tuple[str, ...]:
    """Why a switch has to be approved again; empty: it has not.

    Args:
        before: what it was approved for.
        now: the same now.
        max_price_change: share by which the target's price may change, up or down.
        min_saving_usd_per_hour: of the account's guards; 0: none.
    """
    found = []
    if (now.decision, now.pool) != (before.decision, before.pool):
        found.append(f"The decision was {before.choice}; now it is {now.choice}.")
    old, new = before.price_usd_per_hour, now.price_usd_per_hour
    if (old is None) != (new is None):
        found.append(f"The price of the target was {_usd(old)}; now it is {_usd(new)}.")
    elif old is not None and new is not None and abs(new - old) > max_price_change * old:
        found.append(
            f"The price of the target was {_usd(old)}; now it is {_usd(new)}, a change of "
            f"{100 * (new / old - 1) if old else 100:+.0f} %; the limit is "
            f"{100 * max_price_change:g} %."
        )
    saving, saved_before = now.saving_usd_per_hour, before.saving_usd_per_hour
    if (
        now.decision == Decision.SWITCH
        and before.decision in MOVES
        and min_saving_usd_per_hour > 0.0
        and (saved_before is None or saved_before >= min_saving_usd_per_hour)
        and (saving is None or saving < min_saving_usd_per_hour)
    ):
        found.append(
            f"The expected saving is {_usd(saving)}; the minimum is "
            f"{_usd(min_saving_usd_per_hour)}."
        )
    return tuple(found)


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f} USD/h"
