"""Statistics of a sweep: costs, regret, and pairwise differences with intervals.

Comparisons are paired: every policy is measured on the same windows, and a bootstrap draws windows,
with all their policies, with replacement. Windows that overlap in time are correlated, so those
that begin within the same block of time are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from spotlab.errors import InvalidInput
from spotlab.gym.policies import ORACLE
from spotlab.gym.sweep_cell import Cell, CellResult
from spotlab.gym.workloads import DeadlineJob
from spotlab.gym.world import FloatArray

RESAMPLES: Final = 2000
LEVEL: Final = 0.95

_Table = dict[str, list[CellResult]]


def summarise(
    results: Sequence[CellResult], *, seed: int = 0, block_ticks: int = 1
) -> dict[str, Any]:
    """Statistics of each policy over its windows.

    Args:
        results: one per window and policy; every policy has the same windows.
        seed: seed of the bootstrap.
        block_ticks: windows whose first ticks are in the same block of this many ticks are drawn
            together; 1 draws windows individually.
    Returns:
        {workload, windows, blocks, oracle: {cost}, policies: {name: {cost_usd,
        relative_to_on_demand, misses, moves, downtime_h, regret, low, high}}}. blocks is the number
        of blocks that the bootstrap draws from. cost_usd, moves and downtime_h are means per
        window; misses is a count. regret is a fraction: the policy's objective (cost, and for a
        service the cost of downtime), summed over the windows / the oracle's − 1; low and high are
        its 95 % percentile bootstrap interval. Without the oracle's results, oracle.cost, regret,
        low and high are None.
    Raises:
        InvalidInput: there are no results, the policies have different windows, or jobs are mixed
            with services.
    """
    table = _by_policy(results)
    workload = _workload_kind(results)
    oracle = table.get(ORACLE)
    draws = _draws(next(iter(table.values())), seed, block_ticks)
    return {
        "workload": workload,
        "windows": len(next(iter(table.values()))),
        "blocks": len(set(_block_keys(next(iter(table.values())), block_ticks))),
        "oracle": {"cost": None if oracle is None else _mean(oracle, lambda one: one.cost_usd)},
        "policies": {
            name: _figures(rows) | _regret(rows, oracle, draws) for name, rows in table.items()
        },
    }


def policy_means(
    results: Sequence[CellResult], *, seed: int = 0, block_ticks: int = 1
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Means per window, with 95 % bootstrap intervals.

    Returns:
        {policy: {cost_usd, moves, downtime_h: (mean, low, high)}}. The intervals include the
        variation between windows; use `differences` to compare two policies.
    Raises:
        InvalidInput: as `summarise`.
    """
    table = _by_policy(results)
    draws = _draws(next(iter(table.values())), seed, block_ticks)
    return {
        name: {
            "cost_usd": _mean_with_interval(_values(rows, lambda row: row.cost_usd), draws),
            "moves": _mean_with_interval(_values(rows, lambda row: row.moves), draws),
            "downtime_h": _mean_with_interval(_values(rows, lambda row: row.downtime_h), draws),
        }
        for name, rows in table.items()
    }


def _mean_with_interval(values: FloatArray, draws: FloatArray) -> tuple[float, float, float]:
    means = (draws @ values) / draws.sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(values.mean()), float(low), float(high)


def differences(
    results: Sequence[CellResult], *, seed: int = 0, block_ticks: int = 1
) -> list[dict[str, Any]]:
    """Comparison of every pair of policies on the same windows.

    Returns:
        For each pair {first, second, cost_ratio, low, high, downtime_ratio, downtime_low,
        downtime_high}: the first policy's total / the second's, with 95 % paired bootstrap
        intervals; the downtime values are None for a job, and if the second's downtime is 0.
    Raises:
        InvalidInput: as `summarise`.
    """
    table = _by_policy(results)
    draws = _draws(next(iter(table.values())), seed, block_ticks)
    names = sorted(table)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return [_pair(a, b, table, draws) for a, b in pairs]


def ratio(
    above: FloatArray, below: FloatArray, draws: FloatArray
) -> tuple[float | None, float | None, float | None]:
    """Ratio of two sums over paired windows, with its interval.

    Args:
        above, below: (w,) numerator and denominator of each window.
        draws: (b, w) how often each window is in each resample.
    Returns:
        Value, low, high; None if the denominator is 0 (low and high: in any resample).
    """
    if not below.sum() > 0.0:
        return None, None, None
    value = float(above.sum() / below.sum())
    sums = draws @ below
    if not (sums > 0.0).all():
        return value, None, None
    low, high = np.quantile(draws @ above / sums, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(low), float(high)


def _pair(first: str, second: str, table: _Table, draws: FloatArray) -> dict[str, Any]:
    one, other = table[first], table[second]
    cost = ratio(
        _values(one, lambda row: row.cost_usd), _values(other, lambda row: row.cost_usd), draws
    )
    down = ratio(
        _values(one, lambda row: row.downtime_h), _values(other, lambda row: row.downtime_h), draws
    )
    names = ("cost_ratio", "low", "high", "downtime_ratio", "downtime_low", "downtime_high")
    return {
        "first": first,
        "second": second,
        **dict(zip(names, (*cost, *down), strict=True)),
    }


def _by_policy(results: Iterable[CellResult]) -> _Table:
    table: _Table = {}
    for one in results:
        table.setdefault(one.cell.policy, []).append(one)
    for rows in table.values():
        rows.sort(key=lambda row: _window(row.cell))
    windows = {tuple(_window(row.cell) for row in rows) for rows in table.values()}
    if len(windows) != 1:
        raise InvalidInput(
            "There are no results, or the policies were not run on the same windows.",
            remedy="Provide each policy's result for each window.",
        )
    return table


def _window(cell: Cell) -> tuple[int, int, int, str]:
    return cell.first_tick, cell.ticks, cell.seed, repr(cell.workload)


def _workload_kind(results: Sequence[CellResult]) -> str:
    kinds = {isinstance(one.cell.workload, DeadlineJob) for one in results}
    if len(kinds) != 1:
        raise InvalidInput(
            "Jobs and services are mixed.", remedy="Summarise each kind of workload separately."
        )
    return "deadline" if kinds.pop() else "service"


def _draws(rows: Sequence[CellResult], seed: int, block_ticks: int) -> FloatArray:
    """(b, w) how often each window is drawn in each resample; blocks are drawn as a whole."""
    keys = _block_keys(rows, block_ticks)
    blocks = sorted(set(keys))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(blocks), np.full(len(blocks), 1.0 / len(blocks)), size=RESAMPLES)
    member = np.array([blocks.index(key) for key in keys])
    return np.asarray(drawn[:, member], dtype=np.float64)


def _block_keys(rows: Sequence[CellResult], block_ticks: int) -> list[int]:
    """The block of each window; without blocks, its number."""
    if block_ticks > 1:
        return [row.cell.first_tick // block_ticks for row in rows]
    return [*range(len(rows))]


def _values(rows: Sequence[CellResult], value: Callable[[CellResult], float]) -> FloatArray:
    return np.array([value(row) for row in rows], dtype=np.float64)


def _mean(rows: Sequence[CellResult], value: Callable[[CellResult], float]) -> float:
    return float(_values(rows, value).mean())


def _figures(rows: Sequence[CellResult]) -> dict[str, Any]:
    cost = _values(rows, lambda row: row.cost_usd)
    on_demand = _values(rows, lambda row: row.on_demand_cost_usd)
    return {
        "cost_usd": float(cost.mean()),
        "relative_to_on_demand": float(cost.sum() / on_demand.sum()) if on_demand.sum() else None,
        "misses": sum(row.missed for row in rows),
        "moves": _mean(rows, lambda row: row.moves),
        "downtime_h": _mean(rows, lambda row: row.downtime_h),
    }


def _regret(
    rows: Sequence[CellResult], oracle: Sequence[CellResult] | None, draws: FloatArray
) -> dict[str, Any]:
    if oracle is None:
        return {"regret": None, "low": None, "high": None}
    figures = ratio(
        _values(rows, lambda row: row.objective_usd),
        _values(oracle, lambda row: row.objective_usd),
        draws,
    )
    values = [None if one is None else one - 1.0 for one in figures]
    return dict(zip(("regret", "low", "high"), values, strict=True))
