"""Policies, workloads and sweeps as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spotlab.gym.policies import ORACLE, SPOTLAB
from spotlab.ui.common.formatting import MINUS, UNKNOWN, count

POLICY_WORDS: Final[Mapping[str, str]] = {
    "on_demand": "on-demand only",
    "spot_greedy": "spot greedy",
    "cheapest_pool": "cheapest pool",
    "lowest_advisor_bucket": "lowest advisor bucket",
    "eager_failover": "eager failover",
    "uniform_progress": "Uniform Progress, one zone",
    "uniform_progress_multi": "Uniform Progress, multi-zone",
    ORACLE: "oracle (hindsight)",
}
POLICY_RULES: Final[Mapping[str, str]] = {
    "on_demand": "one on-demand instance from beginning to end",
    "spot_greedy": "the cheapest pool that is up, until it is lost",
    "cheapest_pool": "always the cheapest pool that is up",
    "lowest_advisor_bucket": "the pool of the lowest advisor bucket that is up, until it is lost",
    "eager_failover": "another pool at once, on-demand when none is up, and back",
    "uniform_progress": "Wu et al., NSDI 2024, in one zone",
    "uniform_progress_multi": "Wu et al., NSDI 2024, over all zones",
    ORACLE: "the best schedule in hindsight: no policy can do better",
}
STATE_MARKS: Final[Mapping[str, str]] = {
    "queued": "○ waiting",
    "running": "▶ running",
    "done": "● done",
    "cancelled": "□ cancelled",
    "failed": "■ failed",
    "interrupted": "▲ interrupted",
}


def policy(name: str, models: Mapping[str, Any]) -> str:
    """A policy in words; SpotLab's with the model's version.

    Args:
        name: as sweeps name it.
        models: of the sweep's config: (reference, digest) by the name that was asked for.
    """
    if name.startswith(SPOTLAB):
        asked = name.removeprefix(SPOTLAB)
        return f"SpotLab ({models[asked][0] if asked in models else asked})"
    return POLICY_WORDS.get(name, name)


def short(name: str) -> str:
    """The same where there is little room and only one model."""
    return "SpotLab" if name.startswith(SPOTLAB) else POLICY_WORDS.get(name, name)


def workload(config: Mapping[str, Any]) -> str:
    """`job of 48 h, deadline 52 to 92 h`, or `service of 168 h`."""
    asked = config.get("workloads", {})
    if asked.get("kind") == "Jobs":
        return f"job of {asked['work_h']:g} h, deadline {span(asked['deadlines_h'])} h"
    if asked.get("kind") == "Services":
        return f"service of {asked['hours']:g} h"
    return UNKNOWN


def span(ends: Any) -> str:
    """`52 to 92`, or one number where both are the same."""
    low, high = ends
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def zones(config: Mapping[str, Any]) -> str:
    """`9 zones`: how many traces were replayed together."""
    return count(len(config.get("traces", {})), "zone")


def usd(value: float | None) -> str:
    """A sum in USD without the unit, with sensible digits.

    >>> usd(4.567), usd(41.23), usd(1234.5), usd(None)
    ('4.57', '41.2', '1,234', '—')
    """
    if value is None:
        return UNKNOWN
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}".replace("-", MINUS)


def share(value: float | None) -> str:
    """A share of 1 in percent without the sign, one digit below ten.

    >>> share(0.0413), share(-0.72), share(1.25), share(None)
    ('4.1', '−72', '125', '—')
    """
    if value is None:
        return UNKNOWN
    digits = 1 if abs(value) < 0.0995 else 0
    text = f"{100 * value:,.{digits}f}"
    return text.replace("-", MINUS) if text.strip("-0.") else text.lstrip("-")


def number(value: float | None) -> str:
    """Counts and hours on average: `0.35`, `7.2`, `120`."""
    if value is None:
        return UNKNOWN
    digits = 2 if 0 < abs(value) < 0.995 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}".replace("-", MINUS)
