"""Compiled optimum in hindsight: the dynamic programs of `oracle_deadline_job` and
`oracle_service`, with the same expressions in the same order, so that plans are equal.

Importing this module imports numba (0.5 s). For a job, only the work left that can be reached from
the start of the window and still be done in time is computed: `low` to `high` at each tick.
numba's cache depends on this file only, so it imports no constant of another one.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from functools import partial
from math import inf
from typing import Final

import numpy as np
from numba import njit

_STAY, _START, _MOVE_TO, _END = 0, 1, 2, 4
"""Actions, as in `replay_kernels`."""
_RUN, _STOP, _MOVE = 0, 1, 2
_compiled: Final = partial(njit, nogil=True, cache=True, error_model="numpy")


@_compiled()
def _sums_and_ends(up, usd):
    """(n + 1, q) sums of the prices before each tick, and (n, q) ends of the spells."""
    ticks, places = usd.shape
    paid = np.zeros((ticks + 1, places))
    ends = np.empty((ticks, places), np.int64)
    for place in range(places):
        for tick in range(ticks):
            paid[tick + 1, place] = paid[tick, place] + usd[tick, place]
        end = ticks
        for tick in range(ticks - 1, -1, -1):
            ends[tick, place] = end
            end = end if up[tick, place] else tick
    return paid, ends


@_compiled()
def _start_usd(usd, paid, tick, place, changeover_ticks, per_tick, rest):
    """Cost of a changeover, USD per hour × quanta."""
    last = tick + changeover_ticks
    cost = (paid[last, place] - paid[tick, place]) * per_tick
    return cost - (usd[last - 1, place] * rest if rest else 0.0)


@_compiled()
def _lasts(up, ends, tick, place, ticks):
    return tick + ticks <= len(up) and up[tick, place] and ends[tick, place] >= tick + ticks


@_compiled()
def _saved(tick, end, per_tick, changeover, checkpoint):
    """Quanta of work that a bound run keeps."""
    step = max(1, checkpoint)
    return ((end - tick) * per_tick - changeover) // step * step


@_compiled()
def _key(tick, end, changeover_ticks):
    """Earliest tick of the next start after a bound run, counted back from the spell's end."""
    return end - min(end, max(tick + changeover_ticks, end - changeover_ticks + 1))


@_compiled()
def _add_run(cost, ahead, usd, per_tick, goes_on, low, high):
    """Minimum cost if a free run continues through a tick."""
    for left in range(low, min(per_tick, high) + 1):
        cost[left] = usd * left
    first, paid = max(low, per_tick + 1), usd * per_tick
    to = cost[first : high + 1]
    if not goes_on:
        to[:] = inf
        return
    following = ahead[first - per_tick : high + 1 - per_tick]
    for index in range(len(to)):
        to[index] = paid + following[index]


@_compiled()
def _add_free_starts(best, choice, ready, start_usd, usd, numbers, high):
    """Minimum cost with the starts of free runs in a place.

    Args:
        usd: price in the tick in which the changeover ends.
        numbers: quanta of work in that tick, place, and low.
    """
    rest, place, low = numbers
    for left in range(max(low, 1), min(rest, high) + 1):
        cost = usd * left + start_usd
        if cost < best[left]:
            best[left], choice[left] = cost, 2 * place
    first, paid, code = max(low, rest + 1, 1), usd * rest, np.int16(2 * place)
    to, codes = best[first : high + 1], choice[first : high + 1]
    following = ready[first - rest : high + 1 - rest]
    for index in range(len(to)):
        cost = paid + following[index] + start_usd
        better = cost < to[index]
        to[index] = cost if better else to[index]
        codes[index] = code if better else codes[index]


@_compiled()
def _add_starts(best, choice, ready, start_usd, usd, numbers, high, after, run_usd, saved):
    """Minimum cost with the starts of free and bound runs; a bound one does more than `saved`."""
    _add_free_starts(best, choice, ready, start_usd, usd, numbers, min(high, saved))
    rest, place, low = numbers
    low = max(low, saved + 1, 1)
    for left in range(low, min(rest, high) + 1):
        free, bound = usd * left, run_usd + after[left - saved]
        cost = min(free, bound) + start_usd
        if cost < best[left]:
            best[left], choice[left] = cost, 2 * place + (bound < free)
    first, paid = max(low, rest + 1), usd * rest
    to, codes = best[first : high + 1], choice[first : high + 1]
    following = ready[first - rest : high + 1 - rest]
    lost = after[first - saved : high + 1 - saved]
    free_code, bound_code = np.int16(2 * place), np.int16(2 * place + 1)
    for index in range(len(to)):
        free, bound = paid + following[index], run_usd + lost[index]
        cost = (bound if bound < free else free) + start_usd
        better = cost < to[index]
        to[index] = cost if better else to[index]
        code = bound_code if bound < free else free_code
        codes[index] = code if better else codes[index]


@_compiled()
def _choose(cost, choice, following, idle, start, usd, start_usd, goes_on, numbers):
    """Minimum cost during a run: it continues through a tick, stops, or moves.

    Args:
        choice: column i is the work left of `shift` + i.
        start_usd: cost of a changeover; infinite if a move is not possible.
        numbers: per_tick, changeover, shift, low and high.
    """
    per_tick, changeover, shift, low, high = numbers
    paid, border = usd * per_tick if goes_on else inf, max(per_tick, changeover)
    for left in range(low, min(border, high) + 1):
        run = usd * left if left <= per_tick else paid + following[left - per_tick]
        best, kind = (run, _RUN) if run <= idle[left] else (idle[left], _STOP)
        move = start_usd + start[left - changeover] if left > changeover else inf
        cost[left], choice[left - shift] = (move, _MOVE) if move < best else (best, kind)
    first = max(low, border + 1)
    to, kinds = cost[first : high + 1], choice[first - shift : high + 1 - shift]
    runs, stops = following[first - per_tick : high + 1 - per_tick], idle[first : high + 1]
    moves = start[first - changeover : high + 1 - changeover]
    run_code, stop_code, move_code = np.int8(_RUN), np.int8(_STOP), np.int8(_MOVE)
    for index in range(len(to)):
        run, stop, move = paid + runs[index], stops[index], start_usd + moves[index]
        best = run if run <= stop else stop
        rather = run_code if run <= stop else stop_code
        kinds[index] = move_code if move < best else rather
        to[index] = move if move < best else best


@_compiled()
def _note_starts(idle_starts, idle, start):
    """Whether an idle job starts an instance, and its minimum cost."""
    for index in range(len(idle)):
        better = start[index] < idle[index]
        idle_starts[index] = better
        idle[index] = start[index] if better else idle[index]


@_compiled()
def _solve_job(
    up, usd, per_tick, work, changeover, checkpoint, run_choice, start_choice, idle_starts, after
):
    """`solve_job`, given arrays whose contents do not matter.

    Args:
        run_choice, start_choice, idle_starts: (n, q, b), (n, b) and (n, b); column i is the work
            left of `work` - tick × `per_tick` + i, for starts less `changeover`.
        after: (ends of spells, changeover in ticks or 1, work + 1).
    """
    ticks, places = usd.shape
    paid, ends = _sums_and_ends(up, usd)
    to_ready = -(-changeover // per_tick)
    rest = to_ready * per_tick - changeover
    slots = to_ready + 2
    ahead = np.full((slots, places, work + 1), inf)
    ahead[:, :, 0] = 0.0
    idle, start = np.full(work + 1, inf), np.empty(work + 1)
    idle[0] = 0.0
    starts = np.empty(work + 1, np.int16)
    spell = np.full(ticks + 1, -1)
    spells = 0
    for tick in range(ticks - 1):
        if (up[tick] & ~up[tick + 1]).any():
            spell[tick + 1] = spells
            spells += 1
    for tick in range(ticks - 1, -1, -1):
        if spell[tick + 1] >= 0:
            after[spell[tick + 1], 0] = idle
        low, high = max(0, work - tick * per_tick), min(work, (ticks - tick) * per_tick)
        slot = tick % slots
        for place in range(places):
            if not up[tick, place]:
                ahead[slot, place, low : high + 1] = inf
            elif to_ready == 0:
                goes_on = tick + 1 == ticks or up[tick + 1, place]
                following = ahead[(tick + 1) % slots, place]
                cost = ahead[slot, place]
                _add_run(cost, following, usd[tick, place], per_tick, goes_on, low, high)
        least, most = max(0, low - changeover), min(work, (ticks - tick) * per_tick - changeover)
        start[least:] = inf
        start[0] = 0.0
        for place in range(places):
            if not _lasts(up, ends, tick, place, to_ready):
                continue
            end = ends[tick, place]
            ready = ahead[(tick + to_ready) % slots, place]
            start_usd = _start_usd(usd, paid, tick, place, to_ready, per_tick, rest)
            price = usd[tick + to_ready - 1, place] if rest else 0.0
            saved = _saved(tick, end, per_tick, changeover, checkpoint)
            if end == ticks or saved >= work:
                _add_free_starts(start, starts, ready, start_usd, price, (rest, place, least), most)
                continue
            run_usd = (paid[end, place] - paid[tick, place]) * per_tick - start_usd
            rest_usd = after[spell[end], _key(tick, end, to_ready)]
            numbers = (rest, place, least)
            _add_starts(
                start, starts, ready, start_usd, price, numbers, most, rest_usd, run_usd, saved
            )
        for end in range(tick + 1, min(ticks - 1, tick + to_ready - 1) + 1):
            if spell[end] >= 0:
                before, now = after[spell[end], end - tick - 1], after[spell[end], end - tick]
                now[least:] = np.minimum(before[least:], start[least:])
        shift = work - tick * per_tick
        begin = least - shift + changeover
        if most >= least:
            start_choice[tick, begin : begin + most + 1 - least] = starts[least : most + 1]
        begin, end = low - shift, high + 1 - shift
        settings = (per_tick, changeover, shift, low, high)
        _note_starts(idle_starts[tick, begin:end], idle[low : high + 1], start[low : high + 1])
        for place in range(places):
            if up[tick, place]:
                start_usd = inf
                if _lasts(up, ends, tick, place, to_ready):
                    start_usd = _start_usd(usd, paid, tick, place, to_ready, per_tick, rest)
                goes_on = tick + 1 == ticks or up[tick + 1, place]
                cost, following = ahead[slot, place], ahead[(tick + 1) % slots, place]
                price, choice = usd[tick, place], run_choice[tick, place]
                _choose(cost, choice, following, idle, start, price, start_usd, goes_on, settings)
            ahead[slot, place, 0] = 0.0
    choices = (run_choice, start_choice, idle_starts, spell, after)
    plan = _job_plan(up, ends, per_tick, work, changeover, checkpoint, choices)
    return idle[work], plan


@_compiled()
def _job_plan(up, ends, per_tick, work, changeover, checkpoint, choices):
    """The optimal actions, followed forward."""
    run_choice, start_choice, idle_starts, spell, after = choices
    ticks, places = up.shape
    to_ready = -(-changeover // per_tick)
    rest = to_ready * per_tick - changeover
    plan = np.zeros((ticks, 2), np.int16)
    tick, left, verb = 0, work, _STAY
    while left > 0 and tick < ticks:
        column = left - work + tick * per_tick
        if verb == _STAY:
            if not idle_starts[tick, column]:
                tick += 1
                continue
            verb = _START
        chosen = start_choice[tick, column + changeover]
        place = chosen // 2
        plan[tick, 0], plan[tick, 1] = verb, place if place < places - 1 else -1
        verb = _STAY
        if chosen % 2:
            end = ends[tick, place]
            left -= _saved(tick, end, per_tick, changeover, checkpoint)
            rows = after[spell[end]]
            back = _key(tick, end, to_ready)
            while back > 0 and not rows[back, left] < rows[back - 1, left]:
                back -= 1
            tick = end - back
            verb = _MOVE_TO if back > 0 else _STAY
            continue
        left -= rest
        tick += to_ready
        if left <= 0:
            break
        column = left - work + tick * per_tick
        while left > 0 and run_choice[tick, place, column] == _RUN:
            left, tick = left - per_tick, tick + 1
        if left <= 0:
            break
        if run_choice[tick, place, column] == _MOVE:
            left, verb = left - changeover, _MOVE_TO
        elif not idle_starts[tick, column]:
            plan[tick, 0], plan[tick, 1] = _END, -2
    return plan


def solve_job(up, usd, per_tick, work, changeover, checkpoint):
    """The optimum of a job.

    Args:
        up, usd: (n, q) of all places; on-demand is the last one.
        per_tick, work, changeover, checkpoint: quanta, as in `Clock`.
    Returns:
        cost in USD per hour × quanta, and (n, 2) actions and places.
    """
    ticks, places = usd.shape
    # numpy asks for huge pages for large arrays, which numba does not.
    columns = ticks * per_tick - work + 1
    spells = np.count_nonzero((up[:-1] & ~up[1:]).any(axis=1))
    arrays = (
        np.empty((ticks, places, columns), np.int8),
        np.empty((ticks, columns), np.int16),
        np.empty((ticks, columns), np.bool_),
        np.empty((spells, max(1, -(-changeover // per_tick)), work + 1)),
    )
    return _solve_job(up, usd, per_tick, work, changeover, checkpoint, *arrays)


@_compiled()
def solve_service(up, usd, per_tick, changeover, down_usd):
    """The optimum of a service; `down_usd` is the cost of an hour of downtime, and the rest as in
    `solve_job`."""
    ticks, places = usd.shape
    paid, ends = _sums_and_ends(up, usd)
    to_ready = -(-changeover // per_tick)
    rest = to_ready * per_tick - changeover
    slots = to_ready + 2
    ahead, run = np.zeros((slots, places)), np.empty(places)
    run_choice = np.empty((ticks, places), np.int8)
    start_place = np.full(ticks, -1, np.int16)
    idle_starts = np.zeros(ticks, np.bool_)
    idle = 0.0
    for tick in range(ticks - 1, -1, -1):
        for place in range(places):
            goes_on = tick + 1 == ticks or up[tick + 1, place]
            following = ahead[(tick + 1) % slots, place] if goes_on else idle
            run[place] = usd[tick, place] * per_tick + following if up[tick, place] else inf
        ready = run if to_ready == 0 else ahead[(tick + to_ready) % slots]
        start = inf
        for place in range(places):
            if _lasts(up, ends, tick, place, to_ready):
                cost = _start_usd(usd, paid, tick, place, to_ready, per_tick, rest) + ready[place]
                if rest:
                    cost += usd[tick + to_ready - 1, place] * rest
                if cost < start:
                    start, start_place[tick] = cost, place
        waited, started = idle + down_usd * per_tick, start + down_usd * changeover
        idle_starts[tick] = started < waited
        idle = min(waited, started)
        for place in range(places):
            if not up[tick, place]:
                ahead[tick % slots, place] = idle
                continue
            best, run_choice[tick, place] = run[place], _RUN
            if idle < best:
                best, run_choice[tick, place] = idle, _STOP
            if tick + to_ready <= ticks:
                end, down = ends[tick, place], 0.0
                if end >= tick + to_ready:
                    overlap = _start_usd(usd, paid, tick, place, to_ready, per_tick, rest)
                else:
                    overlap = (paid[end, place] - paid[tick, place]) * per_tick
                    down = float(changeover - (end - tick) * per_tick)
                move = overlap + down * down_usd + start
                if move < best:
                    best, run_choice[tick, place] = move, _MOVE
            ahead[tick % slots, place] = best
    plan = np.zeros((ticks, 2), np.int16)
    tick, place = 0, -1
    while tick < ticks:
        moves = False
        if place >= 0 and up[tick, place]:
            choice = run_choice[tick, place]
            if choice == _RUN:
                tick += 1
                continue
            if choice == _STOP and not idle_starts[tick]:
                plan[tick, 0], plan[tick, 1] = _END, -2
            moves = choice == _MOVE
        if not moves and not idle_starts[tick]:
            tick, place = tick + 1, -1
            continue
        place = start_place[tick]
        plan[tick, 0] = _MOVE_TO if moves else _START
        plan[tick, 1] = place if place < places - 1 else -1
        tick += max(1, to_ready)
    return idle, plan


def warm_up() -> None:
    """Compile the kernels, or load them from the cache."""
    up, usd = np.ones((1, 1), bool), np.ones((1, 1))
    solve_job(up, usd, 1, 1, 0, 0)
    solve_service(up, usd, 1, 0, 0.0)
