"""Explanations of a risk."""

from __future__ import annotations

import math

from pydantic import Field

from spotlab.api.views.base import Number, PoolView, View, field
from spotlab.inference.explain import Explanation


class ContributionView(View):
    """Contribution of one feature to a pool's score."""

    feature: str = field("Name of the feature.", "advisor_bucket")
    value: Number = field("Value of the feature; null if unknown.", 1.0)
    unit: str = field("Unit of the value.", "bucket")
    log_odds: float = field("SHAP value; a value above 0 raises the risk.", 0.41, "log-odds")


class ExplanationView(View):
    """Explanation of a pool's risk. Contributions add up in log-odds only."""

    pool: PoolView
    model: str = field("Model, as name@version.", "advisor-lgbm@1.2.0")
    unit: str = field("Unit of base, contributions and raw score.", "log-odds")
    base: float = field("Base value, before any contribution.", -2.3, "log-odds")
    contributions: list[ContributionView] = Field(description="Largest effect first.")
    raw_score: float = field("Score of the model, before calibration.", -1.9, "log-odds")
    additivity_error: float = field(
        "Difference between base plus contributions and the raw score.", 0.0, "log-odds"
    )
    monthly_rate: float = field("P(interrupted within a month).", 0.08, "share")
    risk: float = field("P(interrupted within horizon_h).", 0.0027, "share")
    horizon_h: float = field("Horizon of the risk.", 24.0, "h")
    of: str = field("Time of the inputs: now, or experiment N.", "now")


def explanation_view(explanation: Explanation, of: str) -> ExplanationView:
    """The response for an explanation, with its additivity error."""
    total = explanation.base + math.fsum(
        contribution.log_odds for contribution in explanation.contributions
    )
    return ExplanationView(
        pool=PoolView.model_validate(explanation.pool),
        model=explanation.model,
        unit="log-odds",
        base=explanation.base,
        contributions=[
            ContributionView.model_validate(contribution)
            for contribution in explanation.contributions
        ],
        raw_score=explanation.raw_score,
        additivity_error=abs(total - explanation.raw_score),
        monthly_rate=explanation.monthly_rate,
        risk=explanation.risk.value,
        horizon_h=explanation.risk.horizon_h,
        of=of,
    )
