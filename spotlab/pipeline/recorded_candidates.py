"""The candidates that belong to a decision, and the digest of their numbers.

They are not stored with the decision: they follow from the market of its run. The digest is stored,
so that whoever derives them can tell whether they are the same.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, DropReason, RunReference, Verdict
from spotlab.pipeline.filter import REASONS
from spotlab.pipeline.rank import Ranking

POLICY_DROPS: Final = frozenset(
    {
        DropReason.RISK_CEILING,
        DropReason.UNSAFE_RATE,
        DropReason.STALE_PRICE,
        DropReason.SIGNALLED,
        DropReason.SPREAD,
    }
)
"""Pools that meet the requirements but not the policy: they belong to the decision."""
_IS_RECORDED: Final = np.array([False, *(reason in POLICY_DROPS for reason in REASONS)])
_NAMES: Final = np.array(["", *(reason.name for reason in REASONS)], dtype=object)


def recorded_candidates(ranking: Ranking, verdict: Verdict | None) -> tuple[Candidate, ...]:
    """Every candidate, every pool that the policy filtered out, and always the current pool."""
    return tuple(ranking.take(recorded_positions(ranking, verdict).tolist()))


def recorded_positions(ranking: Ranking, verdict: Verdict | None) -> NDArray[np.intp]:
    """Positions in a ranking of the candidates that belong to a decision."""
    filtered = ranking.codes[np.flatnonzero(ranking.codes)]
    by_policy = ranking.count + np.flatnonzero(_IS_RECORDED[filtered])
    positions = np.concatenate([np.arange(ranking.count), by_policy])
    current = verdict.current if verdict is not None else None
    if current is not None:
        position = ranking.position_of(current.pool)
        if position is not None and position not in positions:
            positions = np.append(positions, position)
    return positions


def reference_to(run_id: int, ranking: Ranking | None, verdict: Verdict | None) -> RunReference:
    """What a decision stores instead of its candidates.

    Args:
        run_id: of the recorded run.
        ranking: the ranking that the decision was made from; None if it failed.
        verdict: the decision, or None.
    """
    if ranking is None:
        return RunReference(run_id, 0, "")
    positions = recorded_positions(ranking, verdict)
    return RunReference(run_id, len(positions), _digest(ranking, positions))


def _digest(ranking: Ranking, positions: NDArray[np.intp]) -> str:
    """Hash of the candidates' pools, numbers and order, bit for bit: 32 hexadecimal digits."""
    rows, pools = ranking.rows[positions], ranking.scored.pools
    numbers = ranking.numbers(rows)
    content = hashlib.sha256()
    for values in (
        np.asarray(rows, dtype=np.int64),
        np.asarray(ranking.ranks(positions), dtype=np.int64),
        pools.spot_price_usd_per_hour[rows],
        pools.on_demand_price_usd_per_hour[rows],
        numbers["hazard_per_hour"],
        numbers["interruption_usd"],
        numbers["risk"],
        numbers["performance"],
        numbers["expected_cost_usd_per_hour"],
    ):
        content.update(values.tobytes())
    content.update("\n".join(_NAMES[ranking.codes[rows]].tolist()).encode())
    return content.hexdigest()[:32]
