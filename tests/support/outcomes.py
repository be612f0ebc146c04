"""Builders of interruptions, outcomes and sketches; any field can be replaced by keyword."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from spotlab.domain.decision import Decision
from spotlab.domain.drift import MarketSketch, Sketch
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import MarketName
from spotlab.domain.outcomes import Outcome, OutcomeState, ShadowDecision, Target
from tests.support import builders as make


def event(instance_id: str = "i-0a1", at: datetime = make.NOW, **changes: Any) -> InterruptionEvent:
    """An interruption notice of an instance on `pool()`."""
    made = InterruptionEvent(
        instance_id=instance_id,
        pool=make.pool(),
        at=at,
        kind=InterruptionKind.NOTICE,
        source="EventBridge",
        recorded_at=make.NOW,
    )
    return replace(made, **changes)


def shadow_decision(experiment_id: int = 1, **changes: Any) -> ShadowDecision:
    """A challenger's SWITCH where the champion decided STAY."""
    made = ShadowDecision(
        experiment_id=experiment_id,
        model="challenger@1",
        champion="advisor-lgbm@1.0.0",
        created_at=make.NOW,
        instance_id="i-0a1",
        decision=Decision.SWITCH,
        champion_decision=Decision.STAY,
        chosen_pool=make.pool("m6g.xlarge").key,
        current_risk=0.004,
        chosen_risk=1 / 3,
        horizon_h=24.0,
        saving_usd_per_hour=0.01,
        cost_difference_usd_per_hour=0.002,
        own_cost_difference_usd_per_hour=-0.01,
        agrees=False,
    )
    return replace(made, **changes)


def outcome(experiment_id: int = 1, **changes: Any) -> Outcome:
    """The outcome of a risk of 0.4 %: no interruption."""
    made = Outcome(
        experiment_id=experiment_id,
        target=Target.INTERRUPTION,
        model="advisor-lgbm@1.0.0",
        subject="i-0a1",
        market=MarketName.SIMULATED,
        predicted_at=make.NOW,
        due_at=make.NOW + timedelta(hours=24),
        horizon_h=24.0,
        predicted=0.004,
        realised=0.0,
        state=OutcomeState.REALISED,
        reason="Observed running throughout the horizon.",
    )
    return replace(made, **changes)


def market_sketch(day: int, seed: int = 1, shift: float = 0.0, **changes: Any) -> MarketSketch:
    """A sketch of 300 pools and three features; `shift` is the mean of the first feature."""
    rng = np.random.default_rng((seed, day))
    calm = {"discount_depth": shift, "advisor_bucket": 0.0, "log_spot_price": 0.0}
    made = MarketSketch(
        market=MarketName.SIMULATED,
        model="toy@1",
        at=make.NOW + timedelta(days=day),
        pools=300,
        features={name: Sketch.of(rng.normal(by, 1.0, 300)) for name, by in calm.items()},
        prediction=Sketch.of(rng.gamma(2.0, 1e-4, 300)),
        importance={"discount_depth": 0.2, "advisor_bucket": 1.0, "log_spot_price": 0.1},
    )
    return replace(made, **changes)
