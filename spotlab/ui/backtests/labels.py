"""Labels of policies, workloads and states, and numbers as text."""

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
    "uniform_progress_s": "Uniform Progress S",
    "uniform_progress_a": "Uniform Progress A",
    "uniform_progress_ap": "Uniform Progress AP",
    "slack_price": "price of slack",
    "slack_price_probing": "price of slack, paid probes",
    ORACLE: "oracle (hindsight)",
}
POLICY_RULES: Final[Mapping[str, str]] = {
    "on_demand": "one on-demand instance from start to end",
    "spot_greedy": "the cheapest available pool, until it is lost",
    "cheapest_pool": "always the cheapest available pool",
    "lowest_advisor_bucket": "the available pool with the lowest advisor bucket, until it is lost",
    "eager_failover": "after a loss, another pool immediately; on-demand while none is available",
    "uniform_progress": "Wu et al., NSDI 2024, in one zone",
    "uniform_progress_multi": "Wu et al., NSDI 2024, across all zones",
    "uniform_progress_s": "Uniform Progress as SkyNomad compares it: another zone after a loss",
    "uniform_progress_a": "Uniform Progress as SkyNomad compares it: the most available zone",
    "uniform_progress_ap": "Uniform Progress as SkyNomad compares it: availability by price",
    "slack_price": "the lowest cost of an hour of work, with egress and the price of slack",
    "slack_price_probing": "price of slack, from its own launches and hourly probes it pays for",
    ORACLE: "the best schedule with hindsight; no policy can do better",
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
    """The label of a policy; SpotLab's includes the model's version.

    Args:
        name: the policy's name in sweeps.
        models: from the sweep's config: (reference, digest) by the requested name.
    """
    if name.startswith(SPOTLAB):
        model = name.removeprefix(SPOTLAB)
        return f"SpotLab ({models[model][0] if model in models else model})"
    return POLICY_WORDS.get(name, name)


def short(name: str) -> str:
    """A short label, if the sweep has only one model."""
    return "SpotLab" if name.startswith(SPOTLAB) else POLICY_WORDS.get(name, name)


def workload(config: Mapping[str, Any]) -> str:
    """`job of 48 h, deadline 52 to 92 h`, or `service of 168 h`."""
    workloads = config.get("workloads", {})
    if workloads.get("kind") == "Jobs":
        return f"job of {workloads['work_h']:g} h, deadline {span(workloads['deadlines_h'])} h"
    if workloads.get("kind") == "Services":
        return f"service of {workloads['hours']:g} h"
    return UNKNOWN


def span(ends: Any) -> str:
    """`52 to 92`, or one number if both are equal."""
    low, high = ends
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def zones(config: Mapping[str, Any]) -> str:
    """`9 zones`: the number of traces that are replayed together."""
    return count(len(config.get("traces", {})), "zone")


def usd(value: float | None) -> str:
    """An amount in USD without the unit, with sensible digits.

    >>> usd(4.567), usd(41.23), usd(1234.5), usd(None)
    ('4.57', '41.2', '1,234', '—')
    """
    if value is None:
        return UNKNOWN
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}".replace("-", MINUS)


def share(value: float | None) -> str:
    """A share of 1 in percent without the % sign, with one digit below ten.

    >>> share(0.0413), share(-0.72), share(1.25), share(None)
    ('4.1', '−72', '125', '—')
    """
    if value is None:
        return UNKNOWN
    digits = 1 if abs(value) < 0.0995 else 0
    text = f"{100 * value:,.{digits}f}"
    return text.replace("-", MINUS) if text.strip("-0.") else text.lstrip("-")


def number(value: float | None) -> str:
    """A mean of counts or hours: `0.35`, `7.2`, `120`."""
    if value is None:
        return UNKNOWN
    digits = 2 if 0 < abs(value) < 0.995 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}".replace("-", MINUS)
