"""Why a pool is risky."""

from __future__ import annotations

import math

from pydantic import Field

from spotlab.api.views.base import Number, PoolView, View, field
from spotlab.inference.explain import Explanation


class ContributionView(View):
    """What one feature does to a pool's score."""

    feature: str = field("Its name.", "advisor_bucket")
    value: Number = field("Its value; null where unknown.", 1.0)
    unit: str = field("Unit of the value.", "bucket")
    log_odds: float = field("Above 0 raises the risk.", 0.41, "log-odds")


class ExplanationView(View):
    """A pool's risk, taken apart. Contributions add up in log-odds, and only there."""

    pool: PoolView
    model: str = field("name@version.", "advisor-lgbm@1.2.0")
    unit: str = field("Unit of base, contributions and raw score.", "log-odds")
    base: float = field("Before any feature is counted.", -2.3, "log-odds")
    contributions: list[ContributionView] = Field(description="Largest effect first.")
    raw_score: float = field("What they add up to.", -1.9, "log-odds")
    additivity_error: float = field(
        "How far base and contributions miss the raw score.", 0.0, "log-odds"
    )
    monthly_rate: float = field("P(interrupted within a month).", 0.08, "share")
    risk: float = field("P(interrupted within horizon_h).", 0.0027, "share")
    horizon_h: float = field("Horizon of the risk.", 24.0, "h")
    of: str = field("now, or experiment N.", "now")


def explanation_view(found: Explanation, of: str) -> ExplanationView:
    """An explanation as it is answered, with how far its parts miss the whole."""
    total = found.base + math.fsum(part.log_odds for part in found.contributions)
    return ExplanationView(
        pool=PoolView.model_validate(found.pool),
        model=found.model,
        unit="log-odds",
        base=found.base,
        contributions=[ContributionView.model_validate(part) for part in found.contributions],
        raw_score=found.raw_score,
        additivity_error=abs(total - found.raw_score),
        monthly_rate=found.monthly_rate,
        risk=found.risk.value,
        horizon_h=found.risk.horizon_h,
        of=of,
    )
