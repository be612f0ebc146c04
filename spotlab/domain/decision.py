"""Candidates, the policy's parameters and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from spotlab.domain.market import LINUX, MarketName, Pool, Provenance
from spotlab.domain.risk import Evidence, risk_within
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload


class Decision(StrEnum):
    """What to do with an instance."""

    STAY = "STAY"
    SWITCH = "SWITCH"
    FALLBACK_ONDEMAND = "FALLBACK_ONDEMAND"


class Lifecycle(StrEnum):
    """How an instance is paid for."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


class PipelineMode(StrEnum):
    """Which pipeline evaluates an instance."""

    LINEAR = "linear"
    OFF = "off"


class DropReason(StrEnum):
    """Why a pool is no candidate. The value is a sentence a person reads."""

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
    ABOVE_ON_DEMAND = "costs no less than on-demand"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a pool must offer. None: no demand; an empty tuple: any.

    Args:
        regions: allowed regions.
        zones: allowed availability zones.
        families: allowed instance families.
        vcpu_min, vcpu_max: virtual CPUs.
        memory_gb_min, memory_gb_max: GiB.
        architecture: "x86_64" or "arm64".
        accelerator: True: needs one; False: must not have one; None: no matter.
        burstable: True: must be a t series type; False: must not be one; None: no matter.
        max_advisor_bucket: drop pools whose trailing-month bucket (0..4) is higher.
        operating_system: "Linux" or "Windows".
    """

    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    vcpu_min: float | None = None
    vcpu_max: float | None = None
    memory_gb_min: float | None = None
    memory_gb_max: float | None = None
    architecture: str | None = None
    accelerator: bool | None = None
    burstable: bool | None = None
    max_advisor_bucket: int | None = None
    operating_system: str = LINUX


CEILING_HORIZON_H: Final = 24.0
"""Horizon of the risk ceiling, hours."""


@dataclass(frozen=True, slots=True)
class PolicyParams:
    """What the policy weighs, with its defaults. Stored whole with every experiment.

    Args:
        min_saving_fraction: a switch must lower the expected cost by this share of the present one.
        min_saving_usd_per_hour: and by this much, USD per hour.
        hysteresis_fraction: after a switch within twice the cooldown, the share asked is higher by
            this.
        cooldown_h: no switch for a saving within this long of the last one, hours.
        risk_ceiling: a pool over this risk within CEILING_HORIZON_H is not used, whatever the
            workload's horizon; 0.0075 is about 20 % a month.
        max_price_age_h: a pool whose price was read longer ago is not used, hours; a recorded
            market is as it was, and has no such limit.
        switch_downtime_h: what a switch itself costs, hours of work at the on-demand price.
        expected_stay_h: over how many hours a switch's own cost is spread.
    """

    min_saving_fraction: float = 0.05
    min_saving_usd_per_hour: float = 0.001
    hysteresis_fraction: float = 0.05
    cooldown_h: float = 6.0
    risk_ceiling: float = 0.0075
    max_price_age_h: float = 48.0
    switch_downtime_h: float = 0.1
    expected_stay_h: float = 72.0

    def as_dict(self) -> dict[str, float]:
        """The parameters by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance that SpotLab looks after.

    Args:
        instance_id: such as "i-0abc…".
        account: name of the account it lives in.
        pool: where it runs; its zone is known.
        lifecycle: spot or on-demand.
        name: its Name tag, or "".
        state: EC2's word: running, stopped, …
        model: "name" or "name@version" assigned to it; None: the champion.
        shadow: decide and record, but never carry out.
        mode: which pipeline evaluates it.
        active: still seen in the account.
        launched_at: aware UTC, or None where unknown.
        requirements: what a replacement must offer; None: derived from its own type.
        last_evaluated_at: aware UTC, or None.
        tags: its tags in EC2.
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pool with its price, risk and expected cost.

    Args:
        pool: the pool.
        spot_price_usd_per_hour: newest known.
        on_demand_price_usd_per_hour: None where unknown.
        risk: P(interrupted within horizon_h), 0..1.
        horizon_h: hours.
        hazard_per_hour: expected interruptions per hour.
        expected_cost_usd_per_hour: price + hazard × cost of an interruption.
        rank: 1 is the cheapest expected cost; 0 while not ranked.
        dropped: why it is no candidate; None when it is one.
        reasons: sentences for a person.
        sources: where its numbers came from, price first.
        features: its features by name (NaN left out).
        evidence: what own instances taught about the hazard; None: nothing, it is the model's.
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

    @property
    def ceiling_risk(self) -> float:
        """Risk within CEILING_HORIZON_H, which the risk ceiling limits."""
        return float(risk_within(self.hazard_per_hour, CEILING_HORIZON_H))


@dataclass(frozen=True, slots=True)
class StageTrace:
    """What one stage of the pipeline took in, gave out and cost.

    Args:
        name: collect, filter, features, risk, policy or record.
        duration_ms: wall time.
        rows_in: rows it was given.
        rows_out: rows it passed on.
    """

    name: str
    duration_ms: float
    rows_in: int
    rows_out: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's answer for one instance.

    Args:
        decision: STAY, SWITCH or FALLBACK_ONDEMAND.
        reason: one or two sentences with numbers, for a person.
        current: the pool it is on, scored; None where its price or risk is unknown.
        chosen: the candidate to switch to; None unless SWITCH.
        saving_usd_per_hour: expected cost now minus after, USD per hour (a fallback may be
            negative); None where either is unknown.
    """

    decision: Decision
    reason: str
    current: Candidate | None
    chosen: Candidate | None
    saving_usd_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One evaluated decision, whole, so that it can be opened and replayed.

    Args:
        experiment_id: assigned by the ledger; 0 while not recorded.
        created_at: aware UTC.
        instance: as it was.
        market: which market the numbers belong to.
        model: "name@version".
        policy: parameters used.
        requirements: used by the filter.
        verdict: decision, reason, current and chosen.
        candidates: every pool that was scored, ranked ones first.
        dropped: how many pools were dropped, by reason.
        feature_names: order of the features each candidate carries.
        stages: times and counts.
        degraded: reasons, empty when healthy.
        shadow: recorded but not to be carried out.
        error: why no decision could be made; "" when one was.
        duration_ms: of the whole evaluation.
        workload: the version that applied, and the rule that chose it.
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
