"""Responses: the evidence behind a pool's hazard, and its risk over time."""

from __future__ import annotations

from pydantic import Field

from spotlab.api.views.base import View, field
from spotlab.domain.hazard_curve import ShortCause


class ShortPartView(View):
    """Evidence that raises a pool's hazard for a while."""

    cause: ShortCause = field("What it comes from.", "lack of capacity")
    factor: float = field("What the hazard was multiplied by when it was new.", 12.0, "times")
    half_life_h: float = field("Time after which half of that is left.", 1.0, "h")
    age_h: float = field("Its age when the pool was scored.", 0.2, "h")
    detail: str = field("What was observed.", "a refused launch")
    share: float | None = field(
        "P(lost because of it) when it was new, from which the factor follows; null: the policy "
        "gives the factor.",
        None,
        "share",
    )


class CurvePointView(View):
    """The risk within a horizon, with its 95 % interval."""

    horizon_h: float = field("Horizon.", 24.0, "h")
    risk: float = field("P(interrupted within horizon_h).", 0.0019, "share")
    low: float = field("Lower bound.", 0.0006, "share")
    high: float = field("Upper bound.", 0.0041, "share")


class EvidenceView(View):
    """Evidence of own instances about a pool's hazard."""

    prior_hazard_per_hour: float = field(
        "Hazard predicted by the model, before the evidence.", 1.1e-4, "1/h"
    )
    events: int = field("Interruptions of own instances on this pool.", 0, "count")
    exposure_h: float = field("Exposure on this pool.", 310.0, "h")
    sibling_events: int = field("Interruptions of own instances in its sibling zones.", 0, "count")
    sibling_exposure_h: float = field("Exposure in its sibling zones.", 0.0, "h")
    rebalance_age_h: float | None = field(
        "In decisions that were recorded before short parts were: age of the newest rebalance "
        "recommendation on this pool, if its effect lasts.",
        None,
        "h",
    )
    parts: list[ShortPartView] = Field(
        description="What raises the hazard for a while, under the policy that decided."
    )
