"""Figures of a sweep so far, computed from the finished cells in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.gym.results import differences, means, summarise
from spotlab.gym.sweep_cell import CellResult
from spotlab.services import Desk
from spotlab.ui.common import session

_DAY_S: Final = 86_400.0
_CACHED_FOR: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures over the windows in which every policy is finished.

    Args:
        kind: "deadline" or "service".
        policies: in the order of their regret, the oracle first.
        windows: results by policy, by number of the window.
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
        """Whether some windows are not finished."""
        return len(self.windows) < self.total_windows

    @property
    def named(self) -> str:
        """The policy of the headline: SpotLab's, or else the one with the least regret."""
        ours = [name for name in self.policies if name.startswith(SPOTLAB)]
        others = [name for name in self.policies if name != ORACLE]
        return (ours or others or [ORACLE])[0]

    def of(self, policy: str) -> Mapping[str, Any]:
        """A policy's figures."""
        policy_figures: Mapping[str, Any] = self.summary["policies"][policy]
        return policy_figures


def figures(record: SweepRecord) -> Figures | None:
    """The figures so far; None while no window is complete."""
    return _figures((record.sweep_id, record.done), record, session.reader())


@st.cache_resource(show_spinner=False, ttl=_CACHED_FOR, max_entries=8)
def _figures(key: tuple[str, int], _record: SweepRecord, _desk: Desk) -> Figures | None:
    """Cached by the sweep's id and its number of finished cells."""
    return from_cells(_record, _desk.backtests.finished(key[0]))


def from_cells(record: SweepRecord, cells: Mapping[str, Mapping[str, Any]]) -> Figures | None:
    """The figures of finished cells; a window counts once all its policies are finished.

    Args:
        record: of the sweep.
        cells: finished results by key, as stored.
    Returns:
        None: no window is complete.
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
    return Figures(
        kind=summary["workload"],
        policies=tuple(by_regret),
        windows=complete,
        total_windows=record.config["windows"],
        summary=summary,
        pairs=differences(results, **bootstrap),
        means=means(results, **bootstrap),
    )


def _regret(summary: Mapping[str, Any], name: str) -> float:
    policy = summary["policies"][name]
    return float(policy["cost_usd"] if policy["regret"] is None else policy["regret"])
