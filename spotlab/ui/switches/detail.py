"""One switch: what was requested and got, its cost before and after, and its course."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.switches import JournalEntry, Switch, SwitchState
from spotlab.ui.common import formatting, links, open_row, tables
from spotlab.ui.common.formatting import ago, moment, plain
from spotlab.ui.common.tables import Column
from spotlab.ui.switches import actions, course, table

TABLE = "switches"
PARAMETER = "switch"
UNKNOWN_COST = "“—”: unknown, as for a switch that was requested by hand."


def opened(switches: Sequence[Switch]) -> tuple[list[Switch], Switch | None]:
    """The rows of the table, and the switch whose details are open; the URL names it.

    Of an instance in the URL, only its switches are shown.
    """
    instance = st.query_params.get("instance")
    shown = [
        each
        for each in switches
        if not instance
        or instance in (each.instance_id, each.got.instance_id if each.got else None)
    ]
    ids = [each.switch_id for each in shown]
    open_row.follow_rows(TABLE, ids)
    found = open_row.open_id(TABLE, ids, PARAMETER)
    return shown, next((each for each in switches if each.switch_id == found), None)


def show(switch: Switch, journal: Sequence[JournalEntry], now: datetime) -> None:
    """The details of the open switch, with the actions that its state allows."""
    open_row.show_header(switch.name or switch.instance_id, TABLE, PARAMETER)
    st.markdown(f"**{table.MARKS[switch.state]}**{' · dry run' if switch.dry_run else ''}")
    show_situation(switch)
    actions.show(switch)
    st.caption(plain(origin(switch, now)), help=moment(switch.requested_at))
    st.code(f"{switch.switch_id}\n{switch.instance_id}" + _new_id(switch), language=None)
    show_targets(switch)
    show_costs(switch)
    course.show_live(switch)
    with st.container(horizontal=True):
        links.to("instance", "Instance", ":material/dns:", instance=switch.instance_id)
        if switch.experiment_id is not None:
            links.to("experiments", "Decision", ":material/history:", id=switch.experiment_id)
    st.subheader("Journal", anchor=False)
    course.show_journal(switch, journal)


def show_situation(switch: Switch) -> None:
    """Why it stands where it stands, and what to do."""
    texts = (switch.held, switch.situation, switch.remedy)
    text = "\n\n".join(plain(each) for each in texts if each)
    if not text:
        return
    if switch.state is SwitchState.NEEDS_ATTENTION:
        st.error(text, title="Needs attention")
    else:
        st.info(text, icon=":material/info:")


def origin(switch: Switch, now: datetime) -> str:
    """Who requested and approved it, when and why."""
    parts = [f"Requested {ago(switch.requested_at, now)} by {switch.requested_by}"]
    if switch.reason:
        parts.append(f"because: {switch.reason.rstrip('.')}")
    if switch.approved_by and switch.approved_at:
        parts.append(f"approved {ago(switch.approved_at, now)} by {switch.approved_by}")
    if switch.state is SwitchState.REQUESTED and switch.expires_at:
        left_s = (switch.expires_at - now).total_seconds()
        parts.append(f"expires in {formatting.age(left_s)}" if left_s > 0 else "has expired")
    if switch.policy_version:
        parts.append(f"policy {switch.policy_version}, workload {switch.workload_version or '—'}")
    parts.append(switch.strategy.label)
    return "; ".join(parts) + "."


def _new_id(switch: Switch) -> str:
    got = switch.got
    return f"\n{got.instance_id}" if got and got.instance_id != switch.instance_id else ""


def show_targets(switch: Switch) -> None:
    """Requested, got, and why it is not the same."""
    requested, got = switch.requested, switch.got
    st.markdown(
        f"**Requested** {plain(formatting.place(requested.pool, requested.lifecycle))}  \n"
        f"**Got** "
        + (plain(formatting.place(got.pool, got.lifecycle)) if got else "nothing yet")
        + (f"  \n**Why** {plain(switch.got_why)}" if switch.got_why else "")
    )


def show_costs(switch: Switch) -> None:
    """Price and expected cost before and after, and what was really saved."""
    frame = cost_rows(switch)
    columns = {
        "what": Column("", help="Expected cost: the price and what interruptions cost."),
        "before": Column("before USD/h", formatting.usd, UNKNOWN_COST, number=True),
        "after": Column("after USD/h", formatting.usd, UNKNOWN_COST, number=True),
    }
    tables.show(frame, columns, name="Cost before and after", key="switch-costs")
    st.caption(plain(saving_sentence(switch)))


def cost_rows(switch: Switch) -> pd.DataFrame:
    """Price, and expected cost with interruptions."""
    return pd.DataFrame(
        [
            ("price", switch.price_before_usd_per_hour, switch.price_after_usd_per_hour),
            (
                "expected cost",
                switch.cost_before_usd_per_hour,
                switch.cost_after_usd_per_hour,
            ),
        ],
        columns=["what", "before", "after"],
    ).astype({"before": "float64", "after": "float64"})


def saving_sentence(switch: Switch) -> str:
    """What the switch really saved, from billed hours and prices; never an estimate."""
    if switch.dry_run:
        return "A dry run changes nothing and saves nothing."
    realised = switch.realised
    if realised is None:
        return f"Realised saving: {table.NOT_KNOWN}; it is counted from billed hours and prices."
    return (
        f"{realised.sentence} By billed hours and prices, {realised.paid_usd:.4f} USD were paid "
        f"instead of {realised.instead_usd:.4f} USD until {moment(realised.until)}."
    )
