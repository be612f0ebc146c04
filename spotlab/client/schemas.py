"""API responses about instances, decisions, models, jobs and log lines.

Fields that a newer server adds are ignored. A risk is within its horizon_h; unknown is None.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Placement(msgspec.Struct, frozen=True):
    """AWS's placement score for a group of types; if `score` is None, see `state` and `reason`."""

    state: str
    score: int | None
    zone: str | None
    instance_types: tuple[str, ...]
    reason: str


class Me(msgspec.Struct, frozen=True):
    """The signed-in user and their rights."""

    name: str
    role: str
    accounts: tuple[str, ...] | None
    rights: tuple[str, ...]
    via: str


class Pool(msgspec.Struct, frozen=True):
    """A spot capacity pool."""

    key: str
    region: str
    availability_zone: str | None
    instance_type: str
    operating_system: str


class Instance(msgspec.Struct, frozen=True):
    """An EC2 instance that SpotLab manages."""

    instance_id: str
    account: str
    pool: Pool
    lifecycle: str
    name: str
    state: str
    model: str | None
    shadow: bool
    mode: str
    active: bool
    launched_at: datetime | None
    requirements: dict[str, Any] | None
    last_evaluated_at: datetime | None


class Requirements(msgspec.Struct, frozen=True):
    """The active requirements of an instance, and their source."""

    source: str
    requirements: dict[str, Any]


class Decision(msgspec.Struct, frozen=True):
    """A decision without its candidates; if `decision` is None, see `error`."""

    experiment_id: int
    created_at: datetime
    instance_id: str
    account: str
    market: str
    decision: str | None
    reason: str
    model: str
    current_pool: str
    chosen_pool: str | None
    risk: float | None
    chosen_risk: float | None
    horizon_h: float
    spot_price_usd_per_hour: float | None
    chosen_price_usd_per_hour: float | None
    saving_usd_per_hour: float | None
    alternative_saving_usd_per_hour: float | None
    shadow: bool
    degraded: tuple[str, ...]
    error: str
    policy_version: str = "default@1"


class Losses(msgspec.Struct, frozen=True):
    """How many of all visible instances are lost together; `pool` has the most of them."""

    instances: int
    on_spot: int
    largest: int
    pool: Pool | None
    expected: float | None
    unknown: int


class Spread(msgspec.Struct, frozen=True):
    """Losses now, and if the newest decisions are carried out."""

    before: Losses
    after: Losses


class Evaluations(msgspec.Struct, frozen=True):
    """Several decisions."""

    experiments: tuple[Decision, ...]
    degraded: tuple[str, ...]
    spread: Spread | None = None


class Pipeline(msgspec.Struct, frozen=True):
    """Pipeline status of an instance."""

    instance_id: str
    mode: str
    shadow: bool
    assigned_model: str | None
    model_in_force: str | None
    model_note: str
    last_evaluated_at: datetime | None
    latest: Decision | None
    state: str


class Candidate(msgspec.Struct, frozen=True):
    """A pool with its price, risk and expected cost."""

    pool: Pool
    rank: int
    spot_price_usd_per_hour: float | None
    on_demand_price_usd_per_hour: float | None
    risk: float | None
    horizon_h: float
    hazard_per_hour: float | None
    expected_cost_usd_per_hour: float | None
    dropped: str | None
    reasons: tuple[str, ...]
    features: dict[str, float] | None = None
    placement: Placement | None = None


class Margin(msgspec.Struct, frozen=True):
    """What a move is worth compared with staying, in parts that add up to the total, USD/h."""

    price: float
    performance: float
    interruption: float
    moving: float
    guards: float
    total: float
    rule: str


class RunnerUp(msgspec.Struct, frozen=True):
    """The best option that was not taken."""

    decision: str
    pool: Pool
    expected_cost_usd_per_hour: float | None
    margin: Margin | None
    reason: str


class Verdict(msgspec.Struct, frozen=True):
    """A decision with the pools involved."""

    decision: str
    reason: str
    current: Candidate | None
    chosen: Candidate | None
    saving_usd_per_hour: float | None
    alternative_saving_usd_per_hour: float | None = None
    margin: Margin | None = None
    runner_up: RunnerUp | None = None


class AppliedWorkload(msgspec.Struct, frozen=True):
    """A workload and the rule that chose it."""

    name: str
    version: int
    scope: str
    key: str
    parameters: dict[str, Any]


class Workload(msgspec.Struct, frozen=True):
    """One version of a workload, with its author."""

    name: str
    version: int
    description: str
    words: str
    work_lost_h: float
    checkpoint_interval_h: float | None
    recovery_h: float
    fixed_usd: float
    value_usd_per_hour: float | None
    outage_usd_per_hour: float
    deadline_slack_h: float | None
    late_usd_per_hour: float
    horizon_h: float
    max_pool_share: float
    group_tag: str
    regions: tuple[str, ...]
    zones: tuple[str, ...]
    hardware: dict[str, Any]
    requirements: dict[str, Any] | None
    created_at: datetime | None
    created_by: str | None
    reason: str | None


class WorkloadAssignment(msgspec.Struct, frozen=True):
    """A rule that gives instances a workload."""

    scope: str
    key: str
    workload: str


class Experiment(msgspec.Struct, frozen=True):
    """A decision with its inputs; `experiments.candidates` returns further candidates."""

    experiment_id: int
    created_at: datetime
    instance: dict[str, Any]
    market: str
    model: str
    policy: dict[str, float]
    workload: AppliedWorkload
    requirements: dict[str, Any]
    verdict: Verdict | None
    candidates: tuple[Candidate, ...]
    candidates_total: int
    dropped: dict[str, int]
    degraded: tuple[str, ...]
    shadow: bool
    error: str
    policy_version: str = "default@1"


class Contribution(msgspec.Struct, frozen=True):
    """Contribution of one feature to a score, in log-odds."""

    feature: str
    value: float | None
    unit: str
    log_odds: float


class Explanation(msgspec.Struct, frozen=True):
    """Explanation of a risk: base and contributions add up to raw_score, in log-odds."""

    pool: Pool
    model: str
    base: float
    contributions: tuple[Contribution, ...]
    raw_score: float
    monthly_rate: float
    risk: float
    horizon_h: float
    of: str


class Model(msgspec.Struct, frozen=True):
    """A model version; `card` is set only if one version is read."""

    reference: str
    name: str
    version: str
    task: str
    state: str
    enabled: bool
    refused: str
    instances: tuple[str, ...]
    actions: tuple[str, ...]
    card: dict[str, Any] | None = None


class Upload(msgspec.Struct, frozen=True):
    """An accepted upload."""

    model: Model
    seconds: float


class ModelEvent(msgspec.Struct, frozen=True):
    """A change of a model."""

    event_id: int
    at: datetime
    actor: str
    name: str
    version: str
    action: str
    before: str
    after: str
    reason: str


class Performance(msgspec.Struct, frozen=True):
    """Quality of a model's predictions."""

    model: str
    experiments: int
    outcomes: int
    scores: tuple[dict[str, Any], ...]


class OnlineWeights(msgspec.Struct, frozen=True):
    """Weights and running losses of live capacity forecasts; None and empty: nothing was learnt."""

    market: str | None
    at: datetime | None
    model: str | None
    standings: tuple[dict[str, Any], ...]
    lag: dict[str, Any] | None


class Component(msgspec.Struct, frozen=True):
    """Current state of a component."""

    name: str
    state: str
    reason: str
    last_success_at: datetime | None
    latency_ms: float | None
    checked_at: datetime


class Job(msgspec.Struct, frozen=True):
    """A scheduled job."""

    name: str
    title: str
    schedule: str
    paused: bool
    standing: str
    next_at: datetime | None


class Run(msgspec.Struct, frozen=True):
    """A run of a job."""

    run_id: int
    job: str
    state: str
    cause: str
    started_at: datetime | None
    ended_at: datetime | None
    asked_by: str


class LogLine(msgspec.Struct, frozen=True):
    """A log line."""

    id: str
    time: datetime
    level: str
    component: str
    message: str
    correlation_id: str
    request_id: str
    user: str
    account: str
    error: str
