"""Figures of a recorded sweep: summary, means and paired differences of its policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.gym.results import differences, policy_means, summarise
from spotlab.gym.sweep_cell import CellResult

_DAY_S: Final = 86_400.0
Difference = tuple[float | None, float | None, float | None]
"""Value and 95 % interval; None where unknown."""


@dataclass(frozen=True, slots=True)
class SweepFigures:
    """Figures of a sweep, over the windows that every policy has finished.

    Args:
        kind: "deadline" or "service".
        policies: by regret, the oracle first.
        windows: results by policy, by the window's number.
        total_windows: number of windows of the sweep.
        summary, pairs, means: see `gym.results`.
    """

    kind: str
    policies: tuple[str, ...]
    windows: Mapping[int, Mapping[str, CellResult]]
    total_windows: int
    summary: Mapping[str, Any]
    pairs: Sequence[Mapping[str, Any]]
    means: Mapping[str, Mapping[str, tuple[float, float, float]]]

    @property
    def partial(self) -> bool:
        """Whether windows are missing."""
        return len(self.windows) < self.total_windows

    @property
    def blocks(self) -> int:
        """Number of blocks that the bootstrap draws from."""
        return int(self.summary["blocks"])

    @property
    def main_policy(self) -> str:
        """The policy of the headline: SpotLab's, else the one with the least regret."""
        ours = [name for name in self.policies if name.startswith(SPOTLAB)]
        others = [name for name in self.policies if name != ORACLE]
        return (ours or others or [ORACLE])[0]

    def of(self, policy: str) -> Mapping[str, Any]:
        """A policy's figures."""
        found: Mapping[str, Any] = self.summary["policies"][policy]
        return found

    def cost_difference(self, policy: str, base: str) -> Difference:
        """Cost of one policy divided by another's, minus 1, with its 95 % interval."""
        return self._difference(policy, base, ("cost_ratio", "low", "high"))

    def downtime_difference(self, policy: str, base: str) -> Difference:
        """The same of downtime; None where the other has none."""
        return self._difference(policy, base, ("downtime_ratio", "downtime_low", "downtime_high"))

    def _difference(self, policy: str, base: str, keys: tuple[str, str, str]) -> Difference:
        for pair in self.pairs:
            if {pair["first"], pair["second"]} == {policy, base}:
                value, low, high = (pair[key] for key in keys)
                if pair["first"] == base:
                    value, low, high = _inverse(value), _inverse(high), _inverse(low)
                return _minus_one(value), _minus_one(low), _minus_one(high)
        return None, None, None


def figures_of(record: SweepRecord, cells: Mapping[str, Mapping[str, Any]]) -> SweepFigures | None:
    """Figures of the finished cells; a window counts once every policy has finished it.

    Args:
        record: of the sweep.
        cells: finished results by key, as stored.
    Returns:
        None while no window is complete.
    """
    policies = record.config["policies"]
    windows: dict[int, dict[str, CellResult]] = {}
    for key, raw in cells.items():
        number, name = key.removeprefix("window ").split(" ", 1)
        windows.setdefault(int(number), {})[name] = CellResult.from_json(dict(raw))
    complete = {number: found for number, found in windows.items() if len(found) == len(policies)}
    if not complete:
        return None
    results = [result for found in complete.values() for result in found.values()]
    bootstrap = {
        "seed": record.config["seed"],
        "block_ticks": max(1, round(_DAY_S / record.config["gap_s"])),
    }
    summary = summarise(results, **bootstrap)
    by_regret = sorted(policies, key=lambda name: (name != ORACLE, _regret(summary, name)))
    return SweepFigures(
        kind=summary["workload"],
        policies=tuple(by_regret),
        windows=complete,
        total_windows=record.config["windows"],
        summary=summary,
        pairs=differences(results, **bootstrap),
        means=policy_means(results, **bootstrap),
    )


def _regret(summary: Mapping[str, Any], name: str) -> float:
    found = summary["policies"][name]
    regret = found["regret"]
    return float(found["cost_usd"] if regret is None else regret)


def _inverse(value: float | None) -> float | None:
    return 1.0 / value if value else None


def _minus_one(value: float | None) -> float | None:
    return None if value is None else value - 1.0
