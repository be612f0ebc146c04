"""Evidence about pools as points in time: what was seen, when, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spotlab.domain.market import Pool


class EvidenceKind(StrEnum):
    """What a point says about its pool. Values are stored in files."""

    PLACEMENT = "placement_score"
    """1 to 10."""
    PRICE = "price"
    """USD per hour, at each change."""
    PRICE_JUMP = "price_jump"
    """ln of the price after a change by that before it."""
    ZONE_SPREAD = "zone_spread"
    """ln of the highest by the lowest price of the type's zones in its region, at each change."""
    ADVISOR_MOVE = "advisor_move"
    """The advisor's bucket minus that of the snapshot before."""
    LAUNCHED = "launch_succeeded"
    REFUSED = "launch_refused"
    PROBE_LAUNCHED = "probe_launched"
    PROBE_REFUSED = "probe_refused"
    INTERRUPTION = "interruption"
    REBALANCE = "rebalance"
    """The last six have the value 1."""


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """One observation.

    Args:
        pool: a pool; without a zone, it is the region's.
        at: when it was so, aware UTC.
        kind: what was observed.
        value: see the kind.
        source: name of the source, for a person.
        recorded_at: when SpotLab knew it, aware UTC; never before `at`. What a forecast for a time
            may use was recorded before it.
    """

    pool: Pool
    at: datetime
    kind: EvidenceKind
    value: float
    source: str
    recorded_at: datetime
