"""The parameters of the policy, described: label, unit, limits and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

CEILING_HORIZON_H: Final = 24.0
"""Horizon of the risk ceiling, hours."""
_YEAR_H: Final = 8_760.0
_HALF_LEFT: Final = "Time after which half of that is left; nothing is left after twice as long."

OF_A_FLEET: Final = ("max_arrivals_share", "max_spread_cost_fraction")
"""Parameters that place the moves of a run; they do not matter to one instance alone."""


class Unit(StrEnum):
    """Unit of a parameter or of another setting."""

    SHARE = "share"
    USD = "USD"
    USD_PER_HOUR = "USD/h"
    HOURS = "h"
    MINUTES = "min"
    TIMES = "times"
    YES_NO = "yes or no"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the policy, for forms, commands and the API.

    Args:
        label: short name for a person.
        unit: of its values.
        low, high: smallest and largest value.
        meaning: what it does, in a sentence.
    """

    label: str
    unit: Unit
    low: float
    high: float
    meaning: str

    def text(self, value: float) -> str:
        """A value with its unit.

        >>> PARAMETERS["risk_ceiling"].text(0.0075), PARAMETERS["cooldown_h"].text(6.0)
        ('0.75 %', '6 h')
        """
        if self.unit is Unit.SHARE:
            return f"{100 * value:.10g} %"
        return f"{value:.10g} {self.unit}"


PARAMETERS: Final[Mapping[str, Parameter]] = MappingProxyType(
    {
        "min_saving_fraction": Parameter(
            "Minimum saving",
            Unit.SHARE,
            0.0,
            1.0,
            "Smallest saving that justifies a switch, as a share of the present expected cost.",
        ),
        "min_saving_usd_per_hour": Parameter(
            "Minimum saving per hour",
            Unit.USD_PER_HOUR,
            0.0,
            1e6,
            "Smallest saving that justifies a switch, in USD per hour; both minimums must be met.",
        ),
        "hysteresis_fraction": Parameter(
            "Hysteresis",
            Unit.SHARE,
            0.0,
            1.0,
            "Added to the minimum saving within twice the cooldown of a switch.",
        ),
        "cooldown_h": Parameter(
            "Cooldown",
            Unit.HOURS,
            0.0,
            _YEAR_H,
            "Time after a switch during which no switch is made for a saving.",
        ),
        "risk_ceiling": Parameter(
            "Risk ceiling",
            Unit.SHARE,
            1e-6,
            1.0,
            f"Highest risk of an interruption within {CEILING_HORIZON_H:g} h that a pool may have; "
            "an instance above it leaves its pool.",
        ),
        "ceiling_hysteresis_fraction": Parameter(
            "Margin above the risk ceiling",
            Unit.SHARE,
            0.0,
            1.0,
            "An instance leaves its own pool only when the pool's risk is above the ceiling by "
            "more than this share of it.",
        ),
        "max_avoided_interruption_usd": Parameter(
            "Price of safety",
            Unit.USD,
            0.0,
            1e9,
            "Most that leaving a pool over the ceiling may cost for each interruption that it "
            "avoids; a move that costs more is not made.",
        ),
        "max_price_age_h": Parameter(
            "Maximum price age",
            Unit.HOURS,
            0.1,
            _YEAR_H,
            "Prices that were read longer ago are not used, except in a recorded market.",
        ),
        "signal_exclusion_min": Parameter(
            "Exclusion after a signal",
            Unit.MINUTES,
            0.0,
            1_440.0,
            "Time after an interruption, its notice or a rebalance recommendation of an own "
            "instance during which its pool is no candidate; 0: none.",
        ),
        "switch_downtime_h": Parameter(
            "Downtime of a switch",
            Unit.HOURS,
            0.0,
            _YEAR_H,
            "Work lost by a switch itself, valued at what an hour of the workload is worth.",
        ),
        "expected_stay_h": Parameter(
            "Expected stay",
            Unit.HOURS,
            0.1,
            _YEAR_H,
            "Time over which the cost of a switch is spread.",
        ),
        "max_arrivals_share": Parameter(
            "Largest share sent to one pool",
            Unit.SHARE,
            0.0,
            1.0,
            "Largest share of an account's instances that one run may send to one pool; at least "
            "one instance.",
        ),
        "max_spread_cost_fraction": Parameter(
            "Highest cost of the spread",
            Unit.SHARE,
            0.0,
            1.0,
            "An instance that must leave its pool ignores that limit if keeping to it would cost "
            "more, as a share of the expected cost of its first choice.",
        ),
        "rebalance_factor": Parameter(
            "Factor of a rebalance recommendation",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What a rebalance recommendation multiplies its pool's hazard by when it is new; "
            "1: nothing.",
        ),
        "rebalance_half_life_h": Parameter(
            "Half-life of a rebalance recommendation",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "capacity_factor": Parameter(
            "Factor of a lack of capacity",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What an interruption or a refused launch multiplies its pool's hazard by when it "
            "is new; 1: nothing, and it is looked for only while a saved policy counts it.",
        ),
        "capacity_half_life_h": Parameter(
            "Half-life of a lack of capacity",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "sibling_factor": Parameter(
            "Factor of a lack of capacity in a sibling zone",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What an interruption or a refused launch multiplies the hazard of the type in "
            "the region's other zones by when it is new; 1: nothing.",
        ),
        "sibling_half_life_h": Parameter(
            "Half-life of a lack of capacity in a sibling zone",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "placement_factor": Parameter(
            "Factor of a fall of the placement score",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What a fall of the placement score from 10 to 1 multiplies its pools' hazard by when "
            "it is new, smaller falls in proportion; 1: nothing.",
        ),
        "placement_half_life_h": Parameter(
            "Half-life of a fall of the placement score",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "capacity_forecast_share": Parameter(
            "Share of capacity forecasts",
            Unit.SHARE,
            0.0,
            1.0,
            "Share of a forecast lack of capacity that counts as an interruption of a running "
            "instance; for pools with a history of launches or probes; 0: none.",
        ),
        "joint_loss_share": Parameter(
            "Share of joint losses",
            Unit.SHARE,
            0.0,
            0.99,
            "P(another instance of a pool is lost because an own one was interrupted there); "
            "0: an interruption says nothing about the others.",
        ),
        "joint_loss_half_life_min": Parameter(
            "Half-life of joint losses",
            Unit.MINUTES,
            1.0,
            720.0,
            _HALF_LEFT,
        ),
        "family_factor": Parameter(
            "Factor of a lack of capacity in the family",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What a lack of capacity of two or more types of a family multiplies the hazard of its "
            "other types in the region by when it is new; 1: nothing.",
        ),
        "family_half_life_h": Parameter(
            "Half-life of a lack of capacity in the family",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "price_factor": Parameter(
            "Factor of a price jump",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What a rise of the price by 1 % or more at once multiplies its pool's hazard by when "
            "it is new; 1: nothing, and it is looked for only while a saved policy counts it.",
        ),
        "price_half_life_h": Parameter(
            "Half-life of a price jump",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "spread_factor": Parameter(
            "Factor of a wider zone spread",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What a spread of the zones' prices that is 1 % wider than a day before multiplies the "
            "type's hazard in the region by when it is new; 1: nothing, and it is looked for only "
            "while a saved policy counts it.",
        ),
        "spread_half_life_h": Parameter(
            "Half-life of a wider zone spread",
            Unit.HOURS,
            0.05,
            12.0,
            _HALF_LEFT,
        ),
        "advisor_factor": Parameter(
            "Factor of a rise of the bucket",
            Unit.TIMES,
            1.0,
            1_000.0,
            "What a rise of the advisor's bucket since the snapshot before multiplies the type's "
            "hazard in the region by, beside the bucket itself, when it is new; 1: nothing, and it "
            "is looked for only while a saved policy counts it.",
        ),
        "advisor_half_life_h": Parameter(
            "Half-life of a rise of the bucket",
            Unit.HOURS,
            0.05,
            720.0,
            _HALF_LEFT,
        ),
    }
)
