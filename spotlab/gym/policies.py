"""The policies by name, and the simple ones.

Every policy for a job keeps the safety net (see deadline_safety.py), so that costs are compared at
equal promise; the rules above the net are what differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput
from spotlab.gym.deadline_safety import WithSafetyNet
from spotlab.gym.oracle import Oracle
from spotlab.gym.spotlab_policy import SpotlabPolicy
from spotlab.gym.uniform_progress import UniformProgress
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, Policy, View
from spotlab.gym.workloads import DeadlineJob, Workload
from spotlab.gym.world import FloatArray, World

SPOTLAB: Final = "spotlab:"
"""Followed by a model's name."""


class OnDemand:
    """One on-demand instance from beginning to end."""

    def decide(self, view: View) -> Action:
        """Start it, once."""
        return STAY if view.place == ON_DEMAND else Action(Do.START, ON_DEMAND, "on-demand only")


class SpotGreedy:
    """The cheapest pool that is up, until it is lost; nothing while none is up."""

    def decide(self, view: View) -> Action:
        """Start where nothing runs."""
        if view.place is not None or not view.up.any():
            return STAY
        return Action(Do.START, cheapest(view, view.up), "cheapest pool that is up")


class CheapestPool:
    """Always the cheapest pool that is up: leaves for a cheaper one as soon as there is one."""

    def decide(self, view: View) -> Action:
        """Go where it is cheapest."""
        if not view.up.any():
            return STAY
        best = cheapest(view, view.up)
        here = view.place
        if here is not None and here != ON_DEMAND and view.prices[here] <= view.prices[best]:
            return STAY
        return Action(Do.START, best, "a cheaper pool is up")


class LowestAdvisorBucket:
    """The pool of the lowest advisor bucket that is up, the cheapest of equals, until lost."""

    def decide(self, view: View) -> Action:
        """Start where nothing runs."""
        if view.place is not None or not view.up.any() or view.buckets is None:
            return STAY
        known = np.where(np.isnan(view.buckets), np.inf, view.buckets)
        lowest = view.up & (known == known[view.up].min())
        return Action(Do.START, cheapest(view, lowest), "lowest advisor bucket that is up")


class EagerFailover:
    """Another pool at once when one is lost, on-demand when none is up, and back to spot.

    After an interruption the pool that was lost is tried last. On-demand goes on until the spot
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
    """The cheapest of some pools now; the first of equals."""
    prices: FloatArray = np.where(among, view.prices, np.inf)
    return int(np.argmin(prices))


_SIMPLE: Final[dict[str, Callable[[], Policy]]] = {
    "on_demand": OnDemand,
    "spot_greedy": SpotGreedy,
    "cheapest_pool": CheapestPool,
    "lowest_advisor_bucket": LowestAdvisorBucket,
    "eager_failover": EagerFailover,
}
_UNIFORM_PROGRESS: Final = {"uniform_progress": False, "uniform_progress_multi": True}
ORACLE: Final = "oracle"
_LOWEST_BUCKET: Final = "lowest_advisor_bucket"


def policies_for(world: World, workload: Workload) -> tuple[str, ...]:
    """Names of the policies that can run in this world, the oracle last: what "all" means."""
    names = [name for name in _SIMPLE if name != _LOWEST_BUCKET or _has_buckets(world)]
    if isinstance(workload, DeadlineJob):
        names += _UNIFORM_PROGRESS
    return (*names, *(f"{SPOTLAB}{model}" for model in world.forecasts), ORACLE)


def policy_named(
    name: str, world: World, workload: Workload, first_tick: int, ticks: int
) -> Policy:
    """A new policy for one window.

    Raises:
        InvalidInput: no such policy, or the world or workload does not fit it.
    """
    if name == ORACLE:
        return Oracle(world, workload, first_tick, ticks)
    policy = _without_safety_net(name, world, workload)
    return WithSafetyNet(policy) if isinstance(workload, DeadlineJob) else policy


def _without_safety_net(name: str, world: World, workload: Workload) -> Policy:
    if name == _LOWEST_BUCKET and not _has_buckets(world):
        raise InvalidInput(
            f"{_LOWEST_BUCKET} needs an advisor bucket of at least one pool.",
            remedy="Give the pools' buckets, or leave this policy out.",
        )
    if name in _SIMPLE:
        return _SIMPLE[name]()
    if name in _UNIFORM_PROGRESS:
        if not isinstance(workload, DeadlineJob):
            raise InvalidInput(
                f"{name} needs a deadline, which a service has not.",
                remedy="Choose another policy, or a job.",
            )
        return UniformProgress(multi=_UNIFORM_PROGRESS[name])
    if name.startswith(SPOTLAB):
        model = name.removeprefix(SPOTLAB)
        if model not in world.forecasts:
            known = ", ".join(sorted(world.forecasts)) or "none"
            raise InvalidInput(
                f"The policy {name!r} needs forecasts of {model!r}; there are those of: {known}.",
                remedy="Name a model whose forecasts were computed for this trace.",
            )
        return SpotlabPolicy(model)
    names = ", ".join([*_SIMPLE, *_UNIFORM_PROGRESS, f"{SPOTLAB}MODEL", ORACLE])
    raise InvalidInput(f"There is no policy {name!r}.", remedy=f"Choose among {names}.")


def _has_buckets(world: World) -> bool:
    return world.buckets is not None and not np.isnan(world.buckets).all()
