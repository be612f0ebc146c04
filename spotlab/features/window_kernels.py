"""Compiled kernels: windows of price histories, pool by pool, from the newest point backwards.

They compute what `windows.PastPrices.of` computes, to the last bit, but read each row once, make no
copies of the rows, and stop where a pool's windows begin. Importing this module imports numba; see
`spotlab.processes.kernels`.

`_pairwise` adds in the order of `np.add.reduceat`: in eight sums that are combined, in blocks of at
most 128 values. Source: numpy, `loops_utils.h.src`.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spotlab.features.windows import (
    DAY_H,
    MIN_COVERAGE,
    MONTH_H,
    WEEK_H,
    Floats,
    Ints,
    PastPrices,
    blocks_of,
    read_only,
)
from spotlab.processes.kernels import thread_bounds, thread_pool

Codes = NDArray[np.int8] | NDArray[np.int16]

_HOUR_US: Final = 3_600_000_000
_BLOCK: Final = 32_768
"""Points that are copied at a time; they stay in the second-level cache."""
_ROWS: Final = 64
"""Rows that are compared together with the rows before them, or a quarter where a run ends."""
_PAIRWISE: Final = 128
_compiled: Final = partial(njit, nogil=True, cache=True, error_model="numpy")
_borrowing: Final = partial(_compiled, _nrt=False)
"""Without counters of references, which each slice would count up and down."""


@_borrowing()
def _differ(left, right):
    """Whether any two codes differ; a loop of one narrow type, so that it is vectorised."""
    difference = left[0] ^ left[0]
    for at in range(len(left)):
        difference |= left[at] ^ right[at]
    return difference != 0


@_borrowing()
def _rise(earlier, later):
    """Whether each time is later than the one before it."""
    falls = 0
    for at in range(len(later)):
        falls += later[at] <= earlier[at]
    return falls == 0


@_borrowing()
def _next_run(region, type_, zone, time_us, row, last):
    """First of the rows row..last - 1 with another pool than the one before, or `last`; whether
    times rise until then."""
    size = _ROWS
    while row < last:
        stop = min(row + size, last)
        now, before = slice(row, stop), slice(row - 1, stop - 1)
        if not (
            _differ(type_[now], type_[before])
            or _differ(zone[now], zone[before])
            or _differ(region[now], region[before])
        ) and _rise(time_us[before], time_us[now]):
            row = stop
        elif size == _ROWS:
            size = _ROWS // 4
        else:
            for at in range(row, stop):
                differs = (type_[at] != type_[at - 1]) | (zone[at] != zone[at - 1])
                if differs or region[at] != region[at - 1]:
                    return at, True
                if time_us[at] <= time_us[at - 1]:
                    return at, False
    return last, True


@_compiled()
def _find_runs(region, type_, zone, time_us, first, last):
    """Rows first..last - 1 with another pool than the row before; whether times rise in a pool."""
    starts, row, in_order = [0], first or 1, True
    while row < last and in_order:
        row, in_order = _next_run(region, type_, zone, time_us, row, last)
        if row < last:
            starts.append(row)
            row += 1
    return np.array(starts)[0 if first == 0 < last else 1 :], in_order


@_borrowing()
def _is_price(usd):
    return usd > 0.0 and usd < np.inf


@_borrowing()
def _oldest_needed(time_us, limit_us):
    """Number of rows before the newest one that is not later than the limit."""
    low, high = 0, len(time_us)
    while low < high:
        middle = (low + high) // 2
        if time_us[middle] <= limit_us:
            low = middle + 1
        else:
            high = middle
    return max(low - 1, 0)


@_borrowing()
def _newest_of_age(age_h, hours):
    """Index of the newest point that is at least this old; -1: none. Oldest first."""
    low, high = 0, len(age_h)
    while low < high:
        middle = (low + high) // 2
        if age_h[middle] >= hours:
            low = middle + 1
        else:
            high = middle
    return low - 1


@_borrowing()
def _copy(time_us, usd, now_us, age_h, price):
    """Copy rows, oldest first; whether all are prices."""
    usable = True
    for at in range(len(usd)):
        age_h[at] = (now_us - time_us[at]) / _HOUR_US
        price[at] = usd[at]
        usable &= (usd[at] > 0.0) & (usd[at] < np.inf)
    return usable


@_borrowing()
def _hours_since_change(time_us, usd, now_us, newest_us, newest_usd):
    """Age of the newest point whose price differs from the one before it; rows oldest first."""
    later_us, later_usd = newest_us, newest_usd
    for row in range(len(usd) - 1, -1, -1):
        if not _is_price(usd[row]):
            continue
        if usd[row] != later_usd:
            return (now_us - later_us) / _HOUR_US
        later_us, later_usd = time_us[row], usd[row]
    return np.nan


@_borrowing()
def _walk(time_us, usd, now_us, own_us, own, age_h, price):
    """Any pool's points of a month, oldest first, one by one; their number and the last change.

    Rows that are no prices or later than now are skipped, and the pool's own newest price takes its
    place among the others.
    """
    row, end, age, changed, since = len(usd) - 1, 0, 0.0, False, np.nan
    waiting = _is_price(own) and own_us <= now_us
    later_usd, later_age = np.nan, np.nan
    while age < MONTH_H or not changed:
        if row >= 0 and not (waiting and own_us >= time_us[row]):
            at_us, point = time_us[row], usd[row]
            row -= 1
            if not _is_price(point) or at_us > now_us:
                continue
        elif waiting:
            at_us, point, waiting = own_us, own, False
            if row >= 0 and time_us[row] == own_us:
                if _is_price(usd[row]):
                    point = max(point, usd[row])
                row -= 1
        else:
            break
        before, age = age, (now_us - at_us) / _HOUR_US
        if end and point != later_usd and not changed:
            since, changed = later_age, True
        later_usd, later_age = point, age
        if end == 0 or before < MONTH_H:
            age_h[end], price[end] = age, point
            end += 1
    for at in range(end // 2):
        other = end - 1 - at
        age_h[at], age_h[other] = age_h[other], age_h[at]
        price[at], price[other] = price[other], price[at]
    return end, since


@_borrowing()
def _collect(history, now_us, pools, newest, counts, age_h, price, found):
    """Copy the points of a month, oldest first; write prices at times and the last change."""
    (time_us, usd), (first, last), (newest_us, newest_usd) = history, pools, newest
    end = 0
    for pool in range(len(first)):
        times, prices = time_us[first[pool] : last[pool]], usd[first[pool] : last[pool]]
        own_us, own = newest_us[pool], newest_usd[pool]
        ages, points, size = age_h[end:], price[end:], 0
        own_is_known = _is_price(own) and own_us <= now_us
        usable = False
        if len(times) and times[-1] <= now_us and not (own_is_known and own_us < times[-1]):
            start = _oldest_needed(times, now_us - np.int64(MONTH_H) * _HOUR_US)
            size = len(times) - start
            usable = _copy(times[start:], prices[start:], now_us, ages, points)
        if usable:
            rest = len(times) - 1
            if own_is_known and own_us == times[-1]:
                points[size - 1] = max(own, prices[-1])
            elif own_is_known:
                ages[size], points[size] = (now_us - own_us) / _HOUR_US, own
                size, rest = size + 1, rest + 1
                if ages[size - 1] >= MONTH_H:  # nothing before it is needed
                    ages[0], points[0], size = ages[size - 1], points[size - 1], 1
            latest_us = max(own_us, times[-1]) if own_is_known else times[-1]
            found[pool, 3] = _hours_since_change(
                times[:rest], prices[:rest], now_us, latest_us, points[size - 1]
            )
        else:
            size, found[pool, 3] = _walk(times, prices, now_us, own_us, own, ages, points)
        for place, hours in enumerate((DAY_H, WEEK_H, MONTH_H)):
            at = _newest_of_age(ages[:size], hours)
            if at >= 0:
                found[pool, place] = points[at]
        counts[pool] = size
        end += size
    return end


@_borrowing()
def _pairwise(values):
    """Sum of values in numpy's order."""
    size = len(values)
    if size < 8:
        total = -0.0
        for value in values:
            total += value
        return total
    if size <= _PAIRWISE:
        s0, s1, s2, s3 = values[0], values[1], values[2], values[3]
        s4, s5, s6, s7 = values[4], values[5], values[6], values[7]
        whole = size - size % 8
        for at in range(8, whole, 8):
            s0 += values[at]
            s1 += values[at + 1]
            s2 += values[at + 2]
            s3 += values[at + 3]
            s4 += values[at + 4]
            s5 += values[at + 5]
            s6 += values[at + 6]
            s7 += values[at + 7]
        total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
        for at in range(whole, size):
            total += values[at]
        return total
    half = size // 2
    half -= half % 8
    return _pairwise(values[:half]) + _pairwise(values[half:])


@_borrowing()
def _sum(values):
    """Sum of one segment as `np.add.reduceat` computes it."""
    return values[0] if len(values) == 1 else values[0] + _pairwise(values[1:])


@_borrowing()
def _weigh(age_h, window_h, hours):
    """Hours of the window in which each point was valid."""
    size = len(age_h)
    for at in range(size - 1):
        since, until = age_h[at], age_h[at + 1]
        since = since if since < window_h else window_h
        until = until if until < window_h else window_h
        hours[at] = since - until
    since = age_h[size - 1]
    hours[size - 1] = since if since < window_h else window_h


@_borrowing()
def _add_deviations(hours, values, newest, weighted):
    """Weighted deviations from the newest value."""
    for at in range(len(values)):
        weighted[at] = hours[at] * (values[at] - newest)
    return _sum(weighted[: len(values)])


@_borrowing()
def _add_squares(hours, values, newest, centre, weighted):
    """Weighted squares of deviations from the centre, which is relative to the newest value."""
    for at in range(len(values)):
        deviation = (values[at] - newest) - centre
        weighted[at] = hours[at] * deviation * deviation
    return _sum(weighted[: len(values)])


@_borrowing()
def _summarise(counts, age_h, price, logs, hours, weighted, found):
    """Write the statistics of each pool's points, which are oldest first."""
    start = 0
    for pool in range(len(counts)):
        end = start + counts[pool]
        if end == start:
            continue
        if end == start + 1:  # one price: it is the mean, and nothing deviates from it
            if not age_h[start] < MIN_COVERAGE * WEEK_H:
                found[pool, 4] = 0.0
            if not age_h[start] < MIN_COVERAGE * MONTH_H:
                found[pool, 5], found[pool, 6] = 0.0, price[start]
            start = end
            continue
        week = start + max(_newest_of_age(age_h[start:end], WEEK_H), 0)
        newest, newest_log = price[end - 1], logs[end - 1]
        for place, window_h, begin in ((4, WEEK_H, week), (5, MONTH_H, start)):
            held = hours[: end - begin]
            _weigh(age_h[begin:end], window_h, held)
            covered = _sum(held)
            if covered < MIN_COVERAGE * window_h:
                continue
            values = logs[begin:end]
            centre = _add_deviations(held, values, newest_log, weighted) / covered
            squares = _add_squares(held, values, newest_log, centre, weighted)
            found[pool, place] = np.sqrt(squares / covered)
            if place == 5:
                deviations = _add_deviations(held, price[begin:end], newest, weighted)
                found[pool, 6] = newest + deviations / covered
        start = end


def runs_of(region: NDArray[np.int8], type_: Codes, zone: Codes, time_us: Ints) -> Ints | None:
    """First row of each run of rows of one pool, and the number of rows.

    Args:
        region, type_, zone: (m,) codes of each row's pool.
        time_us: (m,) of each row.
    Returns:
        (r + 1,); None if times do not rise within a run.
    """
    bounds = thread_bounds(len(time_us))
    columns = [read_only(values) for values in (region, type_, zone, time_us)]
    parts = thread_pool().map(lambda part: _find_runs(*columns, *part), pairwise(bounds))
    starts, in_order = zip(*parts, strict=True)
    return np.append(np.concatenate(starts), len(time_us)) if all(in_order) else None


def past_prices(
    history: tuple[Ints, Floats],
    now_us: int,
    pools: tuple[Ints, Ints],
    newest: tuple[Ints, Floats],
) -> PastPrices:
    """`PastPrices` of n pools.

    Args:
        history: (m,) times in microseconds, rising within a pool, and prices in USD per hour.
        now_us: time of the market.
        pools: (n,) first row of each pool in the history, and the row after its last.
        newest: (n,) time and price of one more point of each pool; NaN: there is none.
    """
    found = np.full((len(pools[0]), 7), np.nan)
    bounds = thread_bounds(len(pools[0]))
    rows = read_only(history[0]), read_only(history[1])
    ends = np.cumsum(pools[1] - pools[0] + 1)

    def work(part: tuple[int, int]) -> None:
        for start, end in pairwise(blocks_of(ends, *part, _BLOCK)):
            block = slice(start, end)
            first, last = pools[0][block], pools[1][block]
            one_more = newest[0][block], newest[1][block]
            size, counts = (last - first + 1).sum(), np.empty(end - start, np.int64)
            age_h, price, hours, weighted = (np.empty(size) for _ in range(4))
            points = (counts, age_h, price)
            size = _collect(rows, now_us, (first, last), one_more, *points, found[block])
            logs = np.log(price[:size])  # by numpy, as in the reference
            _summarise(*points, logs, hours, weighted, found[block])

    list(thread_pool().map(work, pairwise(bounds)))
    return PastPrices(*found.T)


def warm_up() -> None:
    """Load every kernel from the cache, or compile it."""
    time_us, price = np.array([0, 1], np.int64), np.array([1.0, 2.0])
    bounds, newest = np.array([0], np.int64), np.array([2], np.int64)
    region = np.zeros(2, np.int8)
    for type_ in (region, region.astype(np.int16)):
        for zone in (region, region.astype(np.int16)):
            runs_of(region, type_, zone, time_us)
    past_prices((time_us, price), 3, (bounds, newest), (newest, price[:1]))
