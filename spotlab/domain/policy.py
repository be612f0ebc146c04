"""Decision policies as data: parameters, versions, and their states.

| from \\ to | draft | shadow | active | retired |
| --- | --- | --- | --- | --- |
| draft | | yes | yes | yes |
| shadow | yes | | yes | yes |
| active | | | | only if another version becomes active |
| retired | | yes | yes | |

Exactly one version is active: it decides. Versions in shadow decide alongside it at every
evaluation; their decisions are never executed. A saved version never changes; a change is the next
version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from spotlab.domain.plain_names import MAX_NAME, check_plain_name
from spotlab.domain.policy_parameters import PARAMETERS, Unit
from spotlab.errors import Conflict, InvalidInput
from spotlab.telemetry.invisible_characters import visible

DEFAULT_NAME: Final = "default"
MAX_DESCRIPTION: Final = 500


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
        ceiling_hysteresis_fraction: an instance leaves its own pool only when the pool's risk is
            above the ceiling by more than this share, so that a risk that moves around the ceiling
            causes no switch each time.
        max_avoided_interruption_usd: most that leaving a pool over the ceiling may cost for each
            interruption that it avoids, USD; a move that costs more is not made.
        max_price_age_h: a pool whose price was read longer ago is not used, hours; does not apply
            to a recorded market.
        signal_exclusion_min: time after an interruption, its notice or a rebalance recommendation
            of an own instance during which its pool is no candidate, minutes; 0: none.
        switch_downtime_h: cost of a switch itself, hours of work at the on-demand price.
        expected_stay_h: hours over which the cost of a switch is spread.
        max_arrivals_share: largest share of an account's instances that one run may send to one
            pool, at least one instance: 1 of 3, 6 of 24, 250 of 1,000.
        max_spread_cost_fraction: an instance that must leave its pool does not have to keep to that
            limit if it would cost it more, as a share of the expected cost of its first choice.
        rebalance_factor, capacity_factor, sibling_factor, placement_factor, family_factor,
            price_factor, spread_factor, advisor_factor: what evidence of each kind multiplies a
            pool's hazard by when it is new; 1: it does not count.
        joint_loss_share: P(another instance of a pool is lost because one was interrupted); 0: it
            does not count.
        joint_loss_half_life_min: time after which half of that hazard is left, minutes.
        capacity_forecast_share: share of a forecast lack of capacity that counts as an interruption
            of a running instance; 0: forecasts do not count.
        rebalance_half_life_h, capacity_half_life_h, sibling_half_life_h, placement_half_life_h,
            family_half_life_h, price_half_life_h, spread_half_life_h, advisor_half_life_h: time
            after which half of that is left, hours; see `hazard_curve`.
    """

    min_saving_fraction: float = 0.05
    min_saving_usd_per_hour: float = 0.001
    hysteresis_fraction: float = 0.05
    cooldown_h: float = 6.0
    risk_ceiling: float = 0.0075
    ceiling_hysteresis_fraction: float = 0.1
    max_avoided_interruption_usd: float = 250.0
    max_price_age_h: float = 48.0
    signal_exclusion_min: float = 60.0
    switch_downtime_h: float = 0.1
    expected_stay_h: float = 72.0
    max_arrivals_share: float = 0.25
    max_spread_cost_fraction: float = 0.25
    rebalance_factor: float = 4.0
    rebalance_half_life_h: float = 3.0
    capacity_factor: float = 12.0
    capacity_half_life_h: float = 1.0
    sibling_factor: float = 5.0
    sibling_half_life_h: float = 2.0
    placement_factor: float = 4.0
    placement_half_life_h: float = 3.0
    capacity_forecast_share: float = 0.25
    joint_loss_share: float = 0.92
    joint_loss_half_life_min: float = 5.0
    family_factor: float = 2.0
    family_half_life_h: float = 2.0
    price_factor: float = 1.0
    price_half_life_h: float = 3.0
    spread_factor: float = 1.0
    spread_half_life_h: float = 3.0
    advisor_factor: float = 1.0
    advisor_half_life_h: float = 168.0

    @property
    def leaving_risk(self) -> float:
        """Risk within CEILING_HORIZON_H above which an instance leaves its own pool."""
        return self.risk_ceiling * (1.0 + self.ceiling_hysteresis_fraction)

    def as_dict(self) -> dict[str, float]:
        """The parameters by name."""
        return asdict(self)


"""Every field of PolicyParams, in its order."""


class PolicyState(StrEnum):
    """What a version of a policy is used for."""

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


_D, _S, _A, _R = PolicyState
MOVES: Final[Mapping[PolicyState, frozenset[PolicyState]]] = MappingProxyType(
    {
        _D: frozenset({_S, _A, _R}),
        _S: frozenset({_D, _A, _R}),
        _A: frozenset(),
        _R: frozenset({_S, _A}),
    }
)
"""The states to which a user may change a version, by its present state."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a policy; versions never change.

    Args:
        name: such as "cautious".
        version: 1, 2, …
        description: what it is for, in a sentence.
        params: its parameters.
    """

    name: str
    version: int
    description: str
    params: PolicyParams

    def __post_init__(self) -> None:
        """Check name and ranges. Raises InvalidInput: names the field and what would be right."""
        check_plain_name(self.name, "policy", "cautious")
        if len(self.description) > MAX_DESCRIPTION:
            raise InvalidInput(
                f"description has {len(self.description)} characters.",
                remedy=f"Use at most {MAX_DESCRIPTION}.",
                field="description",
            )
        for name, parameter in PARAMETERS.items():
            value = getattr(self.params, name)
            if not parameter.low <= value <= parameter.high:  # NaN is rejected too
                limits = f"{parameter.low:g} to {parameter.high:g}"
                unit = "a share, " if parameter.unit is Unit.SHARE else f"{parameter.unit}, "
                raise InvalidInput(f"{name} is {value}.", remedy=f"Use {unit}{limits}.", field=name)

    @property
    def reference(self) -> str:
        """ "name@version"."""
        return f"{self.name}@{self.version}"


DEFAULT_POLICY: Final = Policy(
    DEFAULT_NAME,
    1,
    "The built-in policy: at least 5 % and 0.001 USD/h saved, at most 0.75 % risk within 24 h.",
    PolicyParams(),
)
"""Active until another version is; it is not in a row of the store."""


@dataclass(frozen=True, slots=True)
class PolicyEvent:
    """One change of a version's state.

    Args:
        at: aware UTC.
        actor: who.
        before: None: the version was saved.
        after: the new state.
        reason: why, in the actor's words.
    """

    at: datetime
    actor: str
    before: PolicyState | None
    after: PolicyState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version with its state.

    Args:
        policy: name, version and parameters.
        state: what it is used for.
        history: its changes of state, newest first; empty for the built-in one until it changes.
    """

    policy: Policy
    state: PolicyState
    history: tuple[PolicyEvent, ...] = ()

    @property
    def reference(self) -> str:
        """ "name@version"."""
        return self.policy.reference

    @property
    def is_built_in(self) -> bool:
        """Whether every installation has it."""
        return self.policy == DEFAULT_POLICY

    @property
    def moves(self) -> tuple[PolicyState, ...]:
        """The states to which it may change now."""
        allowed = MOVES[self.state]
        return tuple(state for state in PolicyState if state in allowed)


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """A parameter whose value differs between two policies."""

    name: str
    before: float
    after: float

    @property
    def text(self) -> str:
        """Both values with their unit.

        >>> ParameterChange("cooldown_h", 6.0, 12.0).text
        'Cooldown 6 h → 12 h'
        """
        parameter = PARAMETERS[self.name]
        return f"{parameter.label} {parameter.text(self.before)} → {parameter.text(self.after)}"


def differences(before: PolicyParams, after: PolicyParams) -> list[ParameterChange]:
    """The parameters that differ, in their order."""
    found = []
    for field in fields(PolicyParams):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            found.append(ParameterChange(field.name, old, new))
    return found


def check_move(version: PolicyVersion, state: PolicyState) -> None:
    """Check a change of state.

    Raises:
        Conflict: the present state does not allow it; says what would be right.
    """
    if state in MOVES[version.state]:
        return
    if state is version.state:
        raise Conflict(f"Policy {version.reference} is already {state}.")
    if version.state is PolicyState.ACTIVE:
        raise Conflict(
            f"Policy {version.reference} is active.",
            remedy="Activate another version; this one then retires.",
        )
    raise Conflict(
        f"Policy {version.reference} is {version.state} and cannot become {state}.",
        remedy=f"It can become {' or '.join(version.moves)}.",
    )


def with_changes(base: Policy, changes: Mapping[str, float]) -> PolicyParams:
    """The parameters of a policy with some of them changed.

    Raises:
        InvalidInput: no such parameter; names the available ones.
    """
    for name in changes:
        if name not in PARAMETERS:
            raise InvalidInput(
                f"{visible(name[:MAX_NAME])!r} is not a parameter of a policy.",
                remedy=f"Available: {', '.join(PARAMETERS)}.",
                field=visible(name[:MAX_NAME]),
            )
    return replace(base.params, **changes)


def to_parameters(policy: Policy) -> dict[str, Any]:
    """A policy as JSON values."""
    return {
        "name": policy.name,
        "version": policy.version,
        "description": policy.description,
        **policy.params.as_dict(),
    }


def find(versions: Sequence[PolicyVersion], name: str, version: str) -> PolicyVersion | None:
    """A version by its name and number; "" finds the newest of that name."""
    named = [each for each in versions if each.policy.name == name]
    if version:
        named = [each for each in named if str(each.policy.version) == version]
    return max(named, key=lambda each: each.policy.version, default=None)
