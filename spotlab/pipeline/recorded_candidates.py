"""The candidates that belong to a decision, and the digest of their numbers.

They are not stored with the decision: they follow from the market of its run. The digest is stored,
so that whoever derives them can tell whether they are the same.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.decision import Candidate, DropReason, RunReference, Verdict
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
_NUMBERS: Final = (
    "spot_price_usd_per_hour",
    "on_demand_price_usd_per_hour",
    "hazard_per_hour",
    "interruption_usd",
    "risk",
    "performance",
    "expected_cost_usd_per_hour",
)


def recorded_candidates(ranking: Ranking, verdict: Verdict | None) -> tuple[Candidate, ...]:
    """Every candidate, every pool that the policy filtered out, and always the current pool."""
    return tuple(ranking.take(recorded_rows(ranking, verdict)))


def recorded_rows(ranking: Ranking, verdict: Verdict | None) -> list[int]:
    """Positions in `Ranking.table` of the candidates that belong to a decision."""
    table = ranking.table
    is_recorded = (table["rank"] > 0) | table["dropped"].isin(POLICY_DROPS)
    rows: list[int] = np.flatnonzero(is_recorded.to_numpy()).tolist()
    current = verdict.current if verdict is not None else None
    if current is not None:
        row = ranking.position_of(current.pool)
        if row is not None and row not in rows:
            rows.append(row)
    return rows


def reference_to(run_id: int, ranking: Ranking | None, verdict: Verdict | None) -> RunReference:
    """What a decision stores instead of its candidates.

    Args:
        run_id: of the recorded run.
        ranking: the ranking that the decision was made from; None if it failed.
        verdict: the decision, or None.
    """
    if ranking is None:
        return RunReference(run_id, 0, "")
    rows = recorded_rows(ranking, verdict)
    return RunReference(run_id, len(rows), _digest(ranking.table.iloc[rows]))


def _digest(table: pd.DataFrame) -> str:
    """Hash of the candidates' pools, numbers and order, bit for bit: 32 hexadecimal digits."""
    content = hashlib.sha256()
    for name in ("row", "rank"):
        content.update(table[name].to_numpy(dtype=np.int64).tobytes())
    for name in _NUMBERS:
        if name in table:
            content.update(table[name].to_numpy(dtype=np.float64).tobytes())
    reasons = [each.name if isinstance(each, DropReason) else "" for each in table["dropped"]]
    content.update("\n".join(reasons).encode())
    return content.hexdigest()[:32]
