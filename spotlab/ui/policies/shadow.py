"""What policies in shadow decided, compared with the decisions that were made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from spotlab.domain.policy import PolicyState, PolicyVersion
from spotlab.pipeline.shadow import Comparison
from spotlab.services import Services
from spotlab.ui.common import formatting, session
from spotlab.ui.common.theme import Palette
from spotlab.ui.policies import changes

CACHE_FOR: Final = timedelta(seconds=30)


def comparisons() -> Mapping[str, Comparison]:
    """Every policy that was in shadow in the last 30 days, by reference. Shared between users who
    see the same accounts: do not modify."""
    return _comparisons(session.reader())


@st.cache_resource(
    show_spinner=False, ttl=CACHE_FOR, max_entries=8, hash_funcs={Services: session.by_accounts}
)
def _comparisons(services: Services) -> Mapping[str, Comparison]:
    return {each.policy: each for each in services.policies.in_shadow()}


def forget() -> None:
    """Clear the cache after a change."""
    _comparisons.clear()


def show(
    version: PolicyVersion,
    comparison: Comparison | None,
    names: Mapping[str, str],
    now: datetime,
    palette: Palette,
) -> None:
    """Shows how often a version agreed in shadow, and where it did not.

    Args:
        version: the version.
        comparison: None: it was not in shadow in the last 30 days.
        names: of instances, by id.
        now: aware UTC.
        palette: of the theme.
    """
    if comparison is None:
        st.caption(
            "It decides in shadow from the next evaluation on."
            if version.state is PolicyState.SHADOW
            else "It was not in shadow in the last 30 days."
        )
        return
    st.markdown(formatting.plain(summary(comparison)))
    apart = [
        each
        for each in map(changes.of_shadow, comparison.disagreements[: changes.MAX_LISTED])
        if each is not None
    ]
    if apart:
        st.caption("Select a row to open the decision that was made.")
        changes.show(apart, names, now, palette, "shadow-changes")


def summary(comparison: Comparison) -> str:
    """Agreement, moves and cost difference in two sentences."""
    agreement, interval = comparison.agreement, ""
    if formatting.known(agreement.low):
        low, high = formatting.percent(agreement.low), formatting.percent(agreement.high)
        interval = f" (95 % interval {low} to {high})"
    failures = (
        f" It failed in {formatting.count(comparison.failures, 'decision')}."
        if comparison.failures
        else ""
    )
    cost = changes.cost_a_day(comparison.cost_difference_usd_per_day, comparison.instances)
    return (
        f"In shadow it agreed with {formatting.percent(agreement.value)}{interval} of "
        f"{formatting.count(comparison.decided, 'decision')} that were made. It would have moved "
        f"an instance {comparison.moves:,} times instead of {comparison.champion_moves:,}; {cost}."
        f"{failures}"
    )
