"""Drills: what a signal of EC2 led to, timed against the two-minute notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from spotlab.domain.spot_events import NOTICE_PERIOD, SpotEventKind, percentiles
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import SwitchState

LIMIT_S: Final = NOTICE_PERIOD.total_seconds()
NOT_DRILLED: Final[Mapping[Strategy, str]] = {
    Strategy.FROM_IMAGE_REBOOT: "the workloads of a drill do not need a reboot for their image",
    Strategy.STOP_START: "it is for on-demand instances, and EC2 sends no signal about those",
}
"""Why drills do not use a strategy."""


class DrillKind(StrEnum):
    """Which signal a drill sends."""

    REBALANCE = "rebalance"
    NOTICE = "notice"

    @property
    def event(self) -> SpotEventKind:
        """What the event says."""
        return SpotEventKind.REBALANCE if self is DrillKind.REBALANCE else SpotEventKind.NOTICE


@dataclass(frozen=True, slots=True)
class DrillRun:
    """One drill.

    Args:
        kind: of the signal.
        instance_id: that it was about.
        strategy: of the switch.
        decision: what the evaluation decided.
        state: of the switch at the end.
        signal_to_decision_ms: from the signal until the decision was recorded.
        signal_to_healthy_s: until the replacement passed its checks; None: it never did.
        signal_to_gone_s: until the old instance was terminated; None: it was not.
        why: why it did not end well; "".
    """

    kind: DrillKind
    instance_id: str
    strategy: Strategy
    decision: str
    state: SwitchState
    signal_to_decision_ms: float
    signal_to_healthy_s: float | None
    signal_to_gone_s: float | None
    why: str = ""

    @property
    def in_time(self) -> bool:
        """Whether the replacement was healthy before a two-minute notice ends."""
        return self.signal_to_healthy_s is not None and self.signal_to_healthy_s <= LIMIT_S


@dataclass(frozen=True, slots=True)
class DrillReport:
    """The drills that were run.

    Args:
        kind: of the signals.
        runs: in order.
        delays_s: of the emulated AWS, seconds.
        skipped: instances that preflight refuses, and why.
    """

    kind: DrillKind
    runs: Sequence[DrillRun]
    delays_s: Mapping[str, float]
    skipped: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """As JSON values, in total and by strategy."""
        return {
            "kind": self.kind.value,
            **_figures(self.runs),
            "limit_s": LIMIT_S,
            "by_strategy": {
                strategy.value: _figures([run for run in self.runs if run.strategy is strategy])
                for strategy in Strategy
                if any(run.strategy is strategy for run in self.runs)
            },
            "finding": self.finding(),
            "not_drilled": [strategy.value for strategy in NOT_DRILLED],
            "delays_s": dict(self.delays_s),
            "skipped": dict(self.skipped),
            "failed": [
                {"instance_id": run.instance_id, "state": run.state.value, "why": run.why}
                for run in self.runs
                if run.why
            ],
        }

    def finding(self) -> list[str]:
        """What the drills showed, a sentence a strategy."""
        return [
            _finding(self.kind, strategy, [run for run in self.runs if run.strategy is strategy])
            for strategy in Strategy
            if any(run.strategy is strategy for run in self.runs)
        ]


def not_drilled() -> list[str]:
    """The strategies that no drill uses, a sentence each."""
    return [f"{strategy.label}: not drilled, as {why}." for strategy, why in NOT_DRILLED.items()]


def _figures(runs: Sequence[DrillRun]) -> dict[str, Any]:
    decided = percentiles([run.signal_to_decision_ms for run in runs])
    healthy = percentiles(
        [run.signal_to_healthy_s for run in runs if run.signal_to_healthy_s is not None]
    )
    gone = percentiles([run.signal_to_gone_s for run in runs if run.signal_to_gone_s is not None])
    return {
        "runs": len(runs),
        "signal_to_decision_ms": _rounded(decided.p50_s, decided.p95_s),
        "signal_to_healthy_s": _rounded(healthy.p50_s, healthy.p95_s),
        "signal_to_gone_s": _rounded(gone.p50_s, gone.p95_s),
        "within_120_s": sum(run.in_time for run in runs),
    }


def _rounded(p50: float | None, p95: float | None) -> dict[str, float | None]:
    return {
        name: None if value is None else round(value, 1)
        for name, value in (("p50", p50), ("p95", p95))
    }


def _finding(kind: DrillKind, strategy: Strategy, runs: Sequence[DrillRun]) -> str:
    in_time = sum(run.in_time for run in runs)
    seconds = sorted(run.signal_to_healthy_s for run in runs if run.signal_to_healthy_s is not None)
    how_long = (
        f"healthy {seconds[0]:.0f} to {seconds[-1]:.0f} s after the signal"
        if seconds
        else ("never healthy")
    )
    head = f"{strategy.label}: {how_long}; {in_time} of {len(runs)} within {LIMIT_S:.0f} s."
    if in_time == len(runs):
        return f"{head} It meets a two-minute notice."
    if kind is DrillKind.NOTICE:
        return f"{head} It does not meet a two-minute notice: the instance ends before."
    return (
        f"{head} It would not meet a two-minute notice, but a rebalance recommendation comes "
        "earlier and the instance runs until the replacement is healthy."
    )
