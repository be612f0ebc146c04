"""Registry of the policies, and the simple policies.

Every policy for a job with a deadline is wrapped in the safety net (`deadline_safety`), so that
costs are compared under the same guarantee.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.gym.deadline_safety import WithSafetyNet
from spotlab.gym.oracle import Oracle
from spotlab.gym.published_uniform_progress import (
    AvailabilityPriceProgress,
    AvailabilityProgress,
    EagerFailoverProgress,
)
from spotlab.gym.regret_budget import record_trail
from spotlab.gym.slack_price import SlackPrice
from spotlab.gym.spotlab_policy import SpotlabPolicy
from spotlab.gym.uniform_progress import UniformProgress
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, Policy, View
from spotlab.gym.workloads import DeadlineJob, Workload
from spotlab.gym.world import FloatArray, World

GREEDY: Final = "spot_greedy"
SPOTLAB: Final = "spotlab:"
"""Prefix of the names of SpotLab's policies; a model's name follows."""


class OnDemand:
    """One on-demand instance for the whole window."""

    def decide(self, view: View) -> Action:
        """Start it once."""
        return STAY if view.place == ON_DEMAND else Action(Do.START, ON_DEMAND, "on-demand only")


class SpotGreedy:
    """The cheapest pool that is up, until it is lost; waits while none is up."""

    def decide(self, view: View) -> Action:
        """Start an instance if none is running."""
        if view.place is not None or not view.up.any():
            return STAY
        return Action(Do.START, cheapest(view, view.up), "cheapest pool that is up")


class CheapestPool:
    """Always the cheapest pool that is up: moves as soon as a cheaper one is up."""

    def decide(self, view: View) -> Action:
        """Start an instance in the cheapest pool."""
        if not view.up.any():
            return STAY
        best = cheapest(view, view.up)
        here = view.place
        if here is not None and here != ON_DEMAND and view.prices[here] <= view.prices[best]:
            return STAY
        return Action(Do.START, best, "a cheaper pool is up")


class LowestAdvisorBucket:
    """The pool with the lowest advisor bucket that is up, until it is lost; ties: the cheapest."""

    def decide(self, view: View) -> Action:
        """Start an instance if none is running."""
        if view.place is not None or not view.up.any() or view.buckets is None:
            return STAY
        known = np.where(np.isnan(view.buckets), np.inf, view.buckets)
        lowest = view.up & (known == known[view.up].min())
        return Action(Do.START, cheapest(view, lowest), "lowest advisor bucket that is up")


class EagerFailover:
    """Immediate failover to another pool, to on-demand if none is up, and back to spot.

    After an interruption, the lost pool is tried last. On-demand keeps running until the spot
    instance that replaces it is ready.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def decide(self, view: View) -> Action:
        """Fail over, fall back or recover."""
        if view.place not in {None, ON_DEMAND}:
            self._last = view.place
            return STAY
        if view.moving_to is not None or (view.place == ON_DEMAND and view.ready_in_h > 0):
            return STAY
        if not view.up.any():
            why = "no pool is up"
            return STAY if view.place == ON_DEMAND else Action(Do.START, ON_DEMAND, why)
        others = view.up.copy()
        if self._last is not None:
            others[self._last] = False
        target = cheapest(view, others if others.any() else view.up)
        if view.place == ON_DEMAND:
            return Action(Do.MOVE, target, "spot is back")
        return Action(Do.START, target, "failover to the cheapest pool that is up")


def cheapest(view: View, among: NDArray[np.bool_]) -> int:
    """The currently cheapest of some pools; ties: the first."""
    prices: FloatArray = np.where(among, view.prices, np.inf)
    return int(np.argmin(prices))


_SIMPLE: Final[dict[str, Callable[[], Policy]]] = {
    "on_demand": OnDemand,
    GREEDY: SpotGreedy,
    "cheapest_pool": CheapestPool,
    "lowest_advisor_bucket": LowestAdvisorBucket,
    "eager_failover": EagerFailover,
}
_UNIFORM_PROGRESS: Final[dict[str, Callable[[], Policy]]] = {
    "uniform_progress": lambda: UniformProgress(multi=False),
    "uniform_progress_multi": lambda: UniformProgress(multi=True),
}
_FOR_DATA: Final[dict[str, Callable[[], Policy]]] = {
    "uniform_progress_s": EagerFailoverProgress,
    "uniform_progress_a": AvailabilityProgress,
    "uniform_progress_ap": AvailabilityPriceProgress,
    "slack_price": lambda: SlackPrice(pays_for_probes=False),
    "slack_price_probing": lambda: SlackPrice(pays_for_probes=True),
}
"""For jobs whose data has to be moved; available everywhere, but not among "all" elsewhere."""
_PROGRESS: Final = {**_UNIFORM_PROGRESS, **_FOR_DATA}
ORACLE: Final = "oracle"
_LOWEST_BUCKET: Final = "lowest_advisor_bucket"


def policies_for(world: World, workload: Workload) -> tuple[str, ...]:
    """Names of the policies that can run in this world, the oracle last; used for "all"."""
    names = [name for name in _SIMPLE if name != _LOWEST_BUCKET or _has_buckets(world)]
    if isinstance(workload, DeadlineJob):
        names += _UNIFORM_PROGRESS
        names += _FOR_DATA if world.move_usd(workload) is not None else ()
    return (*names, *(f"{SPOTLAB}{model}" for model in world.forecasts), ORACLE)


def create_policy(
    name: str, world: World, workload: Workload, first_tick: int, ticks: int
) -> Policy:
    """A new policy for one window.

    Raises:
        InvalidInput: there is no such policy, or it does not support the world or workload.
    """
    if name == ORACLE:
        return Oracle(world, workload, first_tick, ticks)
    policy = _without_safety_net(name, world, workload, first_tick, ticks)
    return WithSafetyNet(policy) if isinstance(workload, DeadlineJob) else policy


def _without_safety_net(
    name: str, world: World, workload: Workload, first_tick: int, ticks: int
) -> Policy:
    if name == _LOWEST_BUCKET and not _has_buckets(world):
        raise InvalidInput(
            f"{_LOWEST_BUCKET} needs the advisor bucket of at least one pool.",
            remedy="Provide the pools' buckets, or remove this policy.",
        )
    if name in _SIMPLE:
        return _SIMPLE[name]()
    if name in _PROGRESS:
        if not isinstance(workload, DeadlineJob):
            raise InvalidInput(
                f"{name} needs a deadline, and a service has none.",
                remedy="Choose another policy, or a job with a deadline.",
            )
        return _PROGRESS[name]()
    if name.startswith(SPOTLAB):
        model = name.removeprefix(SPOTLAB)
        if model not in world.forecasts:
            known = ", ".join(sorted(world.forecasts)) or "none"
            raise InvalidInput(
                f"The policy {name!r} needs forecasts of {model!r}. Available forecasts: {known}.",
                remedy="Use a model whose forecasts were computed for this trace.",
            )
        greedy = create_policy(GREEDY, world, workload, first_tick, ticks)
        window = (world, workload, first_tick, ticks)
        return SpotlabPolicy(model, partial(record_trail, *window, greedy))
    names = ", ".join([*_SIMPLE, *_PROGRESS, f"{SPOTLAB}MODEL", ORACLE])
    raise InvalidInput(f"There is no policy {name!r}.", remedy=f"Available: {names}.")


def _has_buckets(world: World) -> bool:
    return world.buckets is not None and not np.isnan(world.buckets).all()
