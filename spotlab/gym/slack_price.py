"""A job's policy that prices its slack, and moves data only for what a move is seen to be worth.

Time until the deadline that the work does not need is slack; without it, the rest of the work is
done on-demand. An hour of it is worth

    (on-demand price − lowest spot price) × (work left / time left) ** URGENCY

A job without an instance compares, for each pool, what an hour of work will cost there:

    (egress + wait × slack + (spot price + slack) × lifetime) / (lifetime − changeover)

where lifetime is the mean time for which the pool was seen to be up, and wait the mean time for
which it was seen to be down, or the time for which it has been down now if that is longer: long
shortages last longer. It starts the best pool if that is up, and otherwise waits for it, on-
demand once little slack is left. A running spot instance is kept. A move thus has to earn its
egress and changeover, a pool that keeps failing has a short lifetime, and if no pool is good the
safety net remains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.gym.deadline_safety import slack_h
from spotlab.gym.views import ON_DEMAND, STAY, Action, Do, View
from spotlab.gym.world import FloatArray

URGENCY: Final = 4.0
"""Exponent of the share of the time left that the work needs. Between 1 and 16, the cost differs by
2 % in six sets of three zones of 2023-02-15 in which SkyNomad did not publish."""
HALF_LIFE_H: Final = 24.0
"""Past hours count half after this."""
PRIOR_LIFETIME_H: Final = 6.0
PRIOR_WAIT_H: Final = 2.0
"""Of a pool of which nothing is known; one observation each."""
PROBE_EVERY_H: Final = 1.0
_LOOKBACK_H: Final = 10.0 * HALF_LIFE_H
_USEFUL: Final = 1.05
"""A lifetime has to exceed the changeover by this factor."""


class SlackPrice:
    """Chooses by the cost of an hour of work, including what it takes to get there.

    Args:
        pays_for_probes: whether it only knows what its instances and launches tell, and hourly
            probes that it pays for, from the start of the job; otherwise it uses every tick of the
            trace so far.
    """

    def __init__(self, *, pays_for_probes: bool) -> None:
        self._pays = pays_for_probes
        self._seen: _Lifetimes | None = None
        self._last: int | None = None

    def decide(self, view: View) -> Action:
        """Start the best pool if it is up; otherwise wait, or use on-demand."""
        probes = self._observe(view)
        action = self._choose(view)
        return Action(action.do, action.place, action.why, probes) if probes else action

    def _choose(self, view: View) -> Action:
        place = view.place
        if place is not None and (place != ON_DEMAND or view.ready_in_h > 0.0):
            return STAY
        slack = slack_h(view)
        margin_h = (3.0 * view.changeover_h + 2.0 * view.tick_h) if place == ON_DEMAND else 0.0
        best, usd = (None, np.inf) if place == ON_DEMAND and slack <= margin_h else self._try(view)
        limit = view.on_demand_usd_per_hour + _slack_usd_per_hour(view)
        must_save = place == ON_DEMAND or slack <= 2.0 * view.changeover_h
        if best is not None and (usd < limit or not must_save):
            return Action(Do.START, best, f"{usd:.3f} USD per hour of work, with its slack")
        if place is None and best is None and slack < 2.0 * view.changeover_h + view.tick_h:
            return Action(Do.START, ON_DEMAND, "little slack, and the best pool is not up")
        return STAY

    def _try(self, view: View) -> tuple[int | None, float]:
        """The best pool and its cost of an hour of work, USD; None if it is not up.

        Launching tells whether a pool is up: one that was thought to be up is tried, and then the
        best pool is chosen again.
        """
        assert self._seen is not None
        tried: set[int] = set()
        while True:
            best, usd = self._best(view)
            if best is None or best in tried:
                return None, np.inf
            self._seen.observe(view.elapsed_h, view.up, [best])
            if view.up[best]:
                return best, usd
            tried.add(best)

    def _best(self, view: View) -> tuple[int | None, float]:
        assert self._seen is not None
        slack_usd = _slack_usd_per_hour(view)
        lifetime = np.minimum(self._seen.lifetime_h, view.work_left_h + view.changeover_h)
        paid = view.move_usd + slack_usd * self._seen.wait_h + (view.prices + slack_usd) * lifetime
        useful = lifetime > view.changeover_h * _USEFUL
        work = np.where(useful, lifetime - view.changeover_h, 1.0)
        usd = np.where(useful, paid / work, np.inf)
        best = int(np.argmin(usd))
        return (best, float(usd[best])) if np.isfinite(usd[best]) else (None, np.inf)

    def _observe(self, view: View) -> tuple[int, ...]:
        """Learn from what the policy may know at this tick; returns the pools that it probes."""
        pools = range(len(view.names))
        if self._seen is None:
            self._seen = _Lifetimes(len(pools))
            if not self._pays:
                rows = max(1, round(_LOOKBACK_H / view.tick_h))
                past = view.available[-rows - 1 : -1] == 1.0
                for number, up in enumerate(past):
                    self._seen.observe((number - len(past)) * view.tick_h, up, pools)
        due = view.tick % max(1, round(PROBE_EVERY_H / view.tick_h)) == 0
        if due or not self._pays:
            self._seen.observe(view.elapsed_h, view.up, pools)
        elif self._last is not None:
            self._seen.observe(view.elapsed_h, view.up, [self._last])
        self._last = None if view.place == ON_DEMAND else view.place
        return tuple(pool for pool in pools if pool != view.place) if due and self._pays else ()


class _Lifetimes:
    """How long pools were up and down, with older hours counting less."""

    def __init__(self, pools: int) -> None:
        self._known = np.zeros(pools, dtype=bool)
        self._up = np.zeros(pools, dtype=bool)
        self._at_h = np.zeros(pools)
        self._hours = np.zeros((2, pools))
        self._ends = np.zeros((2, pools))
        self._down_h = np.zeros(pools)

    def observe(self, at_h: float, up: NDArray[np.bool_], pools: Sequence[int]) -> None:
        """Record whether pools are up, at a time that is not before that of the last record."""
        seen = np.zeros(len(up), dtype=bool)
        seen[pools] = True
        passed_h = np.where(seen & self._known, at_h - self._at_h, 0.0)
        states = np.stack([self._up, ~self._up]) & self._known
        ended = states & (self._up != up) & seen
        keep = 0.5 ** (passed_h / HALF_LIFE_H)
        self._hours = self._hours * keep + states * passed_h
        self._ends = self._ends * keep + ended
        self._down_h = np.where(seen & up, 0.0, self._down_h + passed_h)
        self._up = np.where(seen, up, self._up)
        self._at_h = np.where(seen, at_h, self._at_h)
        self._known |= seen

    @property
    def lifetime_h(self) -> FloatArray:
        """(p,) mean time for which a pool is up."""
        return np.asarray((self._hours[0] + PRIOR_LIFETIME_H) / (self._ends[0] + 1.0))

    @property
    def wait_h(self) -> FloatArray:
        """(p,) expected time until each pool is up; 0 if it was at its last record."""
        mean = (self._hours[1] + PRIOR_WAIT_H) / (self._ends[1] + 1.0)
        return np.where(self._up | ~self._known, 0.0, np.maximum(mean, self._down_h))


def _slack_usd_per_hour(view: View) -> float:
    needed_h = view.work_left_h + 2.0 * view.changeover_h
    share = min(1.0, needed_h / max(view.deadline_in_h, view.tick_h))
    saved = view.on_demand_usd_per_hour - float(view.prices.min())
    return max(0.0, saved) * math.pow(share, URGENCY)
