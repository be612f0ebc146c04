"""Policies, their states, differences and decisions in shadow."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, Number, RequestBody, View, field
from spotlab.api.views.experiments import EstimateView
from spotlab.domain.decision import Decision
from spotlab.domain.plain_names import MAX_NAME
from spotlab.domain.policy import (
    DEFAULT_POLICY,
    MAX_DESCRIPTION,
    PolicyEvent,
    PolicyState,
    PolicyVersion,
)
from spotlab.domain.policy_parameters import PARAMETERS
from spotlab.telemetry.invisible_characters import LABEL

POLICY_REFERENCE = r"^[A-Za-z0-9_-]{1,64}(@[0-9]{1,9})?$"
PolicyName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[A-Za-z0-9_-]+$")]
_DEFAULTS = DEFAULT_POLICY.params.as_dict()


def _value(name: str) -> Any:
    parameter = PARAMETERS[name]
    return field(parameter.meaning, _DEFAULTS[name], parameter.unit)


def _change(name: str) -> Any:
    parameter = PARAMETERS[name]
    return Field(
        default=None,
        ge=parameter.low,
        le=parameter.high,
        description=f"{parameter.meaning} Omit it to keep the value of the base.",
        examples=[_DEFAULTS[name]],
        json_schema_extra={"unit": str(parameter.unit)},
    )


class PolicyParametersView(View):
    """Every parameter of a policy."""

    min_saving_fraction: float = _value("min_saving_fraction")
    min_saving_usd_per_hour: float = _value("min_saving_usd_per_hour")
    hysteresis_fraction: float = _value("hysteresis_fraction")
    cooldown_h: float = _value("cooldown_h")
    risk_ceiling: float = _value("risk_ceiling")
    ceiling_hysteresis_fraction: float = _value("ceiling_hysteresis_fraction")
    max_avoided_interruption_usd: float = _value("max_avoided_interruption_usd")
    max_price_age_h: float = _value("max_price_age_h")
    signal_exclusion_min: float = _value("signal_exclusion_min")
    switch_downtime_h: float = _value("switch_downtime_h")
    expected_stay_h: float = _value("expected_stay_h")
    max_arrivals_share: float = _value("max_arrivals_share")
    max_spread_cost_fraction: float = _value("max_spread_cost_fraction")
    rebalance_factor: float = _value("rebalance_factor")
    rebalance_half_life_h: float = _value("rebalance_half_life_h")
    capacity_factor: float = _value("capacity_factor")
    capacity_half_life_h: float = _value("capacity_half_life_h")
    sibling_factor: float = _value("sibling_factor")
    sibling_half_life_h: float = _value("sibling_half_life_h")
    placement_factor: float = _value("placement_factor")
    placement_half_life_h: float = _value("placement_half_life_h")
    capacity_forecast_share: float = _value("capacity_forecast_share")
    joint_loss_share: float = _value("joint_loss_share")
    joint_loss_half_life_min: float = _value("joint_loss_half_life_min")
    family_factor: float = _value("family_factor")
    family_half_life_h: float = _value("family_half_life_h")
    price_factor: float = _value("price_factor")
    price_half_life_h: float = _value("price_half_life_h")
    spread_factor: float = _value("spread_factor")
    spread_half_life_h: float = _value("spread_half_life_h")
    advisor_factor: float = _value("advisor_factor")
    advisor_half_life_h: float = _value("advisor_half_life_h")


class PolicyParametersRequest(RequestBody):
    """The parameters that differ from the base."""

    min_saving_fraction: float | None = _change("min_saving_fraction")
    min_saving_usd_per_hour: float | None = _change("min_saving_usd_per_hour")
    hysteresis_fraction: float | None = _change("hysteresis_fraction")
    cooldown_h: float | None = _change("cooldown_h")
    risk_ceiling: float | None = _change("risk_ceiling")
    ceiling_hysteresis_fraction: float | None = _change("ceiling_hysteresis_fraction")
    max_avoided_interruption_usd: float | None = _change("max_avoided_interruption_usd")
    max_price_age_h: float | None = _change("max_price_age_h")
    signal_exclusion_min: float | None = _change("signal_exclusion_min")
    switch_downtime_h: float | None = _change("switch_downtime_h")
    expected_stay_h: float | None = _change("expected_stay_h")
    max_arrivals_share: float | None = _change("max_arrivals_share")
    max_spread_cost_fraction: float | None = _change("max_spread_cost_fraction")
    rebalance_factor: float | None = _change("rebalance_factor")
    rebalance_half_life_h: float | None = _change("rebalance_half_life_h")
    capacity_factor: float | None = _change("capacity_factor")
    capacity_half_life_h: float | None = _change("capacity_half_life_h")
    sibling_factor: float | None = _change("sibling_factor")
    sibling_half_life_h: float | None = _change("sibling_half_life_h")
    placement_factor: float | None = _change("placement_factor")
    placement_half_life_h: float | None = _change("placement_half_life_h")
    capacity_forecast_share: float | None = _change("capacity_forecast_share")
    joint_loss_share: float | None = _change("joint_loss_share")
    joint_loss_half_life_min: float | None = _change("joint_loss_half_life_min")
    family_factor: float | None = _change("family_factor")
    family_half_life_h: float | None = _change("family_half_life_h")
    price_factor: float | None = _change("price_factor")
    price_half_life_h: float | None = _change("price_half_life_h")
    spread_factor: float | None = _change("spread_factor")
    spread_half_life_h: float | None = _change("spread_half_life_h")
    advisor_factor: float | None = _change("advisor_factor")
    advisor_half_life_h: float | None = _change("advisor_half_life_h")


class PolicyEventView(View):
    """A change of a version's state."""

    at: datetime = field("When.", "2026-11-03T09:30:00Z")
    actor: str = field("Who.", "ana")
    before: PolicyState | None = field("State before; null: the version was saved.", None)
    after: PolicyState = field("State after.", "draft")
    reason: str = field("Why.", "Fewer moves.")


class PolicyView(View):
    """A version of a policy. Its parameters never change."""

    reference: str = field("Policy, as name@version.", "cautious@2")
    name: str = field("Name.", "cautious")
    version: int = field("Version.", 2)
    state: PolicyState = field(
        "active: decides; shadow: decides alongside it, never executed; draft; retired.", "draft"
    )
    description: str = field("What it is for.", "Fewer moves.")
    parameters: PolicyParametersView
    moves: list[PolicyState] = field(
        "States to which it may change now.", ["shadow", "active", "retired"]
    )
    history: list[PolicyEventView] = Field(description="Changes of its state, newest first.")


class PolicyDraftRequest(ChangeRequest):
    """A draft: a new policy, or the next version of one."""

    name: PolicyName = Field(description="Name of the policy.", examples=["cautious"])
    base: str | None = Field(
        default=None,
        pattern=POLICY_REFERENCE,
        description="Policy to start from; null: the newest version of the name. Required for a "
        "new name.",
        examples=["default@1"],
    )
    description: str | None = Field(
        default=None,
        max_length=MAX_DESCRIPTION,
        pattern=LABEL,
        description="What it is for; null: as in the base.",
        examples=["Fewer moves."],
    )
    parameters: PolicyParametersRequest = Field(
        default_factory=PolicyParametersRequest,
        description="Parameters that differ from the base.",
    )
    expected_version: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="The newest version when you prepared the change, 0 for a new name; null: any.",
        examples=[1],
    )


class PolicyStateRequest(ChangeRequest):
    """A new state of a version; activating needs a reason."""

    state: PolicyState = Field(
        description="New state. The active version retires when another becomes active.",
        examples=["shadow"],
    )


class ParameterChangeView(View):
    """A parameter that differs."""

    name: str = field("Name of the parameter.", "cooldown_h")
    before: float = field("Value of the other policy.", 6.0)
    after: float = field("Value of this policy.", 12.0)
    text: str = field("Both in words, with units.", "Cooldown 6 h → 12 h")


class PolicyDiffView(View):
    """What differs between two policies."""

    policy: str = field("This policy.", "cautious@2")
    against: str = field("The other policy.", "default@1")
    differences: list[ParameterChangeView] = Field(description="In the order of the parameters.")


class PolicyShadowView(View):
    """Decisions of a policy in shadow, compared with those that were made."""

    policy: str = field("Policy, as name@version.", "cautious@2")
    decided: int = field("Decisions that were compared.", 240, "count")
    failures: int = field("Decisions that the policy could not make.", 0, "count")
    agreement: EstimateView | None = Field(
        description="Share with the same decision and pool; null without decisions."
    )
    moves: int = field("How many of its decisions are not STAY.", 12, "count")
    moves_as_made: int = field("How many of the recorded decisions are not STAY.", 30, "count")
    cost_difference_usd_per_hour: EstimateView | None = Field(
        description="Mean expected cost after its decisions minus after the recorded ones, USD/h."
    )
    cost_difference_usd_per_day: EstimateView | None = Field(
        description="The same for all instances that were decided about, USD per day."
    )


class PolicyTransitionView(View):
    """How many decisions would have changed in one way."""

    before: Decision = field("Recorded decision.", "SWITCH")
    after: Decision = field("Decision of the policy; the same means another pool.", "STAY")
    count: int = field("How many.", 12, "count")


class ChangedDecisionView(View):
    """A recorded decision that would have been another."""

    experiment_id: int = field("Number of the experiment.", 42)
    created_at: datetime = field("When it was decided.", "2026-11-03T09:30:00Z")
    instance_id: str = field("Instance.", "i-0000000000000001a")
    before: Decision = field("Recorded decision.", "SWITCH")
    before_pool: str | None = field("Pool that it chose; null: none.", None)
    after: Decision = field("Decision of the policy.", "STAY")
    after_pool: str | None = field("Pool that it would choose; null: none.", None)
    reason: str = field("Reason of the policy's decision.", "No pool saves enough.")
    cost_difference_usd_per_hour: Number = field(
        "Expected cost after the policy's decision minus after the recorded one.", 0.01, "USD/h"
    )


class PolicyPreviewView(View):
    """What a policy would have decided in recorded decisions."""

    policy: str = field("Policy, as name@version.", "cautious@2")
    since: datetime = field("Beginning of the period.", "2026-10-04T09:30:00Z")
    until: datetime = field("End of the period.", "2026-11-03T09:30:00Z")
    decided: int = field("Decisions that were compared.", 240, "count")
    changed: int = field("How many of them would have been another.", 18, "count")
    moves_before: int = field("How many of the recorded ones are not STAY.", 30, "count")
    moves_after: int = field("How many of the policy's are not STAY.", 12, "count")
    instances: int = field("Instances that they are about.", 24, "count")
    transitions: list[PolicyTransitionView] = Field(description="Changes, most frequent first.")
    cost_difference_usd_per_hour: EstimateView = Field(
        description="Mean expected cost after the policy's decisions minus after the recorded "
        "ones, USD/h."
    )
    cost_difference_usd_per_day: EstimateView = Field(
        description="The same for all these instances, USD per day."
    )
    changes: list[ChangedDecisionView] = Field(description="Changed decisions, newest first.")
    not_comparable: int = field(
        "Decisions that cannot be made again from their record.", 0, "count"
    )
    failed: int = field("Evaluations in which no decision was made.", 0, "count")


def policy_view(version: PolicyVersion) -> PolicyView:
    """The response for a version."""
    policy = version.policy
    return PolicyView(
        reference=policy.reference,
        name=policy.name,
        version=policy.version,
        state=version.state,
        description=policy.description,
        parameters=PolicyParametersView.model_validate(policy.params),
        moves=list(version.moves),
        history=[_event_view(event) for event in version.history],
    )


def _event_view(event: PolicyEvent) -> PolicyEventView:
    return PolicyEventView.model_validate(event)
