"""The price of safety: the cheapest of some candidates, the safest for a little more, a compromise.

The compromise has the lowest product of price and hazard: compared with it, every safer pool is
dearer by a larger factor, and every cheaper one is riskier by a larger factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_HAZARD: Final = 1e-12
"""A hazard of 0 counts as this one where it is divided by."""


class Role(StrEnum):
    """What a pick is the best at."""

    CHEAPEST = "cheapest"
    SAFEST = "safest"
    COMPROMISE = "best compromise"


@dataclass(frozen=True, slots=True)
class Pick:
    """A candidate that is the best at something.

    Args:
        role: at what.
        position: of its row in the table of candidates.
        more: its price compared with the cheapest, as a share: 0.03 is 3 % more.
        times_safer: the cheapest's hazard divided by its own; 1 for the cheapest.
        pays_off_from_usd: the cost of one interruption above which its expected cost is below the
            cheapest's; None: it is the cheapest, or no safer.
    """

    role: Role
    position: int
    more: float
    times_safer: float
    pays_off_from_usd: float | None


@dataclass(frozen=True, slots=True)
class PriceOfSafety:
    """Three picks, which may be the same pool.

    Args:
        cheapest: the lowest spot price.
        safest: the lowest risk for at most a share more than the cheapest.
        compromise: the lowest product of price and hazard.
        frontier: positions of the pools that no other beats on both risk and price, safest first.
    """

    cheapest: Pick
    safest: Pick
    compromise: Pick
    frontier: tuple[int, ...]

    @property
    def picks(self) -> tuple[Pick, ...]:
        """Cheapest, safest, compromise."""
        return self.cheapest, self.safest, self.compromise


def pareto(risk: Floats, usd_per_hour: Floats) -> NDArray[np.intp]:
    """Positions that no other beats on both risk and price, in order of risk.

    >>> pareto(np.array([0.1, 0.2, 0.3]), np.array([3.0, 1.0, 2.0])).tolist()
    [0, 1]
    """
    order = np.lexsort((usd_per_hour, risk))
    cheapest_before = np.minimum.accumulate(
        np.concatenate(([np.inf], usd_per_hour[order][:-1])) if len(order) else np.zeros(0)
    )
    return np.asarray(order[usd_per_hour[order] < cheapest_before], dtype=np.intp)


def price_of_safety(
    candidates: pd.DataFrame, more: float, below_usd_per_hour: float | None = None
) -> PriceOfSafety | None:
    """The three picks of some candidates; None without candidates.

    Args:
        candidates: Ranking.candidates.
        more: what safety may cost, as a share of the cheapest price: 0.25 is 25 % more.
        below_usd_per_hour: the on-demand price that a spot pool has to beat: pools whose expected
            cost is not below it are left out; None, or if that leaves none: all count.
    """
    if not len(candidates):
        return None
    cost = candidates["expected_cost_usd_per_hour"].to_numpy(np.float64)
    eligible = np.arange(len(candidates))
    if below_usd_per_hour is not None and (cost < below_usd_per_hour).any():
        eligible = np.flatnonzero(cost < below_usd_per_hour)
    hazard = candidates["hazard_per_hour"].to_numpy(np.float64)
    usd_per_hour = candidates["spot_price_usd_per_hour"].to_numpy(np.float64)
    frontier = eligible[pareto(hazard[eligible], usd_per_hour[eligible])]
    cheapest = int(frontier[-1])
    affordable = usd_per_hour[frontier] <= usd_per_hour[cheapest] * (1.0 + more)
    safest = int(frontier[np.flatnonzero(affordable)[0]])
    compromise = int(frontier[np.argmin(usd_per_hour[frontier] * hazard[frontier])])

    def pick(role: Role, position: int) -> Pick:
        dearer = usd_per_hour[position] - usd_per_hour[cheapest]
        safer = hazard[cheapest] - hazard[position]
        return Pick(
            role,
            position,
            float(dearer / usd_per_hour[cheapest]),
            float(hazard[cheapest] / max(hazard[position], LEAST_HAZARD)) if safer else 1.0,
            float(dearer / safer) if safer > 0 else None,
        )

    return PriceOfSafety(
        pick(Role.CHEAPEST, cheapest),
        pick(Role.SAFEST, safest),
        pick(Role.COMPROMISE, compromise),
        tuple(int(position) for position in frontier),
    )
