"""What an edited workload would change, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import streamlit as st

from spotlab.domain.decision import Verdict
from spotlab.domain.workload import Workload, describe_cost
from spotlab.errors import NoMarketData
from spotlab.services.workload_consequence import Consequence, InstanceConsequence
from spotlab.ui.common import formatting, session

MOST: Final = 8
"""Instances listed at once."""


def show(draft: Workload) -> None:
    """Shows the consequence of a workload on the market and the fleet of now."""
    st.markdown("**Consequence, before it is saved**")
    st.write(formatting.plain(describe_cost(draft)))
    try:
        with st.spinner("deciding about its instances"):
            found = session.workload_consequence(draft)
    except NoMarketData:
        st.info("No market has been collected yet, so no decision can be computed.")
        return
    for sentence in sentences(found):
        st.write(formatting.plain(sentence))
    if found.changed:
        _show_changed(found.changed)
    if found.degraded:
        st.caption(formatting.plain(" ".join(found.degraded)))
    st.caption("Computed with the prices, risks and instances of now. Nothing is recorded.")


def sentences(found: Consequence) -> list[str]:
    """The consequence in sentences."""
    if not found.instances:
        return ["There are no instances whose pipeline is on."]
    said = []
    example = most_expensive(found)
    if example is not None:
        said.append(_example(example))
    undecided = [each for each in found.instances if each.after is None]
    number, total = len(found.changed), len(found.instances)
    fleet = formatting.count(total, "instance")
    use = "uses" if total == 1 else "use"
    if not found.assigned:
        said.append(
            f"No instance uses it yet. If all {total} did, "
            + (f"{number} would be decided otherwise." if number else "no decision would change.")
        )
    elif number:
        said.append(f"Of the {fleet} that {use} it, {number} would be decided otherwise.")
    else:
        said.append(f"No decision about the {fleet} that {use} it would change.")
    if found.total > total:
        said.append(f"Computed for the first {total} of {found.total:,}.")
    if undecided:
        said.append(f"No decision is possible for {len(undecided)}: {undecided[0].error}")
    before = _total([each.former_interruptions_usd_per_hour for each in found.instances])
    after = _total([each.interruptions_usd_per_hour for each in found.instances])
    if before != after:
        said.append(
            f"All their interruptions are expected to cost {_usd(after)} USD/h (now "
            f"{_usd(before)} USD/h) on their present pools."
        )
    return said


def _total(costs: Sequence[float | None]) -> float:
    return sum(each for each in costs if each is not None)


def most_expensive(found: Consequence) -> InstanceConsequence | None:
    """The instance whose interruptions cost most an hour; None: unknown for all."""
    known = [each for each in found.instances if each.interruptions_usd_per_hour is not None]
    return max(known, key=lambda each: each.interruptions_usd_per_hour or 0.0, default=None)


def _example(each: InstanceConsequence) -> str:
    name = each.instance.name or each.instance.instance_id
    cost, former = each.interruption_usd, each.former_interruption_usd
    now = f" (now {former:,.2f} USD)" if former is not None and former != cost else ""
    return (
        f"An interruption of {name} costs {cost:,.2f} USD{now}; at its pool's risk that is "
        f"{_usd(each.interruptions_usd_per_hour)} USD/h beside a price of "
        f"{formatting.usd_per_hour(each.price_usd_per_hour)}."
    )


def _show_changed(changed: Sequence[InstanceConsequence]) -> None:
    """The instances about which the decision would be another, as a list that wraps."""
    lines = [
        f"- **{formatting.plain(each.instance.name or each.instance.instance_id)}**: "
        f"{formatting.plain(outcome(each.before))} → {formatting.plain(outcome(each.after))}"
        for each in changed
    ]
    st.markdown("\n".join(lines[:MOST]))
    if len(lines) > MOST:
        with st.expander(f"{len(lines) - MOST} more"):
            st.markdown("\n".join(lines[MOST:]))


def outcome(verdict: Verdict | None) -> str:
    """A decision with the pool that it chooses."""
    if verdict is None:
        return formatting.NOT_DECIDED
    mark = formatting.decision_mark(verdict.decision)
    return mark if verdict.chosen is None else f"{mark} to {verdict.chosen.pool.label}"


def _usd(value: float | None) -> str:
    """USD per hour with two significant digits below 0.01: costs of interruptions are small."""
    if value is None or not 0.0 < abs(value) < 0.01:
        return formatting.usd(value)
    return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"
