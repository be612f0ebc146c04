"""What a version would have decided in the last 30 days: computed on request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.policy import PolicyVersion
from spotlab.pipeline.policy_preview import PolicyPreview
from spotlab.services.policies import DEFAULT_DAYS
from spotlab.ui.common import background_tasks, formatting, session, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.policies import changes

SLOT: Final = "policy-preview"
_RESULTS: Final = "policy-previews"
EXPLANATION: Final = (
    f"Makes every decision of the last {DEFAULT_DAYS:g} days again from its record, with this "
    "policy's parameters. A changed decision does not influence later ones."
)


def result_of(version: PolicyVersion, active: PolicyVersion) -> PolicyPreview | None:
    """This session's preview of a version, made while the same policy was active, or None."""
    run = background_tasks.take(SLOT)
    results: dict[tuple[str, str], PolicyPreview] = st.session_state.setdefault(_RESULTS, {})
    if run is not None and run.result is not None:
        found, deciding = run.result
        results[found.policy, deciding] = found
    return results.get((version.reference, active.reference))


def show(
    version: PolicyVersion,
    active: PolicyVersion,
    result: PolicyPreview | None,
    names: Mapping[str, str],
    now: datetime,
    palette: Palette,
) -> None:
    """Shows the button, the progress, and the preview once there is one.

    Args:
        version: the version.
        active: the one that decides.
        result: from `result_of`.
        names: of instances, by id.
        now: aware UTC.
        palette: of the theme.
    """
    st.caption(EXPLANATION)
    with st.columns([1, 2])[0]:
        background_tasks.start_button(
            f"Preview {DEFAULT_DAYS:g} days",
            SLOT,
            Right.READ,
            _begin,
            (version.reference, active.reference),
            icon=":material/replay:",
            key=f"preview {version.reference}",
        )
    background_tasks.watch(SLOT)
    if result is None:
        return
    st.markdown(formatting.plain(summary(result)))
    if result.transitions:
        tables.show(
            transition_rows(result),
            {
                "change": Column("change", width="medium"),
                "count": Column("decisions", "{:,}".format, number=True),
                "share": Column("share", formatting.percent, number=True),
            },
            name="Changes",
            key="preview-transitions",
        )
        st.caption(f"{_listed(result)} Select a row to open the decision that was made.")
        changes.show(result.changes, names, now, palette, "preview-changes")
        widgets.export(
            lambda: changes.rows(result.changes, names),
            f"preview-{version.policy.name}-{version.policy.version}",
            "preview-file",
        )


def _listed(result: PolicyPreview) -> str:
    shown = min(len(result.changes), changes.MAX_LISTED)
    if shown == result.changed:
        return "All changed decisions, newest first."
    return f"The newest {shown:,} of {result.changed:,} changed decisions."


def summary(result: PolicyPreview) -> str:
    """How much would have changed, in sentences."""
    period = f"{result.since:%Y-%m-%d} to {result.until:%Y-%m-%d}"
    left_out = [
        f"{formatting.count(number, 'decision')} {why}"
        for number, why in (
            (result.not_comparable, "cannot be made again from the record"),
            (result.failed, "failed when they were made"),
        )
        if number
    ]
    aside = f" Left out: {' and '.join(left_out)}." if left_out else ""
    if not result.decided:
        return f"From {period}, no recorded decision can be compared.{aside}"
    cost = changes.cost_a_day(result.cost_difference_usd_per_day, result.instances)
    return (
        f"From {period}, {result.policy} would have changed {result.changed:,} of "
        f"{formatting.count(result.decided, 'decision')} "
        f"({formatting.percent(result.changed / result.decided)}). It would have moved an instance "
        f"{result.moves_after:,} times instead of {result.moves_before:,}; {cost}.{aside}"
    )


def transition_rows(result: PolicyPreview) -> pd.DataFrame:
    """One row per kind of change, and the decisions that stay the same."""
    found = [
        {
            "change": f"{formatting.decision_mark(each.before)} → "
            + (
                "another pool"
                if each.before is each.after
                else formatting.decision_mark(each.after)
            ),
            "count": each.count,
        }
        for each in result.transitions
    ]
    found.append({"change": "the same decision", "count": result.decided - result.changed})
    frame = pd.DataFrame(found)
    return frame.assign(share=frame["count"] / result.decided)


def _begin(reference: str, deciding: str) -> None:
    services = session.services()
    services.principal.require(Right.READ)
    background_tasks.begin(
        SLOT,
        f"Preview of {reference}",
        lambda tell, stopped: (
            services.policies.preview(reference, DEFAULT_DAYS, tell, stopped),
            deciding,
        ),
    )
