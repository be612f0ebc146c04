"""The What-if page's fragment: controls, and beside them the result, computed at each move."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spotlab.domain.decision import Instance
from spotlab.domain.what_if import KNOBS, Changes
from spotlab.services.prepared_fleet import Moment
from spotlab.services.what_if import WhatIf
from spotlab.ui import charts
from spotlab.ui.common import errors, formatting, links, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.what_if import controls, save, table

ROWS = 14


@st.fragment
def show(fleet: Sequence[Instance]) -> None:
    """Shows everything; a change of a control runs only this again.

    Args:
        fleet: the instances that the user may see.
    """
    with errors.boundary():
        _show(fleet)


def _show(fleet: Sequence[Instance]) -> None:
    service, top = session.services().what_if, st.container()
    left, right = st.columns([2, 5], gap="large")
    with left:
        chosen = widgets.pick_instance(fleet, blank="the whole fleet")
        ids = [chosen] if chosen is not None else None
        today, workloads = service.today(ids)
        changes = controls.show(today, chosen or "")
    what_if = service.step(changes, ids)
    with top:
        widgets.headline(table.headline(what_if), table.small_print(what_if))
        moment = what_if.moment
        widgets.degraded(moment.degraded if moment else [], "The what-if uses the last good data.")
    with right:
        _show_changed(what_if, one=chosen is not None)
        save.show(changes, workloads)
        _show_curve(what_if, changes, today, ids)
    widgets.export(lambda: table.exported(what_if), "what-if", "what-if-file")
    _show_moment(moment, what_if.step_ms)


def _show_changed(what_if: WhatIf, *, one: bool) -> None:
    changed = what_if.changed
    if one:
        _show_reasons(what_if)
        return
    if not what_if.changes.as_dict():
        return
    count = formatting.count(len(changed), "decision differs", "decisions differ")
    st.header(f"{count} from today's settings", anchor=False)
    if not changed:
        return
    frame = table.rows(changed)
    selected = tables.show(
        frame,
        table.columns(palette()),
        name="Instances that are decided about otherwise",
        key="what-if changed",
        select=("single-row", "single-cell"),
        max_rows=ROWS,
        rows=frame["instance_id"].tolist(),
    )
    if selected:
        row = frame.iloc[selected[0]]
        st.markdown(formatting.plain(f"{row['name']}: {row['why']}"))
        links.of_instance(str(row["instance_id"]), None)


def _show_reasons(what_if: WhatIf) -> None:
    """Today's decision and the one with the changes, in the policy's words."""
    pairs = [("Today's settings", what_if.before), ("These settings", what_if.after)]
    if not what_if.changes.as_dict():
        pairs = pairs[:1]
    for text, outcomes in pairs:
        for each in outcomes:
            reason = each.verdict.reason if each.verdict else each.error
            mark = formatting.decision_mark(each.target[0])
            st.markdown(f"**{text}: {mark}.** {formatting.plain(reason)}")


def _show_curve(
    what_if: WhatIf, changes: Changes, today: controls.Values, ids: Sequence[str] | None
) -> None:
    after = what_if.totals_after
    if after.unknown == after.instances:
        return
    st.header("Price against expected interruptions", anchor=False)
    with st.container(width=320):
        knob = widgets.pick_one("Curve over", controls.numeric(), controls.CURVE)
    assert knob is not None, "there are settings"
    values = controls.curve_values(knob, today, changes)
    points = session.services().what_if.sweep(changes, knob, values, ids)
    st.plotly_chart(
        charts.fleet_curve(
            table.curve(knob, points),
            table.running_point(what_if.totals_after),
            table.point("today's settings", what_if.totals_before),
            table.point("these settings", what_if.totals_after) if changes.as_dict() else None,
            palette(),
            KNOBS[knob].label,
        ),
        config=charts.CONFIG,
        key="what-if curve",
        alt=f"Price against expected interruptions, over the {KNOBS[knob].label.lower()}",
    )
    st.caption(
        f"Each point is one value of the setting “{KNOBS[knob].label}”, with the other settings as "
        "on the left. Lower and further left is better."
    )


def _show_moment(moment: Moment | None, step_ms: float) -> None:
    if moment is None:
        return
    now = session.now()
    market = formatting.MARKET_WORDS[moment.market]
    st.caption(
        formatting.plain(
            f"{market}, {formatting.count(moment.pools, 'pool')}, read "
            f"{formatting.ago(moment.as_of, now)}; risks of {formatting.listed(moment.models)}. "
            f"Decided in {formatting.milliseconds(step_ms)}."
        )
    )
    widgets.sources(moment.origins, now)
