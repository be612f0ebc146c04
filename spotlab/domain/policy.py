"""Parameters of the decision policy: minimum saving, cooldown, risk ceiling."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

CEILING_HORIZON_H: Final = 24.0
"""Horizon of the risk ceiling, hours."""


@dataclass(frozen=True, slots=True)
class PolicyParams:
    """Parameters of the policy, with defaults. Recorded with every experiment.

    Args:
        min_saving_fraction: smallest reduction of the expected cost that justifies a switch, as a
            share of the present expected cost.
        min_saving_usd_per_hour: the same in USD per hour; both must be met.
        hysteresis_fraction: added to min_saving_fraction within twice the cooldown of a switch.
        cooldown_h: time after a switch during which no switch is made for a saving, hours.
        risk_ceiling: highest risk within CEILING_HORIZON_H that a pool may have, whatever the
            workload's horizon; 0.0075 is about 20 % a month.
        max_price_age_h: a pool whose price was read longer ago is not used, hours; does not apply
            to a recorded market.
        switch_downtime_h: cost of a switch itself, hours of work at the on-demand price.
        expected_stay_h: hours over which the cost of a switch is spread.
        max_arrivals_share: largest share of an account's instances that one run may send to one
            pool, at least one instance: 1 of 3, 6 of 24, 250 of 1,000.
        max_spread_cost_fraction: an instance that must leave its pool does not have to keep to that
            limit if it would cost it more, as a share of the expected cost of its first choice.
    """

    min_saving_fraction: float = 0.05
    min_saving_usd_per_hour: float = 0.001
    hysteresis_fraction: float = 0.05
    cooldown_h: float = 6.0
    risk_ceiling: float = 0.0075
    max_price_age_h: float = 48.0
    switch_downtime_h: float = 0.1
    expected_stay_h: float = 72.0
    max_arrivals_share: float = 0.25
    max_spread_cost_fraction: float = 0.25

    def as_dict(self) -> dict[str, float]:
        """The parameters by name."""
        return asdict(self)
