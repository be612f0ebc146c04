"""What a sweep came to so far, read from SQL."""

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
_WORK_FOR: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures over the windows of which every policy is known.

    Args:
        kind: "deadline" or "service".
        policies: in the order of their regret, the oracle first.
        windows: by the window's number: results by policy.
        asked: how many windows were asked for.
        summary, pairs, means: see `gym.results`.
    """

    kind: str
    policies: tuple[str, ...]
    windows: Mapping[int, Mapping[str, CellResult]]
    asked: int
    summary: Mapping[str, Any]
    pairs: Sequence[Mapping[str, Any]]
    means: Mapping[str, Mapping[str, tuple[float, float, float]]]

    @property
    def partial(self) -> bool:
        """Whether windows are missing."""
        return len(self.windows) < self.asked

    @property
    def named(self) -> str:
        """The policy that the first line is about: SpotLab's, else the one with least regret."""
        ours = [name for name in self.policies if name.startswith(SPOTLAB)]
        others = [name for name in self.policies if name != ORACLE]
        return (ours or others or [ORACLE])[0]

    def of(self, policy: str) -> Mapping[str, Any]:
        """A policy's figures."""
        found: Mapping[str, Any] = self.summary["policies"][policy]
        return found


def figures(record: SweepRecord) -> Figures | None:
    """The figures so far; None while no window is complete."""
    return _figures((record.sweep_id, record.done), record, session.reader())


@st.cache_resource(show_spinner=False, ttl=_WORK_FOR, max_entries=8)
def _figures(cells: tuple[str, int], _record: SweepRecord, _desk: Desk) -> Figures | None:
    return made_of(_record, _desk.backtests.finished(cells[0]))


def made_of(record: SweepRecord, cells: Mapping[str, Mapping[str, Any]]) -> Figures | None:
    """The figures of some cells; a window counts once each of its policies is there.

    Args:
        record: of the sweep.
        cells: finished results by key, as they are kept.
    """
    policies = record.config["policies"]
    windows: dict[int, dict[str, CellResult]] = {}
    for key, raw in cells.items():
        number, name = key.removeprefix("window ").split(" ", 1)
        windows.setdefault(int(number), {})[name] = CellResult.from_json(dict(raw))
    whole = {number: found for number, found in windows.items() if len(found) == len(policies)}
    if not whole:
        return None
    results = [result for found in whole.values() for result in found.values()]
    drawing = {
        "seed": record.config["seed"],
        "block_ticks": max(1, round(_DAY_S / record.config["gap_s"])),
    }
    summary = summarise(results, **drawing)
    by_regret = sorted(policies, key=lambda name: (name != ORACLE, _regret(summary, name)))
    return Figures(
        kind=summary["workload"],
        policies=tuple(by_regret),
        windows=whole,
        asked=record.config["windows"],
        summary=summary,
        pairs=differences(results, **drawing),
        means=means(results, **drawing),
    )


def _regret(summary: Mapping[str, Any], name: str) -> float:
    found = summary["policies"][name]
    regret = found["regret"]
    return float(found["cost_usd"] if regret is None else regret)
