"""All versions of all policies, the active one first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.policy import PolicyParams, PolicyState, PolicyVersion, differences
from spotlab.pipeline.shadow import Comparison
from spotlab.ui.common import formatting, links, tables, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

STATE_MARKS: Final[Mapping[PolicyState, str]] = {
    PolicyState.ACTIVE: "★ active",
    PolicyState.SHADOW: "● shadow",
    PolicyState.DRAFT: "○ draft",
    PolicyState.RETIRED: "□ retired",
}
SMALL_PRINT: Final = (
    "The active policy decides. Policies in shadow decide alongside it at every evaluation; their "
    "decisions are never executed."
)


def ordered(versions: Sequence[PolicyVersion]) -> list[PolicyVersion]:
    """The active version first, then those in shadow, drafts and retired ones."""
    order = [*STATE_MARKS]
    return sorted(versions, key=lambda each: order.index(each.state))


def active_of(versions: Sequence[PolicyVersion]) -> PolicyVersion:
    """The version that decides."""
    return next(each for each in versions if each.state is PolicyState.ACTIVE)


def newest_of(versions: Sequence[PolicyVersion], name: str) -> int:
    """The newest version of a name."""
    return max(each.policy.version for each in versions if each.policy.name == name)


def headline(versions: Sequence[PolicyVersion], comparisons: Mapping[str, Comparison]) -> str:
    """Which policy decides, and how often those in shadow would decide differently."""
    active = active_of(versions)
    in_shadow = [each for each in versions if each.state is PolicyState.SHADOW]
    known = [comparisons[e.reference] for e in in_shadow if e.reference in comparisons]
    if known:
        first = known[0]
        text = (
            f"{first.policy} in shadow would have decided differently in "
            f"{len(first.disagreements):,} of {formatting.count(first.decided, 'decision')}"
        )
    else:
        text = f"{formatting.count(len(in_shadow), 'policy', 'policies')} in shadow"
    return f"{active.reference} decides; {text}"


def show(
    versions: Sequence[PolicyVersion],
    comparisons: Mapping[str, Comparison],
    now: datetime,
    palette: Palette,
) -> None:
    """Shows the table; a selected row goes into the URL."""
    in_url = st.query_params.get("policy", "")
    selected = tables.show(
        rows(versions, comparisons),
        columns(now, palette),
        name="Policies",
        key="policies",
        select=("single-row", "single-cell"),
        max_rows=10,
        rows=[in_url, *(each.reference for each in versions)],
    )
    if selected and versions[selected[0]].reference != in_url:
        reference = versions[selected[0]].reference
        st.switch_page(links.page("policies"), query_params={"policy": reference})


def pick(versions: Sequence[PolicyVersion]) -> PolicyVersion:
    """The version in the URL, or the first one; shows the selection box."""
    names = {each.reference: f"{each.reference} · {each.state}" for each in versions}
    chosen = widgets.pick_one("Policy", names, "policy")
    return next(each for each in versions if each.reference == chosen)


def rows(versions: Sequence[PolicyVersion], comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """One row per version."""
    active = active_of(versions).policy.params
    return pd.DataFrame(
        [
            {
                "policy": each.reference,
                "state": STATE_MARKS[each.state],
                "apart": _differences(each, active),
                "agrees": _agreement(comparisons.get(each.reference)),
                "at": each.history[0].at if each.history else None,
                "actor": each.history[0].actor if each.history else "built in",
                "reason": (each.history[0].reason if each.history else "") or None,
            }
            for each in versions
        ]
    )


def _differences(version: PolicyVersion, active: PolicyParams) -> str:
    if version.state is PolicyState.ACTIVE:
        return "—"
    changes = differences(active, version.policy.params)
    return "; ".join(each.text for each in changes) or "the same parameters"


def _agreement(comparison: Comparison | None) -> str | None:
    if comparison is None or not comparison.decided:
        return None
    return (
        f"{formatting.percent(comparison.agreement.value)} of "
        f"{formatting.count(comparison.decided, 'decision')}"
    )


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table."""
    colours = {STATE_MARKS[PolicyState.ACTIVE]: palette.good}
    colours[STATE_MARKS[PolicyState.SHADOW]] = palette.move
    return {
        "policy": Column("policy"),
        "state": Column("state", colour=lambda text: colours.get(str(text), palette.quiet)),
        "apart": Column("compared with the active one", width="large"),
        "agrees": Column(
            "agrees in shadow",
            help="Same decision and pool, in the last 30 days. “—”: it was not in shadow.",
        ),
        "at": Column(
            "since", at(now, formatting.ago), "Last change of its state. “—”: it never changed."
        ),
        "actor": Column("by"),
        "reason": Column("why", width="medium", help="“—”: no reason was entered."),
    }
