"""What-if: changes to the policy and to workloads, and what running somewhere costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import PARAMETERS, Unit
from spotlab.domain.risk import HOURS_PER_MONTH
from spotlab.domain.workload import LIMITS, MAX_MEMORY_TOLERANCE, Workload
from spotlab.errors import InvalidInput


class Part(StrEnum):
    """What a change belongs to."""

    POLICY = "policy"
    WORKLOAD = "workload"
    HARDWARE = "hardware"


@dataclass(frozen=True, slots=True)
class Knob:
    """A value that can be changed.

    Args:
        part: what it belongs to.
        label: short name for a person.
        unit: of its values.
        meaning: what it does, in a sentence.
        low, high: smallest and largest number.
    """

    part: Part
    label: str
    unit: Unit
    meaning: str
    low: float = 0.0
    high: float = 1.0

    def text(self, value: float | bool) -> str:
        """A value with its unit.

        >>> KNOBS["risk_ceiling"].text(0.0075), KNOBS["horizon_h"].text(24.0)
        ('0.75 %', '24 h')
        """
        if self.unit is Unit.YES_NO:
            return "yes" if value else "no"
        if self.unit is Unit.SHARE:
            return f"{100 * value:.4g} %"
        return f"{value:,.4g} {self.unit}"


KNOBS: Final[Mapping[str, Knob]] = MappingProxyType(
    {
        **{
            name: Knob(Part.POLICY, each.label, each.unit, each.meaning, each.low, each.high)
            for name, each in PARAMETERS.items()
        },
        "interruption_usd": Knob(
            Part.WORKLOAD,
            "Cost of an interruption",
            Unit.USD,
            "What one interruption costs, instead of the workload's lost work, recovery and fixed "
            "cost.",
            high=LIMITS["fixed_usd"][1],
        ),
        "horizon_h": Knob(
            Part.WORKLOAD,
            "Horizon",
            Unit.HOURS,
            "Horizon of the risks that are shown. Costs count recent evidence as far as it lasts "
            "within it; the risk ceiling always applies to 24 h.",
            *LIMITS["horizon_h"],
        ),
        "memory_tolerance": Knob(
            Part.HARDWARE,
            "Memory tolerance",
            Unit.SHARE,
            "Share of its memory that a replacement may lack.",
            high=MAX_MEMORY_TOLERANCE,
        ),
        "allow_older_generation": Knob(
            Part.HARDWARE,
            "Older CPU generations",
            Unit.YES_NO,
            "Whether an older CPU generation may replace a newer one.",
        ),
        "allow_burstable": Knob(
            Part.HARDWARE,
            "Burstable and flex types",
            Unit.YES_NO,
            "Whether a burstable or flex CPU may replace a fixed one.",
        ),
        "allow_weaker_gpu": Knob(
            Part.HARDWARE,
            "Weaker GPUs",
            Unit.YES_NO,
            "Whether a weaker GPU, or one with less memory, may replace a stronger one.",
        ),
        "same_cpu_maker": Knob(
            Part.HARDWARE,
            "Same CPU maker",
            Unit.YES_NO,
            "Whether a replacement needs a CPU of the same maker.",
        ),
        "uses_local_storage": Knob(
            Part.HARDWARE,
            "Local storage in use",
            Unit.YES_NO,
            "Whether a replacement needs as much local NVMe storage.",
        ),
        "keeps_bandwidth": Knob(
            Part.HARDWARE,
            "Bandwidth in use",
            Unit.YES_NO,
            "Whether a replacement needs as much network and EBS bandwidth.",
        ),
    }
)
"""Everything that a what-if can change, by the name of its field in Changes."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes to the policy and to the workloads; None: as it is. See KNOBS.

    Raises:
        InvalidInput: a number is outside of its limits.
    """

    risk_ceiling: float | None = None
    min_saving_fraction: float | None = None
    min_saving_usd_per_hour: float | None = None
    cooldown_h: float | None = None
    hysteresis_fraction: float | None = None
    ceiling_hysteresis_fraction: float | None = None
    max_avoided_interruption_usd: float | None = None
    max_arrivals_share: float | None = None
    max_spread_cost_fraction: float | None = None
    signal_exclusion_min: float | None = None
    switch_downtime_h: float | None = None
    expected_stay_h: float | None = None
    max_price_age_h: float | None = None
    rebalance_factor: float | None = None
    rebalance_half_life_h: float | None = None
    capacity_factor: float | None = None
    capacity_half_life_h: float | None = None
    sibling_factor: float | None = None
    sibling_half_life_h: float | None = None
    placement_factor: float | None = None
    placement_half_life_h: float | None = None
    capacity_forecast_share: float | None = None
    joint_loss_share: float | None = None
    joint_loss_half_life_min: float | None = None
    family_factor: float | None = None
    family_half_life_h: float | None = None
    price_factor: float | None = None
    price_half_life_h: float | None = None
    spread_factor: float | None = None
    spread_half_life_h: float | None = None
    advisor_factor: float | None = None
    advisor_half_life_h: float | None = None
    interruption_usd: float | None = None
    horizon_h: float | None = None
    memory_tolerance: float | None = None
    allow_older_generation: bool | None = None
    allow_burstable: bool | None = None
    allow_weaker_gpu: bool | None = None
    same_cpu_maker: bool | None = None
    uses_local_storage: bool | None = None
    keeps_bandwidth: bool | None = None

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, value in self.as_dict().items():
            knob = KNOBS[name]
            if knob.unit is not Unit.YES_NO and not knob.low <= value <= knob.high:
                raise InvalidInput(
                    f"{name} is {value}.",
                    remedy=f"Use {knob.low:g} to {knob.high:g}.",
                    field=name,
                )

    def as_dict(self, *parts: Part) -> dict[str, Any]:
        """What is changed, by name; of some parts only if any are given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if value is not None and (not parts or KNOBS[name].part in parts)
        }

    def policy(self, params: PolicyParams) -> PolicyParams:
        """The parameters with these changes."""
        return replace(params, **self.as_dict(Part.POLICY))

    def workload(self, workload: Workload) -> Workload:
        """A workload with these changes; the same object if nothing of it is changed."""
        changed = self.as_dict(Part.WORKLOAD)
        usd = changed.pop("interruption_usd", None)
        if usd is not None:
            changed |= {
                "fixed_usd": usd,
                "work_lost_h": 0.0,
                "checkpoint_interval_h": None,
                "recovery_h": 0.0,
                "deadline_slack_h": None,
                "late_usd_per_hour": 0.0,
            }
        rule = self.as_dict(Part.HARDWARE)
        if rule:
            changed["hardware"] = replace(workload.hardware, **rule)
        return replace(workload, **changed) if changed else workload


@dataclass(frozen=True, slots=True)
class RunningCost:
    """What an hour's work costs somewhere.

    Args:
        price_usd_per_hour: spot or on-demand price.
        interruptions_per_hour: expected; 0 on demand.
        expected_cost_usd_per_hour: price and what interruptions cost.
    """

    price_usd_per_hour: float
    interruptions_per_hour: float
    expected_cost_usd_per_hour: float

    @property
    def interruptions_a_month(self) -> float:
        """Expected in an average month."""
        return self.interruptions_per_hour * HOURS_PER_MONTH

    def __add__(self, other: RunningCost) -> RunningCost:
        """Of both together."""
        return RunningCost(
            self.price_usd_per_hour + other.price_usd_per_hour,
            self.interruptions_per_hour + other.interruptions_per_hour,
            self.expected_cost_usd_per_hour + other.expected_cost_usd_per_hour,
        )
