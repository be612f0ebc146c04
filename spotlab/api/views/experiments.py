"""Experiments: decisions as they were made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, PoolView, SourceView, View, field
from spotlab.domain.decision import Candidate, Decision
from spotlab.domain.market import MarketName
from spotlab.domain.placement import PlacementScore, PlacementState


class SummaryView(View):
    """A decision without its candidates."""

    experiment_id: int = field("Its number.", 42)
    created_at: datetime = field("When it was decided.", "2026-11-03T09:30:00Z")
    instance_id: str = field("About which instance.", "i-0000000000000001a")
    account: str = field("Of which account.", "acme")
    market: MarketName = field("Which market its numbers belong to.", "simulated")
    decision: Decision | None = field("What was decided; null: it failed.", "STAY")
    reason: str = field("Why, in words.", "No pool saves enough.")
    model: str = field("Which model decided.", "advisor-lgbm@1.2.0")
    current_pool: str = field("Where the instance ran.", "us-east-1:us-east-1a:m5.large:Linux")
    chosen_pool: str | None = field("Where it should go; null: nowhere.", None)
    risk: Number = field("P(interrupted within horizon_h) where it ran.", 0.0021, "share")
    chosen_risk: Number = field("The same of the chosen pool.", None, "share")
    horizon_h: float = field("Horizon of the risks.", 24.0, "h")
    spot_price_usd_per_hour: Number = field("Price where it ran.", 0.0412, "USD/h")
    chosen_price_usd_per_hour: Number = field("Price of the chosen pool.", None, "USD/h")
    saving_usd_per_hour: Number = field("Expected saving.", None, "USD/h")
    candidates_evaluated: int = field("How many pools were scored.", 12, "count")
    duration_ms: float = field("How long it took.", 41.7, "ms")
    shadow: bool = field("Recorded, not to be carried out.", True)
    degraded: list[str] = field("What it was decided without, in words.", [])
    error: str = field("Why there is no decision; empty where there is one.", "")


class EvidenceView(View):
    """What own instances taught about a pool's hazard."""

    prior_hazard_per_hour: float = field("The model's.", 1.1e-4, "1/h")
    events: int = field("Own interruptions on this pool.", 0, "count")
    exposure_h: float = field("Hours of own instances on it.", 310.0, "h")
    sibling_events: int = field("The same in its sibling zones.", 0, "count")
    sibling_exposure_h: float = field("The same in its sibling zones.", 0.0, "h")


class PlacementView(View):
    """AWS's placement score of a pool's group of types; it entered no decision."""

    state: PlacementState = field("Scored, refused by quota or unknown.", "scored")
    score: int | None = field("1 (hardly filled) to 10; null unless scored.", 8)
    zone: str | None = field("Whose score it is.", "us-east-1a")
    instance_types: list[str] = field(
        "Asked for together: the score belongs to all of them.", ["m5.large", "m6i.large"]
    )
    reason: str = field("Why there is no score.", "")
    origin: SourceView | None = Field(description="When it was asked for; null: nobody did.")


class CandidateView(View):
    """A pool with its price, risk and expected cost."""

    pool: PoolView
    rank: int = field("1 is the cheapest expected cost; 0: not ranked.", 1, "rank")
    spot_price_usd_per_hour: Number = field("Newest known.", 0.0301, "USD/h")
    on_demand_price_usd_per_hour: Number = field("Null where unknown.", 0.077, "USD/h")
    risk: Number = field("P(interrupted within horizon_h).", 0.0019, "share")
    horizon_h: float = field("Horizon of the risk.", 24.0, "h")
    hazard_per_hour: Number = field("Expected interruptions an hour.", 7.9e-5, "1/h")
    expected_cost_usd_per_hour: Number = field(
        "Price and what interruptions cost.", 0.0302, "USD/h"
    )
    dropped: str | None = field("Why it is no candidate; null: it is one.", None)
    reasons: list[str] = field("In words.", ["Spot price 0.0301 USD/h."])
    sources: list[SourceView] = Field(description="Where its numbers came from.")
    evidence: EvidenceView | None = Field(
        description="What own instances taught about the hazard; null: nothing."
    )
    features: dict[str, float] | None = field(
        "Its features by name, unknown ones left out; null unless asked for.", None
    )
    placement: PlacementView | None = Field(
        default=None, description="Null in a recorded decision: it enters none."
    )


class VerdictView(View):
    """What was decided."""

    decision: Decision = field("STAY, SWITCH or FALLBACK_ONDEMAND.", "STAY")
    reason: str = field("Why, in words.", "No pool saves enough.")
    current: CandidateView | None = Field(description="The pool it ran on, scored.")
    chosen: CandidateView | None = Field(description="The pool to switch to; null: none.")
    saving_usd_per_hour: Number = field("Expected saving.", None, "USD/h")


class StageView(View):
    """What one stage of the pipeline took in, gave out and cost."""

    name: str = field("Its name.", "filter")
    duration_ms: float = field("Wall time.", 3.2, "ms")
    rows_in: int = field("Rows it was given.", 355, "rows")
    rows_out: int = field("Rows it passed on.", 12, "rows")


class ExperimentView(View):
    """One decision, whole: enough to make it again."""

    experiment_id: int = field("Its number.", 42)
    created_at: datetime = field("When it was decided.", "2026-11-03T09:30:00Z")
    instance: dict[str, Any] = field("The instance as it was.", {"instance_id": "i-0a1"})
    market: MarketName = field("Which market its numbers belong to.", "simulated")
    model: str = field("Which model decided.", "advisor-lgbm@1.2.0")
    policy: dict[str, float] = field("The policy's parameters.", {"horizon_h": 24.0})
    requirements: dict[str, Any] = field("What a pool had to offer.", {"regions": ["us-east-1"]})
    verdict: VerdictView | None = Field(description="Null: no decision could be made.")
    candidates: list[CandidateView] = Field(
        description="The first of those that were scored, ranked ones first."
    )
    candidates_total: int = field("How many were scored.", 12, "count")
    dropped: dict[str, int] = field("How many pools were dropped, by reason.", {"no price": 3})
    feature_names: list[str] = field("Order of the features.", ["discount_depth"])
    stages: list[StageView] = Field(description="Times and counts.")
    degraded: list[str] = field("What it was decided without, in words.", [])
    shadow: bool = field("Recorded, not to be carried out.", True)
    error: str = field("Why there is no decision; empty where there is one.", "")
    duration_ms: float = field("How long it took.", 41.7, "ms")


class OutcomeView(View):
    """A prediction beside what happened."""

    target: str = field("interruption, bucket or price.", "interruption")
    subject: str = field("Instance or pool.", "i-0000000000000001a")
    predicted: float = field("What was predicted.", 0.0021)
    realised: Number = field("What happened; null: not known.", None)
    state: str = field("realised, censored (never to be known) or pending.", "pending")
    due_at: datetime = field("When it could be known.", "2026-11-04T09:30:00Z")
    reason: str = field("From what it is known, or why not.", "")


class ExperimentOutcomesView(View):
    """A decision and what became of its predictions."""

    experiment: SummaryView
    outcomes: list[OutcomeView] = Field(
        description="Those that are settled; empty where nothing is known yet."
    )


class EstimateView(View):
    """A number and its 95 % interval, whose ends are null where there are too few days."""

    value: Number = field("The number.", 0.031)
    low: Number = field("Lower end.", None)
    high: Number = field("Upper end.", None)


class ScoreView(View):
    """How a model's probabilities of one target did."""

    target: str = field("interruption or bucket.", "interruption")
    challenger: bool = field("It predicted in shadow only.", False)
    rows: int = field("Predictions whose outcome is known.", 120, "count")
    censored: int = field("Predictions of which it will never be known.", 3, "count")
    mean_predicted: Number = field("Mean probability.", 0.0023, "share")
    base_rate: EstimateView = Field(description="Share that came true.")
    brier: EstimateView = Field(description="Mean squared error; lower is better.")
    brier_of_base_rate: Number = field("Of always saying the base rate.", 0.0025)
    skill: EstimateView = Field(description="1 is perfect, 0 as good as the base rate.")
    words: str = field("In a sentence.", "No better than the base rate yet.")


class PerformanceView(View):
    """How a model's predictions did, in the accounts that you see."""

    model: str = field("name@version.", "advisor-lgbm@1.2.0")
    experiments: int = field("Decisions it made.", 240, "count")
    outcomes: int = field("Predictions that are settled.", 123, "count")
    scores: list[ScoreView] = Field(
        description="For each target; empty where nothing is known yet."
    )


def candidate_view(
    candidate: Candidate, features: bool = False, placement: PlacementScore | None = None
) -> CandidateView:
    """A candidate as it is answered."""
    view = CandidateView.model_validate(candidate)
    if placement is not None:
        view.placement = PlacementView.model_validate(placement)
    if not features:
        view.features = None
    return view
