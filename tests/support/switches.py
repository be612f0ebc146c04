"""Builders of switches and journal entries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import JournalEntry, Phase, Switch, Target
from tests.support.builders import NOW

OLD_POOL = Pool("us-east-1", "us-east-1a", "m6i.large")
NEW_POOL = Pool("us-east-1", "us-east-1a", "m6a.large")
OTHER_POOL = Pool("us-east-1", "us-east-1b", "m5.large")


def target(pool: Pool = NEW_POOL, **changes: Any) -> Target:
    """A spot target with prices."""
    return replace(Target(pool, Lifecycle.SPOT, 0.031, 0.0864, 0.034), **changes)


def switch(switch_id: str = "sw-1", **changes: Any) -> Switch:
    """A requested switch with two spot targets and on-demand as the last resort."""
    made = Switch(
        switch_id=switch_id,
        account="production",
        instance_id="i-0a1b2c3d4e5f60718",
        pool=OLD_POOL,
        lifecycle=Lifecycle.SPOT,
        targets=(target(), target(OTHER_POOL, price_usd_per_hour=0.033)),
        on_demand=target(lifecycle=Lifecycle.ON_DEMAND, price_usd_per_hour=0.0864),
        strategy=Strategy.FROM_TEMPLATE,
        requested_by="ana",
        requested_at=NOW,
        name="web-1",
        experiment_id=7,
        reason="cheaper and safer",
        price_before_usd_per_hour=0.045,
        price_after_usd_per_hour=0.031,
    )
    return replace(made, **changes)


def entry(action: str = "launch", **changes: Any) -> JournalEntry:
    """A journal entry of the switch "sw-1"."""
    made = JournalEntry("sw-1", 0, NOW, Step.LAUNCH, action, Phase.BEFORE, {"type": "m6a.large"})
    return replace(made, **changes)
