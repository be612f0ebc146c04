"""Experiments, candidates, outcomes and model performance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, PoolView, SourceView, View, field
from spotlab.api.views.evidence import CurvePointView, EvidenceView
from spotlab.domain.decision import Candidate, Decision, Experiment
from spotlab.domain.margin import MarginRule
from spotlab.domain.market import MarketName
from spotlab.domain.placement import PlacementScore, PlacementState
from spotlab.domain.risk_curve import risk_curve
from spotlab.domain.workload import AppliedWorkload, AssignmentScope, to_parameters
from spotlab.pipeline.cost_since import CostSince
from spotlab.runtime.replay import Replay


class SummaryView(View):
    """A decision without its candidates."""

    experiment_id: int = field("Number of the experiment.", 42)
    created_at: datetime = field("When the decision was made.", "2026-11-03T09:30:00Z")
    instance_id: str = field("Evaluated instance.", "i-0000000000000001a")
    account: str = field("Account of the instance.", "acme")
    market: MarketName = field("Market that the decision used.", "simulated")
    decision: Decision | None = field("The decision; null if the evaluation failed.", "STAY")
    reason: str = field("Reason for the decision.", "No pool saves enough.")
    model: str = field("Model that was used, as name@version.", "advisor-lgbm@1.2.0")
    current_pool: str = field(
        "Pool that the instance ran on.", "us-east-1:us-east-1a:m5.large:Linux"
    )
    chosen_pool: str | None = field("Pool to switch to; null if none.", None)
    risk: Number = field(
        "P(interrupted within horizon_h) on the current pool; null if on-demand.", 0.0021, "share"
    )
    chosen_risk: Number = field(
        "P(interrupted within horizon_h) on the chosen pool.", None, "share"
    )
    horizon_h: float = field("Horizon of the risks.", 24.0, "h")
    spot_price_usd_per_hour: Number = field(
        "Spot price of the current pool; null if on-demand.", 0.0412, "USD/h"
    )
    chosen_price_usd_per_hour: Number = field("Spot price of the chosen pool.", None, "USD/h")
    saving_usd_per_hour: Number = field(
        "Expected saving of the decision: 0 for a STAY, negative if it costs more.", 0.0, "USD/h"
    )
    alternative_saving_usd_per_hour: Number = field(
        "For a STAY: what the best alternative would save.", 0.0007, "USD/h"
    )
    candidates_evaluated: int = field("Number of scored pools.", 12, "count")
    duration_ms: float = field("Duration of the evaluation.", 41.7, "ms")
    shadow: bool = field("Whether shadow mode was on: recorded, but not executed.", True)
    degraded: list[str] = field("Reasons why the decision is degraded; empty if it is not.", [])
    error: str = field("Why the evaluation failed; empty if it did not.", "")
    policy_version: str = field("Policy that was used, as name@version.", "default@1")


class PlacementView(View):
    """AWS's placement score for a group of types."""

    state: PlacementState = field("scored, refused by quota, or unknown.", "scored")
    score: int | None = field("1 (least likely to be fulfilled) to 10; null unless scored.", 8)
    zone: str | None = field("Availability zone of the score.", "us-east-1a")
    instance_types: list[str] = field(
        "Types that were requested together; the score applies to all of them.",
        ["m5.large", "m6i.large"],
    )
    reason: str = field("Why there is no score; empty if there is one.", "")
    origin: SourceView | None = Field(
        description="Source of the score; null if it was never requested."
    )


class CandidateView(View):
    """A pool with its price, risk and expected cost."""

    pool: PoolView
    rank: int = field("1 is the lowest expected cost; 0 if not ranked.", 1, "rank")
    spot_price_usd_per_hour: Number = field("Newest spot price; null if unknown.", 0.0301, "USD/h")
    on_demand_price_usd_per_hour: Number = field(
        "On-demand price; null if unknown.", 0.077, "USD/h"
    )
    risk: Number = field("P(interrupted within horizon_h).", 0.0019, "share")
    horizon_h: float = field("Horizon of the risk.", 24.0, "h")
    hazard_per_hour: Number = field("Expected interruptions per hour.", 7.9e-5, "1/h")
    expected_cost_usd_per_hour: Number = field(
        "Price + hazard × cost of an interruption.", 0.0302, "USD/h"
    )
    dropped: str | None = field("Why the pool was filtered; null if it is a candidate.", None)
    reasons: list[str] = field("Explanations in sentences.", ["Spot price 0.0301 USD/h."])
    sources: list[SourceView] = Field(description="Sources of the values.")
    evidence: EvidenceView | None = Field(
        description="Evidence of own instances; null if there is none."
    )
    features: dict[str, float] | None = field(
        "Features by name, without unknown ones; null unless requested.", None
    )
    placement: PlacementView | None = Field(
        default=None, description="Placement score; always null in a recorded decision."
    )
    risk_curve: list[CurvePointView] | None = Field(
        default=None,
        description="Risk within 1 h, 6 h, 24 h and 30 d; null unless features were requested.",
    )


class MarginView(View):
    """What a move is worth compared with staying, in parts that add up to the total."""

    price: float = field("Price here minus there.", 0.0227, "USD/h")
    performance: float = field("Value of the other hardware's speed.", 0.0, "USD/h")
    interruption: float = field("Expected cost of interruptions here minus there.", 2e-5, "USD/h")
    moving: float = field("Cost of the move itself, at most 0.", -0.0003, "USD/h")
    guards: float = field("Minimum saving that the policy demands, at most 0.", -0.0037, "USD/h")
    total: float = field("Sum of the parts.", 0.0187, "USD/h")
    rule: MarginRule = field("Which rule decided.", "expected cost")


class RunnerUpView(View):
    """The best option that was not taken."""

    decision: Decision = field("STAY, SWITCH or FALLBACK_ONDEMAND.", "SWITCH")
    pool: PoolView
    expected_cost_usd_per_hour: Number = field("Expected cost there.", 0.0505, "USD/h")
    margin: MarginView | None = Field(description="Of moving there; null for STAY.")
    reason: str = field("Why it lost.", "m6a.large in us-east-1d: it costs 0.0054 USD/h more.")


class VerdictView(View):
    """A decision with the pools involved."""

    decision: Decision = field("STAY, SWITCH or FALLBACK_ONDEMAND.", "STAY")
    reason: str = field("Reason for the decision.", "No pool saves enough.")
    current: CandidateView | None = Field(description="The current pool.")
    chosen: CandidateView | None = Field(description="The pool to switch to; null if none.")
    saving_usd_per_hour: Number = field(
        "Expected saving of the decision: 0 for a STAY, negative if it costs more.", 0.0, "USD/h"
    )
    alternative_saving_usd_per_hour: Number = field(
        "For a STAY: what the best alternative would save.", 0.0007, "USD/h"
    )
    margin: MarginView | None = Field(
        default=None, description="Margin of the move, or of the best one if none was made."
    )
    runner_up: RunnerUpView | None = Field(
        default=None, description="The best option that was not taken."
    )


class StageView(View):
    """One stage of the pipeline: duration and row counts."""

    name: str = field("Name of the stage.", "filter")
    duration_ms: float = field("Wall time.", 3.2, "ms")
    rows_in: int = field("Input rows.", 355, "rows")
    rows_out: int = field("Output rows.", 12, "rows")


class AppliedWorkloadView(View):
    """A workload and the rule that chose it."""

    name: str = field("Name.", "queue-worker")
    version: int = field("Version.", 1)
    scope: AssignmentScope = field("What the rule is about; default: no rule matched.", "account")
    key: str = field("Instance id, tag or account of the rule.", "research")
    parameters: dict[str, Any] = field("Its parameters.", {"recovery_h": 0.05})


def workload_view(applied: AppliedWorkload) -> AppliedWorkloadView:
    """An applied workload in a response."""
    workload = applied.workload
    parameters = to_parameters(workload)
    return AppliedWorkloadView(
        name=workload.name,
        version=workload.version,
        scope=applied.scope,
        key=applied.key,
        parameters={k: v for k, v in parameters.items() if k not in ("name", "version")},
    )


class ExperimentView(View):
    """One decision with all its inputs: enough to replay it."""

    experiment_id: int = field("Number of the experiment.", 42)
    created_at: datetime = field("When the decision was made.", "2026-11-03T09:30:00Z")
    instance: dict[str, Any] = field("The instance at that time.", {"instance_id": "i-0a1"})
    market: MarketName = field("Market that the decision used.", "simulated")
    model: str = field("Model that was used, as name@version.", "advisor-lgbm@1.2.0")
    policy_version: str = field("Policy that was used, as name@version.", "default@1")
    policy: dict[str, float] = field("Its parameters.", {"risk_ceiling": 0.0075})
    workload: AppliedWorkloadView = Field(description="Workload that applied.")
    requirements: dict[str, Any] = field(
        "Requirements for a replacement pool.", {"regions": ["us-east-1"]}
    )
    verdict: VerdictView | None = Field(description="The decision; null if the evaluation failed.")
    candidates: list[CandidateView] = Field(
        description="The first candidates, in order of rank, then unranked pools."
    )
    candidates_total: int = field("Number of scored pools.", 12, "count")
    dropped: dict[str, int] = field("Number of filtered pools by reason.", {"no price": 3})
    feature_names: list[str] = field(
        "Names of the features, in the model's order.", ["discount_depth"]
    )
    stages: list[StageView] = Field(description="Stages of the pipeline, in order.")
    degraded: list[str] = field("Reasons why the decision is degraded; empty if it is not.", [])
    shadow: bool = field("Whether shadow mode was on: recorded, but not executed.", True)
    error: str = field("Why the evaluation failed; empty if it did not.", "")
    duration_ms: float = field("Duration of the evaluation.", 41.7, "ms")


class DifferenceView(View):
    """A value that is another in the replay; null: it is absent."""

    recorded: Any = field("In the ledger.", 0.0224)
    replayed: Any = field("In the replay.", 0.0227)
    field: str = field("Name of the value.", "saving_usd_per_hour")


class CostSinceView(View):
    """What a decision has cost since, had it been carried out at once."""

    until: datetime | None = field(
        "Until when prices are known; null if none are.", "2026-11-04T09:30:00Z"
    )
    hours: float = field("From the decision until then.", 24.0, "h")
    total_usd: Number = field("Sum of the parts; null if it is not known.", 1.21, "USD")
    price_usd: Number = field("Prices times hours.", 1.2, "USD")
    interruptions_usd: Number = field("Expected cost of interruptions.", 0.01, "USD")
    moving_usd: Number = field("Cost of the move.", 0.0, "USD")
    unknown: str = field("Why it is not known; empty if it is.", "")


class ReplayedView(View):
    """A decision, as it was recorded or as it is made now."""

    decision: Decision | None = field("The decision; null if none could be made.", "STAY")
    reason: str = field("Reason for the decision.", "No pool saves enough.")
    chosen_pool: str | None = field("Pool to switch to; null if none.", None)
    saving_usd_per_hour: Number = field("Expected saving of the decision.", None, "USD/h")
    model: str = field("Model, as name@version.", "advisor-lgbm@1.2.0")
    policy: str = field("Policy, as name@version.", "default@1")
    workload: str = field("Workload, as name@version.", "default@1")
    error: str = field("Why no decision could be made; empty if one was.", "")
    cost_since: CostSinceView | None = Field(
        description="Null unless something was changed for the replay."
    )


class ReplayView(View):
    """A recorded decision, made again on the market of then."""

    experiment_id: int = field("Number of the experiment.", 42)
    identical: bool = field("Whether every value is the same, bit for bit.", True)
    differences: list[DifferenceView] = Field(description="Values that are not.")
    changed: list[str] = field("What was changed: model, policy, workload.", [])
    recorded: ReplayedView = Field(description="The decision as it was recorded.")
    replayed: ReplayedView = Field(description="The decision as it is made now.")


class OutcomeView(View):
    """A prediction and its outcome."""

    target: str = field("interruption, bucket or price.", "interruption")
    subject: str = field("Instance or pool that the prediction is about.", "i-0000000000000001a")
    predicted: float = field("Predicted value.", 0.0021)
    realised: Number = field("Observed value; null if unknown.", None)
    state: str = field("realised, censored (cannot be observed) or pending.", "pending")
    due_at: datetime = field(
        "When the outcome can be known at the earliest.", "2026-11-04T09:30:00Z"
    )
    reason: str = field("How the outcome is known, or why it is not.", "")


class ExperimentOutcomesView(View):
    """A decision and the outcomes of its predictions."""

    experiment: SummaryView
    outcomes: list[OutcomeView] = Field(description="Settled outcomes; empty if none is known yet.")


class EstimateView(View):
    """An estimate with its 95 % interval; the bounds are null if there are too few days."""

    value: Number = field("The estimate.", 0.031)
    low: Number = field("Lower bound.", None)
    high: Number = field("Upper bound.", None)


class ScoreView(View):
    """Quality of a model's predictions for one target."""

    target: str = field("interruption or bucket.", "interruption")
    challenger: bool = field(
        "Whether the model was a challenger, which predicts in shadow only.", False
    )
    rows: int = field("Predictions with a known outcome.", 120, "count")
    censored: int = field("Predictions whose outcome cannot be observed.", 3, "count")
    mean_predicted: Number = field("Mean predicted probability.", 0.0023, "share")
    base_rate: EstimateView = Field(description="Share of cases in which the event happened.")
    brier: EstimateView = Field(description="Brier score; lower is better.")
    brier_of_base_rate: Number = field("Brier score of always predicting the base rate.", 0.0025)
    skill: EstimateView = Field(
        description="Brier skill score: 1 is perfect, 0 is as good as the base rate."
    )
    words: str = field("Summary in a sentence.", "No better than the base rate yet.")


class PerformanceView(View):
    """Quality of a model's predictions in the accounts that you may see."""

    model: str = field("Model, as name@version.", "advisor-lgbm@1.2.0")
    experiments: int = field("Number of decisions with this model.", 240, "count")
    outcomes: int = field("Number of settled predictions.", 123, "count")
    scores: list[ScoreView] = Field(
        description="One score per target; empty if no outcome is known yet."
    )


def candidate_view(
    candidate: Candidate, features: bool = False, placement: PlacementScore | None = None
) -> CandidateView:
    """The response for a candidate."""
    view = CandidateView.model_validate(candidate)
    if placement is not None:
        view.placement = PlacementView.model_validate(placement)
    if not features:
        view.features = None
        return view
    curve = risk_curve(candidate)
    if curve is not None:
        view.risk_curve = [CurvePointView.model_validate(each) for each in curve.points]
    return view


def replay_view(replay: Replay) -> ReplayView:
    """The response for a replay."""
    return ReplayView(
        experiment_id=replay.recorded.experiment_id,
        identical=replay.identical,
        differences=[DifferenceView.model_validate(each) for each in replay.differences],
        changed=list(replay.changed),
        recorded=_replayed_view(replay.recorded, replay.recorded_cost),
        replayed=_replayed_view(replay.replayed, replay.replayed_cost),
    )


def _replayed_view(experiment: Experiment, cost: CostSince | None) -> ReplayedView:
    verdict = experiment.verdict
    chosen = verdict.chosen if verdict is not None else None
    return ReplayedView(
        decision=verdict.decision if verdict is not None else None,
        reason=verdict.reason if verdict is not None else "",
        chosen_pool=chosen.pool.key if chosen is not None else None,
        saving_usd_per_hour=verdict.saving_usd_per_hour if verdict is not None else None,
        model=experiment.model,
        policy=experiment.policy_version,
        workload=experiment.workload.workload.reference,
        error=experiment.error,
        cost_since=None if cost is None else CostSinceView.model_validate(cost),
    )
