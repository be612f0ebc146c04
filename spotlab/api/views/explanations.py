"""Explanations of risks and of decisions."""

from __future__ import annotations

import math
from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import Number, PoolView, View, field
from spotlab.api.views.experiments import MarginView, RunnerUpView
from spotlab.domain.decision import Decision
from spotlab.domain.decision_explanation import DecisionExplanation
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


class FlipView(View):
    """The smallest change of one value that gives another decision."""

    parameter: str = field("What changes.", "price.current")
    label: str = field("For a person.", "spot price of m6i.xlarge in us-east-1b")
    unit: str | None = field("Unit of the values.", "USD/h")
    before: float | str | None = Field(
        serialization_alias="from", description="Value that decided.", examples=[0.0732]
    )
    after: float | str | None = Field(
        serialization_alias="to",
        description="Nearest value with another decision; null: none from low to high.",
        examples=[0.0534],
    )
    decision: Decision | None = field("Decision with that value.", "STAY")
    pool: str | None = field("Pool chosen with that value.", None)
    low: float | None = field("Lowest value that was searched.", 0.0)
    high: float | None = field("Highest value that was searched.", 1.0)


class DecisionExplanationView(View):
    """Why a decision was made, and what would change it."""

    experiment_id: int = field("Number of the decision.", 42)
    instance_id: str = field("Instance.", "i-0000000000000001a")
    decided_at: datetime = field("When it was decided.", "2026-11-03T09:30:00Z")
    decision: Decision = field("STAY, SWITCH or FALLBACK_ONDEMAND.", "SWITCH")
    policy: str = field("Policy, as name@version.", "default@1")
    workload: str = field("Workload, as name@version.", "queue-worker@1")
    model: str = field("Model, as name@version.", "advisor-lgbm@1.2.0")
    margin: MarginView | None = Field(description="Margin of the move.")
    runner_up: RunnerUpView | None = Field(description="The best option that was not taken.")
    flips: list[FlipView] = Field(description="Smallest relative change first.")
    words: list[str] = Field(description="The explanation in sentences.")


def decision_explanation_view(explanation: DecisionExplanation) -> DecisionExplanationView:
    """The response for an explained decision."""
    experiment = explanation.experiment
    verdict = experiment.verdict
    assert verdict is not None, "an explained decision has a verdict"
    return DecisionExplanationView(
        experiment_id=experiment.experiment_id,
        instance_id=experiment.instance.instance_id,
        decided_at=experiment.created_at,
        decision=verdict.decision,
        policy=experiment.policy_version,
        workload=experiment.workload.workload.reference,
        model=experiment.model,
        margin=MarginView.model_validate(verdict.margin) if verdict.margin else None,
        runner_up=RunnerUpView.model_validate(verdict.runner_up) if verdict.runner_up else None,
        flips=[
            FlipView(
                parameter=flip.parameter,
                label=flip.label,
                unit=flip.unit or None,
                before=flip.before,
                after=flip.after,
                decision=flip.decision,
                pool=flip.pool.key if flip.pool else None,
                low=flip.low,
                high=flip.high,
            )
            for flip in explanation.flips
        ],
        words=list(explanation.words),
    )
