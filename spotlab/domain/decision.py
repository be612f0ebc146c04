"""Instances, candidates, decisions and experiments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from spotlab.domain.hazard_curve import ShortCause
from spotlab.domain.margin import Margin
from spotlab.domain.market import MarketName, Pool, Provenance
from spotlab.domain.policy import DEFAULT_POLICY, PolicyParams
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import HOURS_PER_MONTH, Evidence, risk_within
from spotlab.domain.spot_events import Signal
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload

"""The built-in policy."""


class Decision(StrEnum):
    """What to do with an instance."""

    STAY = "STAY"
    SWITCH = "SWITCH"
    FALLBACK_ONDEMAND = "FALLBACK_ONDEMAND"


MOVES: Final = (Decision.SWITCH, Decision.FALLBACK_ONDEMAND)
"""The decisions that take an instance off its pool."""


def saving(decision: Decision | None, compared: float | None) -> float | None:
    """What a decision saves, USD per hour: 0 for a STAY, negative if it costs more.

    Args:
        decision: None: none was made.
        compared: `saving_usd_per_hour` of its verdict.
    Returns:
        None if it is unknown.
    """
    if decision is Decision.STAY:
        return 0.0
    return compared if decision in MOVES else None


def alternative_saving(decision: Decision | None, compared: float | None) -> float | None:
    """What the best alternative to a STAY would save, USD per hour; it was too little.

    Args:
        decision: None: none was made.
        compared: `saving_usd_per_hour` of its verdict.
    Returns:
        None if the decision is no STAY, there is no alternative, or it is unknown.
    """
    return compared if decision is Decision.STAY else None


class Lifecycle(StrEnum):
    """How an instance is paid for."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


class PipelineMode(StrEnum):
    """Which pipeline evaluates an instance."""

    LINEAR = "linear"
    OFF = "off"


class DropReason(StrEnum):
    """Why a pool is filtered. Values are stored in SQL; people read the labels."""

    VCPU = "fewer or more vCPU than asked for"
    MEMORY = "less or more memory than asked for"
    ARCHITECTURE = "another processor architecture"
    ACCELERATOR = "accelerator not as asked for"
    REGION = "another region"
    ZONE = "availability zone not allowed"
    FAMILY = "instance family not allowed"
    BURSTABLE = "burstable: its CPU is limited by credits"
    GPU = "fewer or weaker GPUs"
    CPU_GENERATION = "older CPU generation"
    CPU_MAKER = "another CPU maker"
    FLEX = "flex: full CPU performance is limited in time"
    BARE_METAL = "bare metal on one side only"
    LOCAL_STORAGE = "less local storage"
    BANDWIDTH = "less network or EBS bandwidth"
    OPERATING_SYSTEM = "another operating system"
    UNSAFE_RATE = "interrupted too often last month"
    NO_SPECS = "vCPU or memory unknown"
    NO_PRICE = "spot price unknown"
    STALE_PRICE = "spot price too old"
    NO_RISK = "risk unknown: the model refused the pool's features"
    RISK_CEILING = "risk over the ceiling"
    SIGNALLED = "signalled an interruption or a lack of capacity a short time ago"
    SPREAD = "left to other instances, to spread the fleet"
    ABOVE_ON_DEMAND = "costs no less than on-demand"

    @property
    def label(self) -> str:
        """What screens, the command line and reasons say."""
        return _DROP_LABELS.get(self, self.value)


_DROP_LABELS: Final[Mapping[DropReason, str]] = {
    DropReason.VCPU: "vCPU outside the required range",
    DropReason.MEMORY: "memory outside the required range",
    DropReason.ARCHITECTURE: "processor architecture not allowed",
    DropReason.ACCELERATOR: "accelerator does not match the requirements",
    DropReason.REGION: "region not allowed",
    DropReason.OPERATING_SYSTEM: "operating system does not match the requirements",
    DropReason.STALE_PRICE: "spot price is stale",
    DropReason.NO_RISK: "risk unknown: the model rejected the pool's features",
    DropReason.RISK_CEILING: "risk above the risk ceiling",
}
"""Labels that differ from the stored value."""


def drop_label(stored: str) -> str:
    """The label of a stored reason; a reason that is not known any more is its own label.

    >>> drop_label("risk over the ceiling")
    'risk above the risk ceiling'
    """
    try:
        return DropReason(stored).label
    except ValueError:
        return stored


@dataclass(frozen=True, slots=True)
class Instance:
    """A managed EC2 instance.

    Args:
        instance_id: such as "i-0abc…".
        account: name of its account.
        pool: where it runs; its zone is known.
        lifecycle: spot or on-demand.
        name: its Name tag, or "".
        state: as EC2 reports it: running, stopped, …
        model: "name" or "name@version" assigned to it; None: the champion.
        shadow: decisions are recorded, but not executed.
        mode: which pipeline evaluates it.
        active: still listed in the account.
        launched_at: aware UTC; None: unknown.
        requirements: of a replacement; None: derived from its own type.
        last_evaluated_at: aware UTC, or None.
        tags: its tags in EC2.
        signal: its last interruption notice or rebalance recommendation, or None.
    """

    instance_id: str
    account: str
    pool: Pool
    lifecycle: Lifecycle
    name: str = ""
    state: str = "running"
    model: str | None = None
    shadow: bool = True
    mode: PipelineMode = PipelineMode.LINEAR
    active: bool = True
    launched_at: datetime | None = None
    requirements: Requirements | None = None
    last_evaluated_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    signal: Signal | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pool with its price, risk and expected cost.

    Args:
        pool: the pool.
        spot_price_usd_per_hour: newest known.
        on_demand_price_usd_per_hour: None if unknown.
        risk: P(interrupted within horizon_h), 0..1.
        horizon_h: hours.
        hazard_per_hour: expected interruptions per hour.
        expected_cost_usd_per_hour: (price + hazard × cost of an interruption) / performance.
        rank: 1 has the lowest expected cost; 0: not ranked.
        dropped: why it is filtered; None: it is a candidate.
        reasons: sentences for a person.
        sources: of its numbers, price first.
        features: by name, without NaN.
        evidence: from own instances, if it changed the hazard; None: the hazard is the model's.
        performance: work per hour relative to the instance's own type; 1 where it is unknown.
    """

    pool: Pool
    spot_price_usd_per_hour: float
    on_demand_price_usd_per_hour: float | None
    risk: float
    horizon_h: float
    hazard_per_hour: float
    expected_cost_usd_per_hour: float
    rank: int = 0
    dropped: DropReason | None = None
    reasons: tuple[str, ...] = ()
    sources: tuple[Provenance, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    evidence: Evidence | None = None
    performance: float = 1.0

    @property
    def price_for_work(self) -> float:
        """Spot price of an hour's work of the instance's own type, USD."""
        return self.spot_price_usd_per_hour / self.performance

    @property
    def interruption_usd_per_hour(self) -> float:
        """What interruptions add to an hour's work of the instance's own type, USD."""
        return self.expected_cost_usd_per_hour - self.price_for_work

    @property
    def hazard_within_a_month(self) -> float:
        """Mean hazard within an average month, per hour."""
        if self.evidence is None or not self.evidence.moves:
            return self.hazard_per_hour
        long_run = self.hazard_per_hour / self.evidence.multiple(self.horizon_h)
        return long_run * self.evidence.multiple(HOURS_PER_MONTH)

    @property
    def ceiling_risk(self) -> float:
        """Risk within CEILING_HORIZON_H, which the risk ceiling limits."""
        if self.evidence is None or not self.evidence.moves:
            return float(risk_within(self.hazard_per_hour, CEILING_HORIZON_H))
        return self._risk_without(())

    def _risk_without(self, without: Collection[ShortCause]) -> float:
        """Risk within CEILING_HORIZON_H without the short parts of some causes."""
        assert self.evidence is not None, "only with evidence"
        long_run = self.hazard_per_hour / self.evidence.multiple(self.horizon_h)
        within = self.evidence.multiple(CEILING_HORIZON_H, without=without)
        return float(risk_within(long_run * within, CEILING_HORIZON_H))

    @property
    def leaving_risk(self) -> float:
        """The same without the factor of a rebalance recommendation, for an instance's own pool.

        A recommendation makes a pool dearer to compare with, but forces no instance off it.
        """
        if self.evidence is not None and self.evidence.moves:
            return self._risk_without({ShortCause.REBALANCE})
        factor = self.evidence.rebalance_factor if self.evidence is not None else 1.0
        return float(risk_within(self.hazard_per_hour / factor, CEILING_HORIZON_H))


@dataclass(frozen=True, slots=True)
class StageTrace:
    """Input, output and duration of one stage of the pipeline.

    Args:
        name: collect, filter, features, risk, policy or record.
        duration_ms: wall-clock time.
        rows_in: number of input rows.
        rows_out: number of output rows.
    """

    name: str
    duration_ms: float
    rows_in: int
    rows_out: int


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The best option that was not taken.

    Args:
        decision: STAY, SWITCH or FALLBACK_ONDEMAND.
        pool: where the instance would run.
        expected_cost_usd_per_hour: its price with interruptions, per hour of the instance's work.
        margin: of moving there instead of staying; None for STAY.
        reason: why it lost, as a sentence.
    """

    decision: Decision
    pool: Pool
    expected_cost_usd_per_hour: float
    margin: Margin | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's decision about one instance.

    Args:
        decision: STAY, SWITCH or FALLBACK_ONDEMAND.
        reason: one or two sentences with numbers, for a person.
        current: its pool, scored; None if price or risk is unknown.
        chosen: the candidate to switch to; None unless SWITCH.
        saving_usd_per_hour: expected cost before minus after, USD per hour (may be negative for a
            fallback); for a STAY, after the best alternative (see `saving`). None if either is
            unknown.
        margin: of the chosen move, or for STAY of the best move that was possible; None if there
            was none or its cost is unknown.
        runner_up: the best option that was not taken, or None.
    """

    decision: Decision
    reason: str
    current: Candidate | None
    chosen: Candidate | None
    saving_usd_per_hour: float | None
    margin: Margin | None = None
    runner_up: RunnerUp | None = None


@dataclass(frozen=True, slots=True)
class RunReference:
    """The recorded run that an experiment's candidates are derived from.

    Args:
        run_id: of the run; 0 until it is recorded.
        candidates: number of pools that were scored for the instance.
        digest: of their numbers, which a replay must meet; see `rank.digest_of`.
    """

    run_id: int
    candidates: int
    digest: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """One decision with all its inputs, so that it can be inspected and replayed.

    Args:
        experiment_id: assigned by the ledger; 0 until it is recorded.
        created_at: aware UTC.
        instance: at that time.
        market: which market the numbers belong to.
        model: "name@version".
        policy: parameters used.
        requirements: used by the filter.
        verdict: the decision; None if none could be made.
        candidates: the pools that were scored, ranked ones first; empty while `run` says what
            they are derived from and nobody has derived them.
        dropped: number of filtered pools, by reason.
        feature_names: of the candidates' features, in order.
        stages: durations and row counts.
        degraded: why less data than usual was used; empty if healthy.
        shadow: recorded, but not to be executed.
        error: why no decision could be made; "" if one was made.
        duration_ms: of the evaluation of this instance.
        workload: the version that applied, and the rule that chose it.
        policy_version: "name@version" of the policy.
        unavailable: pools that were left to other instances of the run, by key, and why.
        performance: fingerprint of the performance index; "": all hardware counted as equal.
        last_switch_at: when its last switch was decided, aware UTC; None: never.
        run: the recorded run that the candidates are derived from; None: they were recorded in
            full.
    """

    experiment_id: int
    created_at: datetime
    instance: Instance
    market: MarketName
    model: str
    policy: PolicyParams
    requirements: Requirements
    verdict: Verdict | None
    candidates: tuple[Candidate, ...]
    dropped: Mapping[str, int]
    feature_names: tuple[str, ...]
    stages: tuple[StageTrace, ...]
    degraded: tuple[str, ...] = ()
    shadow: bool = True
    error: str = ""
    duration_ms: float = 0.0
    workload: AppliedWorkload = NO_WORKLOAD
    policy_version: str = DEFAULT_POLICY.reference
    unavailable: Mapping[str, str] = field(default_factory=dict)
    performance: str = ""
    last_switch_at: datetime | None = None
    run: RunReference | None = None

    @property
    def candidates_evaluated(self) -> int:
        """Number of pools that were scored for the instance."""
        return len(self.candidates) if self.run is None else self.run.candidates
