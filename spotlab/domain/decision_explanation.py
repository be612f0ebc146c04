"""Why a decision was made, and the smallest change that gives another one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spotlab.domain.decision import Decision, Experiment
from spotlab.domain.market import Pool


class FlipKind(StrEnum):
    """What has to change."""

    POLICY = "policy"
    WORKLOAD = "workload"
    HARDWARE = "hardware"
    PRICE = "price"
    FEATURE = "feature"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Flip:
    """The smallest change of one value that gives another decision.

    Args:
        kind: what has to change.
        parameter: such as "policy.risk_ceiling", "price.current" or
            "feature.chosen.price_position".
        label: for a person, such as "risk ceiling".
        unit: of the values; "" for none.
        before: the value that decided; None: unknown.
        after: the nearest value with another decision; None: there is none in `low` to `high`.
        decision: made with `after`; None without one.
        pool: chosen with `after`; None unless SWITCH.
        low, high: range that was searched; None: only two values exist.
    """

    kind: FlipKind
    parameter: str
    label: str
    unit: str
    before: float | str | None
    after: float | str | None
    decision: Decision | None
    pool: Pool | None = None
    low: float | None = None
    high: float | None = None

    @property
    def relative_change(self) -> float:
        """Size of the change as a share of the value before; infinite without a flip."""
        if self.after is None:
            return float("inf")
        if isinstance(self.before, str) or isinstance(self.after, str) or self.before is None:
            return 1.0
        return abs(self.after - self.before) / abs(self.before) if self.before else float("1e9")

    def as_dict(self) -> dict[str, Any]:
        """Stable keys: parameter, from, to, decision."""
        return {
            "parameter": self.parameter,
            "label": self.label,
            "unit": self.unit or None,
            "from": self.before,
            "to": self.after,
            "decision": self.decision,
            "pool": self.pool.key if self.pool is not None else None,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True, slots=True)
class DecisionExplanation:
    """A decision with its margin, runner-up, flips and words.

    Args:
        experiment: the decision; its verdict has the margin and the runner-up.
        flips: one for each value that matters, smallest relative change first; those without a
            flip last.
        reasons: sentences about why, the most important first.
        changes: sentences about what would change it.
    """

    experiment: Experiment
    flips: tuple[Flip, ...]
    reasons: tuple[str, ...]
    changes: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All sentences."""
        return (*self.reasons, *self.changes)
