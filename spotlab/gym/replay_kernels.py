"""Compiled replay: the simulator with every policy but the oracle's search, as one loop.

Importing this module imports numba (0.5 s), and compiles its kernels or loads them from numba's
cache; `compiled_replay` does so in the background. The plain classes (`simulator`, `policies`,
`uniform_progress`, `spotlab_policy`, `deadline_safety`) are the reference: the expressions here
are theirs, in the same order, so that every figure is equal to the last bit. numba's cache depends
on this file only, so it imports no constant of another one.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call, call-arg, arg-type"

from __future__ import annotations

from collections import namedtuple
from functools import partial
from math import floor, inf, isfinite
from typing import Final

import numpy as np
from numba import njit

STAY, START, MOVE, CANCEL, STOP = 0, 1, 2, 3, 4
"""Actions."""
ON_DEMAND, NOWHERE = -1, -2
"""Places that are not pools; pools are 0..p-1."""
PLANNED, ONLY_ON_DEMAND, GREEDY, CHEAPEST, LOWEST_BUCKET, EAGER = 0, 1, 2, 3, 4, 5
UNIFORM_PROGRESS, SPOTLAB = 6, 7
"""Policies."""
_ROUNDING_H: Final = 1e-9
_compiled: Final = partial(njit, nogil=True, cache=True, error_model="numpy")


Setting = namedtuple(
    "Setting",
    "policy is_job ticks per_tick work changeover checkpoint quantum_h tick_h on_demand_usd work_h "
    "deadline_h downtime_usd history horizon_h lookback min_lookback_h choosiness losses_per_h "
    "patience caution_usd",
)
"""A window's clock, the workload's numbers, and those of SPOTLAB (from history on, the number of
ticks before the window); see `Clock`, `workloads` and `spotlab_policy`."""
Now = namedtuple(
    "Now",
    "tick place ready_h next_place next_h changeover_h checkpoint_h work_left_h at_risk_h "
    "deadline_in_h elapsed_h",
)
"""What a policy sees of its instances and of time; see `View`."""
Offer = namedtuple("Offer", "place cost usd risk hazard here_usd here_risk loss_usd")
"""SPOTLAB's best pool at a tick (NOWHERE if none is up) with its numbers, and price and risk of the
pool in which an instance runs."""


@_compiled()
def _cheapest(up, usd, usable, ranks, excluded):
    """The usable pool that is up with the lowest rank; of several, the cheapest."""
    best, best_usd, best_rank = NOWHERE, inf, inf
    for pool in range(len(up)):
        if not up[pool] or not usable[pool] or pool == excluded:
            continue
        cheaper = ranks[pool] == best_rank and usd[pool] < best_usd
        if best == NOWHERE or ranks[pool] < best_rank or cheaper:
            best, best_usd, best_rank = pool, usd[pool], ranks[pool]
    return best


@_compiled()
def _eager(now, best):
    if now.place >= 0 or now.next_place != NOWHERE or (now.place == ON_DEMAND and now.ready_h > 0):
        return STAY, NOWHERE
    if best == NOWHERE:
        return (STAY, NOWHERE) if now.place == ON_DEMAND else (START, ON_DEMAND)
    return (MOVE, best) if now.place == ON_DEMAND else (START, best)


@_compiled()
def _on_demand(now):
    return (STAY, NOWHERE) if now.place == ON_DEMAND else (START, ON_DEMAND)


@_compiled()
def _ahead_h(setting, now, at_h):
    return (setting.work_h - now.work_left_h) - at_h * setting.work_h / setting.deadline_h


@_compiled()
def _uniform_progress(setting, now, best, to_the_end):
    if to_the_end:
        return _on_demand(now)
    if now.place >= 0:
        return STAY, NOWHERE
    if now.place == NOWHERE:
        if best != NOWHERE:
            return START, best
        if _ahead_h(setting, now, now.elapsed_h) < 0.0:
            return _on_demand(now)
        return STAY, NOWHERE
    if _ahead_h(setting, now, now.elapsed_h + 2.0 * now.changeover_h) < 0.0:
        return STAY, NOWHERE
    return (START, best) if best != NOWHERE else (STOP, NOWHERE)


@_compiled()
def _replace(ordered, size, old, new):
    """Replace a number in `size` sorted ones; old = inf: add one."""
    place = np.searchsorted(ordered[:size], new)
    gap = size if old == inf else np.searchsorted(ordered[:size], old)
    if gap < place:
        place -= 1
        for index in range(gap, place):
            ordered[index] = ordered[index + 1]
    else:
        for index in range(gap, place, -1):
            ordered[index] = ordered[index - 1]
    ordered[place] = new


@_compiled()
def _quantile(ordered, size, share):
    """numpy.quantile of sorted numbers."""
    virtual = (size - 1) * share
    if virtual >= size - 1:
        return ordered[size - 1]
    below = floor(virtual)
    gamma = virtual - below
    rise = ordered[below + 1] - ordered[below]
    return ordered[below] + rise * gamma if gamma < 0.5 else ordered[below + 1] - rise * (1 - gamma)


@_compiled()
def _spotlab_move(setting, now, offer):
    if offer.place == NOWHERE or offer.place == now.place:
        return STAY, NOWHERE
    price = setting.on_demand_usd if now.place == ON_DEMAND else offer.here_usd
    risk = 0.0 if now.place == ON_DEMAND else offer.here_risk
    stay_h = min(now.work_left_h, setting.horizon_h, 1.0 / max(offer.hazard, 1e-9))
    safer_usd = (risk - offer.risk) * (offer.loss_usd + setting.caution_usd)
    saved_usd = safer_usd + (price - offer.usd) * stay_h
    paid_usd = now.changeover_h * offer.usd
    return (STAY, NOWHERE) if saved_usd <= paid_usd else (MOVE, offer.place)


@_compiled()
def _spotlab_service(setting, now, offer, down_since_h):
    if offer.place != NOWHERE and offer.cost < min(setting.on_demand_usd, setting.downtime_usd):
        return START, offer.place
    if now.elapsed_h - down_since_h < setting.patience * now.changeover_h:
        return STAY, NOWHERE
    worth = setting.downtime_usd > setting.on_demand_usd
    return (START, ON_DEMAND) if worth else (STAY, NOWHERE)


@_compiled()
def _spotlab_spare_h(setting, now):
    slack_h = now.deadline_in_h - now.work_left_h - now.at_risk_h - now.changeover_h
    once_h = now.changeover_h + 0.5 * now.checkpoint_h + setting.tick_h
    return slack_h - once_h * (1.0 + setting.losses_per_h * now.work_left_h)


@_compiled()
def _spotlab_share(setting, now, spare_h):
    """The quantile of the past hours' costs that is accepted; 1: any cost is."""
    seen = setting.history + now.tick + 1
    if spare_h <= 0.0 or seen * setting.tick_h < setting.min_lookback_h:
        return 1.0
    return setting.choosiness + now.work_left_h / (now.work_left_h + spare_h)


@_compiled()
def _follow(now, to):
    if to == now.place or (to == NOWHERE and now.place != ON_DEMAND):
        return STAY, NOWHERE
    return (STOP, NOWHERE) if to == NOWHERE else (START if now.place == NOWHERE else MOVE, to)


@_compiled()
def _checkpointed_h(now, worked_h):
    if now.checkpoint_h == 0.0:
        return worked_h
    return floor(worked_h / now.checkpoint_h + _ROUNDING_H) * now.checkpoint_h


@_compiled()
def _is_safe(setting, now, do, target):
    """`deadline_safety.is_safe`."""
    place, ready_h, next_place, next_h = now.place, now.ready_h, now.next_place, now.next_h
    if do == STOP:
        place, ready_h, next_place, next_h = NOWHERE, 0.0, NOWHERE, 0.0
    elif do == START or (do == MOVE and place == NOWHERE):
        place, ready_h, next_place, next_h = target, now.changeover_h, NOWHERE, 0.0
    elif do == MOVE:
        next_place, next_h = target, now.changeover_h
    elif do == CANCEL:
        next_place, next_h = NOWHERE, 0.0
    hands_over = next_place != NOWHERE and next_h <= setting.tick_h + _ROUNDING_H
    if place == ON_DEMAND and not hands_over:
        return True
    until_h = next_h if hands_over else setting.tick_h
    worked_h = 0.0 if place == NOWHERE else max(0.0, until_h - ready_h)
    at_risk_h = now.at_risk_h if do in (STAY, MOVE, CANCEL) else 0.0
    if worked_h >= now.work_left_h - _ROUNDING_H:
        return True
    if not hands_over:
        gained_h = _checkpointed_h(now, at_risk_h + worked_h) - at_risk_h
        on_demand_in_h = now.changeover_h
        if next_place == ON_DEMAND:
            on_demand_in_h = next_h - setting.tick_h
    else:
        after_h = setting.tick_h - until_h
        gained_h = worked_h + (
            after_h if next_place == ON_DEMAND else _checkpointed_h(now, after_h)
        )
        on_demand_in_h = 0.0 if next_place == ON_DEMAND else now.changeover_h
    slack_h = now.deadline_in_h - setting.tick_h - (now.work_left_h - gained_h) - on_demand_in_h
    return slack_h >= -_ROUNDING_H


@_compiled()
def _to_on_demand(setting, now):
    if now.place == ON_DEMAND:
        return (STAY, NOWHERE) if now.next_place == NOWHERE else (CANCEL, NOWHERE)
    if now.place != NOWHERE and now.ready_h == 0.0:
        if now.next_place == ON_DEMAND and _is_safe(setting, now, STAY, NOWHERE):
            return STAY, NOWHERE
        if _is_safe(setting, now, MOVE, ON_DEMAND):
            return MOVE, ON_DEMAND
    return START, ON_DEMAND


@_compiled()
def replay(
    setting, up, usd, ranks, usable, planned, costs, offers, risk, hazard, loss_usd, budget, trail
):
    """Run a window.

    Args:
        setting: a Setting.
        up: (n, p) bool; an instance can be started.
        usd: (n, p) USD per hour.
        ranks: (p,) advisor buckets of LOWEST_BUCKET, infinite if unknown; otherwise 0.
        usable: (p,) bool; pools that the policy may use.
        planned: (n, 2) actions and places of PLANNED.
        costs: (history + n,) of SPOTLAB: lowest cost of an hour before the window; the rest is
            written.
        offers, risk, hazard: (n, p) of SPOTLAB: cost of an hour, risk, hazard per hour.
        loss_usd: (n,) of SPOTLAB: cost of an interruption.
        budget, trail: (n, 4) of SPOTLAB and (n, 3) to be written or empty; see `regret_budget`.
    Returns:
        cost in USD per hour × quanta, quanta of downtime, starts, quanta of work done, place and
        quanta until ready of the last instance, and the tick of an invalid action (-1: none).
    """
    policy, work, per_tick = setting.policy, setting.work, setting.per_tick
    place, ready, next_place, next_ready, last = NOWHERE, 0, NOWHERE, 0, NOWHERE
    work_done, at_risk, starts, down, cost = 0, 0, 0, 0, 0.0
    down_since_h, to_the_end, follows = -1.0, False, False
    history, lookback = setting.history, setting.lookback
    recent, oldest, newest = np.empty(min(lookback, len(costs)) + 1), 0, history
    recent[:history] = np.sort(costs[:history])
    for tick in range(setting.ticks):
        if next_place >= 0 and not up[tick, next_place]:
            next_place = NOWHERE
        if place >= 0 and not up[tick, place]:
            work_done, at_risk = work_done - at_risk, 0
            place, ready, next_place = next_place, next_ready, NOWHERE
        quanta_left = (setting.ticks - tick) * per_tick
        work_left = work - work_done if work else quanta_left
        now = Now(
            tick,
            place,
            0.0 if place == NOWHERE else ready * setting.quantum_h,
            next_place,
            0.0 if next_place == NOWHERE else next_ready * setting.quantum_h,
            setting.changeover * setting.quantum_h,
            setting.checkpoint * setting.quantum_h,
            work_left * setting.quantum_h,
            at_risk * setting.quantum_h,
            quanta_left * setting.quantum_h,
            tick * setting.tick_h,
        )
        paid_usd = cost * setting.quantum_h + down * setting.quantum_h * setting.downtime_usd
        do, target = STAY, NOWHERE
        if policy == PLANNED:
            do, target = planned[tick, 0], planned[tick, 1]
        elif policy == ONLY_ON_DEMAND:
            do, target = _on_demand(now)
        elif policy == SPOTLAB:
            best = int(np.argmin(offers[tick]))
            lowest = offers[tick, best]
            if setting.is_job:
                costs[history + tick] = min(lowest, setting.on_demand_usd)
            here = place if place >= 0 else best
            found = best if isfinite(lowest) else NOWHERE
            numbers = (lowest, usd[tick, best], risk[tick, best], hazard[tick, best])
            offer = Offer(found, *numbers, usd[tick, here], risk[tick, here], loss_usd[tick])
            if place != NOWHERE:
                down_since_h = -1.0
            elif down_since_h < 0.0:
                down_since_h = now.elapsed_h
            busy = next_place != NOWHERE or (place != NOWHERE and now.ready_h > 0.0)
            follows = follows if busy else paid_usd > budget[tick, 1 if follows else 0]
            if busy:
                pass
            elif follows:
                do, target = _follow(now, int(budget[tick, 3]))
            elif place != NOWHERE:
                if starts + 1 <= budget[tick, 2]:
                    do, target = _spotlab_move(setting, now, offer)
            elif not setting.is_job:
                do, target = _spotlab_service(setting, now, offer, down_since_h)
            else:
                spare_h = _spotlab_spare_h(setting, now)
                share = _spotlab_share(setting, now, spare_h)
                most = inf
                if share < 1.0 and offer.place != NOWHERE:
                    while newest <= history + tick:
                        size = newest - oldest
                        full = size == lookback
                        _replace(recent, size, costs[oldest] if full else inf, costs[newest])
                        oldest, newest = oldest + (1 if full else 0), newest + 1
                    most = _quantile(recent, newest - oldest, share)
                if offer.place != NOWHERE and lowest <= most:
                    do, target = START, offer.place
                elif spare_h < 0.0:
                    do, target = START, ON_DEMAND
        elif policy == CHEAPEST:
            best = _cheapest(up[tick], usd[tick], usable, ranks, NOWHERE)
            if best != NOWHERE and not (place >= 0 and usd[tick, place] <= usd[tick, best]):
                do, target = START, best
        elif place >= 0:
            last = place
            if to_the_end:
                do, target = START, ON_DEMAND
        else:
            excluded = last if policy == EAGER else NOWHERE
            best = _cheapest(up[tick], usd[tick], usable, ranks, excluded)
            if policy == EAGER:
                if best == NOWHERE and last >= 0 and up[tick, last]:
                    best = last
                do, target = _eager(now, best)
            elif policy == UNIFORM_PROGRESS:
                least_h = now.work_left_h + 2.0 * now.changeover_h + now.checkpoint_h
                to_the_end |= place == NOWHERE and now.deadline_in_h < least_h
                do, target = _uniform_progress(setting, now, best, to_the_end)
            elif place == NOWHERE and best != NOWHERE:
                do, target = START, best
        if setting.is_job and policy != PLANNED and not _is_safe(setting, now, do, target):
            do, target = _to_on_demand(setting, now)
        if len(trail) > 0:
            trail[tick, 0], trail[tick, 1] = paid_usd, starts
            trail[tick, 2] = target if do == START else place
        if do in (START, MOVE):
            moves = do == MOVE and place != NOWHERE
            if (target >= 0 and not up[tick, target]) or (moves and ready > 0):
                return cost, down, starts, work_done, place, ready, tick
            starts += 1
            if moves:
                next_place, next_ready = target, setting.changeover
            else:
                place, ready, next_place, at_risk = target, setting.changeover, NOWHERE, 0
        elif do == STOP:
            place, next_place, at_risk = NOWHERE, NOWHERE, 0
        elif do == CANCEL:
            next_place = NOWHERE
        paid = usd[tick, place] if place >= 0 else setting.on_demand_usd
        if place == NOWHERE:
            down += per_tick
            continue
        ends = setting.checkpoint > 0 or (work > 0 and work_done + per_tick >= work)
        if next_place == NOWHERE and ready == 0 and not ends:
            for _ in range(per_tick):
                cost += paid
            work_done += per_tick if work > 0 else 0
            continue
        next_paid = usd[tick, next_place] if next_place >= 0 else setting.on_demand_usd
        for _ in range(per_tick):
            if next_place != NOWHERE and next_ready <= 0:
                place, ready, paid = next_place, next_ready, next_paid
                next_place, at_risk = NOWHERE, 0
            cost += paid
            if next_place != NOWHERE:
                cost += next_paid
                next_ready -= 1
            if ready > 0:
                ready -= 1
                down += 1
            elif work:
                work_done += 1
                at_risk += 1
                if setting.checkpoint == 0 or at_risk == setting.checkpoint:
                    at_risk = 0
                if work_done == work:
                    return cost, down, starts, work_done, place, ready, -1
        if next_place != NOWHERE and next_ready <= 0:
            place, ready, next_place, at_risk = next_place, next_ready, NOWHERE, 0
    return cost, down, starts, work_done, place, ready, -1


def warm_up() -> None:
    """Compile the kernels, or load them from the cache."""
    yes, numbers, actions = np.ones((1, 1), bool), np.ones((1, 1)), np.zeros((1, 2), np.int16)
    setting = Setting(0, True, 1, 1, 1, 0, 0, *[1.0] * 6, 0, 1.0, 1, *[1.0] * 5)
    of_spotlab = (numbers[0], *[numbers] * 3, numbers[0], np.ones((1, 4)), np.ones((1, 3)))
    replay(setting, yes, numbers, numbers[0], yes[0], actions, *of_spotlab)
