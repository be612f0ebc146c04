"""Explanations, replays and what-ifs of decisions, as the API returns them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from spotlab.client.schemas import Margin, Pool, RunnerUp


class Flip(msgspec.Struct, frozen=True):
    """The smallest change of one value that gives another decision."""

    parameter: str
    label: str
    unit: str | None
    before: float | str | None = msgspec.field(name="from")
    after: float | str | None = msgspec.field(name="to")
    decision: str | None
    pool: str | None
    low: float | None
    high: float | None


class DecisionExplanation(msgspec.Struct, frozen=True):
    """Why a decision was made, and what would change it."""

    experiment_id: int
    instance_id: str
    decided_at: datetime
    decision: str
    policy: str
    workload: str
    model: str
    margin: Margin | None
    runner_up: RunnerUp | None
    flips: tuple[Flip, ...]
    words: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True):
    """A value of a decision that is another in its replay."""

    field: str
    recorded: Any
    replayed: Any


class CostSince(msgspec.Struct, frozen=True):
    """What a decision has cost since, USD; None: not known, `unknown` says why."""

    until: datetime | None
    hours: float
    total_usd: float | None
    price_usd: float | None
    interruptions_usd: float | None
    moving_usd: float | None
    unknown: str


class Replayed(msgspec.Struct, frozen=True):
    """A decision, as it was recorded or as it is made now."""

    decision: str | None
    reason: str
    chosen_pool: str | None
    saving_usd_per_hour: float | None
    model: str
    policy: str
    workload: str
    error: str
    cost_since: CostSince | None


class Replay(msgspec.Struct, frozen=True):
    """A recorded decision, made again on the market of then."""

    experiment_id: int
    identical: bool
    differences: tuple[Difference, ...]
    changed: tuple[str, ...]
    recorded: Replayed
    replayed: Replayed


class WhatIfDecision(msgspec.Struct, frozen=True):
    """A decision that is not recorded; margin: its parts and their total, USD per hour."""

    decision: str
    chosen: Pool | None
    saving_usd_per_hour: float | None
    margin: dict[str, float] | None
    reason: str


class WhatIfInstance(msgspec.Struct, frozen=True):
    """An instance, decided about with and without the changes."""

    instance_id: str
    name: str
    account: str
    current_pool: str
    changed: bool
    before: WhatIfDecision | None
    after: WhatIfDecision | None
    error: str


class RunningCost(msgspec.Struct, frozen=True):
    """What a fleet costs; moves: instances that would leave their pool, None where it runs now."""

    price_usd_per_hour: float
    expected_cost_usd_per_hour: float
    interruptions_a_month: float
    moves: int | None = None


class WhatIf(msgspec.Struct, frozen=True):
    """Decisions with and without changes, on the same market."""

    market: str | None
    as_of: datetime | None
    models: tuple[str, ...]
    degraded: tuple[str, ...]
    changed: int
    unknown: int
    running: RunningCost
    before: RunningCost
    after: RunningCost
    instances: tuple[WhatIfInstance, ...]
    step_ms: float
