"""What-if: changes, and the decisions with and without them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, create_model

from spotlab.api.views.base import InstanceId, PoolView, RequestBody, View, field
from spotlab.domain.decision import Decision
from spotlab.domain.market import MarketName
from spotlab.domain.policy_parameters import Unit
from spotlab.domain.what_if import KNOBS, Changes, Knob, RunningCost
from spotlab.pipeline.what_if import Outcome, Totals
from spotlab.services.what_if import WhatIf


def _change(knob: Knob) -> Any:
    limits = {} if knob.unit is Unit.YES_NO else {"ge": knob.low, "le": knob.high}
    meaning = f"{knob.meaning} Null: unchanged."
    kind: Any = bool | None if knob.unit is Unit.YES_NO else float | None
    unit = "" if knob.unit is Unit.YES_NO else str(knob.unit)
    return kind, field(meaning, None, unit, default=None, **limits)


ChangesRequest: Any = create_model(
    "ChangesRequest",
    __base__=RequestBody,
    __doc__="Changes to the policy and to every workload; null or absent: unchanged.",
    **{name: _change(knob) for name, knob in KNOBS.items()},
)


class WhatIfRequest(RequestBody):
    """Changes, and the instances to decide about."""

    instance_ids: list[InstanceId] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="At most 100 ids; null for all active instances whose pipeline is on.",
        examples=[None],
    )
    changes: ChangesRequest = Field(description="Changes to today's settings.")

    def to_changes(self) -> Changes:
        """The changes as a domain object."""
        return Changes(**self.changes.model_dump())


class CostView(View):
    """What an hour of the instances' work costs, of those whose cost is known."""

    price_usd_per_hour: float = field("Spot or on-demand price.", 1.92, "USD/h")
    expected_cost_usd_per_hour: float = field("Price with interruptions.", 1.94, "USD/h")
    interruptions_a_month: float = field("Expected interruptions in a month.", 0.42, "count")


class DecidedCostView(CostView):
    """The same after decisions."""

    moves: int = field("Number of instances that would leave their pool.", 9, "count")


class WhatIfDecisionView(View):
    """A decision that is not recorded."""

    decision: Decision = field("STAY, SWITCH or FALLBACK_ONDEMAND.", "STAY")
    chosen: PoolView | None = Field(description="The pool to switch to; null if none.")
    saving_usd_per_hour: float | None = field("Expected saving of the decision.", None, "USD/h")
    margin: dict[str, float] | None = field(
        "Parts of the margin of the best move, and their total, in USD/h.", None
    )
    reason: str = field("Reason for the decision.", "No pool saves enough.")


class WhatIfInstanceView(View):
    """An instance, decided about with and without the changes."""

    instance_id: str = field("The instance.", "i-0000000000000001a")
    name: str = field("Its Name tag.", "web-1")
    account: str = field("Its account.", "acme")
    current_pool: str = field("Pool that it runs on.", "us-east-1:us-east-1a:m5.large:Linux")
    changed: bool = field("Whether the changes lead to another decision or pool.", True)
    before: WhatIfDecisionView | None = Field(description="With today's settings.")
    after: WhatIfDecisionView | None = Field(description="With the changes.")
    error: str = field("Why no decision can be made; empty if one can.", "")


class WhatIfView(View):
    """Decisions with and without changes, on the same market; nothing is recorded."""

    market: MarketName | None = field("Market that was used; null without instances.", "simulated")
    as_of: datetime | None = field("When the market was read.", "2026-11-03T09:30:00Z")
    models: list[str] = field("Models that scored it.", ["advisor-lgbm@1.2.0"])
    degraded: list[str] = field("Reasons why it is degraded; empty if it is not.", [])
    changed: int = field("Number of instances that are decided about otherwise.", 3, "count")
    unknown: int = field("Number of instances whose cost is unknown, not counted.", 0, "count")
    running: CostView = Field(description="The fleet where it runs now.")
    before: DecidedCostView = Field(description="After the decisions with today's settings.")
    after: DecidedCostView = Field(description="After the decisions with the changes.")
    instances: list[WhatIfInstanceView] = Field(description="One for each instance.")
    step_ms: float = field("Time that the decisions with the changes took.", 4.2, "ms")


def what_if_view(what_if: WhatIf) -> WhatIfView:
    """The response for a what-if."""
    moment = what_if.moment
    return WhatIfView(
        market=moment.market if moment else None,
        as_of=moment.as_of if moment else None,
        models=[*moment.models] if moment else [],
        degraded=[*moment.degraded] if moment else [],
        changed=len(what_if.changed),
        unknown=what_if.totals_after.unknown,
        running=CostView.model_validate(what_if.totals_after.now),
        before=_decided(what_if.totals_before),
        after=_decided(what_if.totals_after),
        instances=[
            WhatIfInstanceView(
                instance_id=old.instance.instance_id,
                name=old.instance.name,
                account=old.instance.account,
                current_pool=old.instance.pool.key,
                changed=old.target != new.target,
                before=_decision(old),
                after=_decision(new),
                error=new.error,
            )
            for old, new in zip(what_if.before, what_if.after, strict=True)
        ],
        step_ms=what_if.step_ms,
    )


def _decided(totals: Totals) -> DecidedCostView:
    cost: RunningCost = totals.after
    return DecidedCostView(
        moves=totals.moves,
        price_usd_per_hour=cost.price_usd_per_hour,
        expected_cost_usd_per_hour=cost.expected_cost_usd_per_hour,
        interruptions_a_month=cost.interruptions_a_month,
    )


def _decision(outcome: Outcome) -> WhatIfDecisionView | None:
    verdict = outcome.verdict
    if verdict is None:
        return None
    return WhatIfDecisionView(
        decision=verdict.decision,
        chosen=PoolView.model_validate(verdict.chosen.pool) if verdict.chosen else None,
        saving_usd_per_hour=verdict.saving_usd_per_hour,
        margin=verdict.margin.as_dict() if verdict.margin else None,
        reason=verdict.reason,
    )
