"""One instance: where it runs and why it stays or moves, its history, and its pool over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.domain.switches import Switch, SwitchState
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.ui import charts
from spotlab.ui.common import formatting, links, session, tables, widgets
from spotlab.ui.common.formatting import ago, moment, plain
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import palette
from spotlab.ui.experiments import table as decision_table
from spotlab.ui.market.view import history_of
from spotlab.ui.switches import table as switch_table

MAX_ROWS: Final = 100
KINDS: Final = {
    InterruptionKind.NOTICE: "interruption notice",
    InterruptionKind.REBALANCE: "rebalance recommendation",
    InterruptionKind.RECLAIMED: "reclaimed by AWS",
    InterruptionKind.CAPACITY: "launch refused for lack of capacity",
    InterruptionKind.LAUNCHED: "launched",
}
_DECISION_COLUMNS: Final = ("when", "decision", "saving", "to", "risk", "after", "id")


def pick() -> Instance | None:
    """The instance that the URL names, or the first; also one that is no longer listed."""
    known = session.services().instances.list(active_only=False)
    fleet = sorted(known, key=lambda instance: not instance.active)
    chosen = widgets.pick_instance(fleet)
    return next((each for each in fleet if each.instance_id == chosen), None)


def headline(
    instance: Instance,
    last: ExperimentSummary | None,
    switches: Sequence[Switch],
    events: Sequence[InterruptionEvent],
    now: datetime,
) -> str:
    """Where it runs, what was decided last, and how often it was switched and interrupted."""
    place = formatting.place(instance.pool, instance.lifecycle)
    name = instance.name or instance.instance_id
    decided = (
        f"{last.decision.value if last.decision else 'not decided'} {ago(last.created_at, now)}"
        if last
        else "never evaluated"
    )
    done = sum(each.state is SwitchState.DONE and not each.dry_run for each in switches)
    lost = sum(each.kind is InterruptionKind.RECLAIMED for each in events)
    state = "" if instance.active else " (no longer listed)"
    return (
        f"{name}{state}, {place}: {decided}, "
        f"{formatting.count(done, 'switch', 'switches')}, "
        f"{formatting.count(lost, 'interruption')}"
    )


def small_print(instance: Instance, now: datetime) -> str:
    """Its ids and settings as listed."""
    launched = (
        f"launched {ago(instance.launched_at, now)}" if instance.launched_at else "age unknown"
    )
    mode = "shadow mode" if instance.shadow else "decisions may be carried out"
    return (
        f"{instance.instance_id} · {instance.account} · {instance.pool.label} · "
        f"{instance.lifecycle.value} · {instance.state}, {launched} · model "
        f"{instance.model or 'champion'} · {mode}"
    )


def show_last_decision(last: ExperimentSummary | None) -> None:
    """The reason of the last decision."""
    if last is None:
        st.write("Not evaluated yet.")
        return
    st.write(f"**{formatting.decision_mark(last.decision)}** {plain(last.reason or last.error)}")


def decisions_of(instance_id: str) -> Sequence[ExperimentSummary]:
    """Its newest decisions, newest first."""
    where = ExperimentFilter(instance_id=instance_id)
    return session.services().experiments.list(where, limit=MAX_ROWS)


def events_of(instance_id: str) -> list[InterruptionEvent]:
    """Its interruptions and signals, newest first."""
    events = session.services().interruptions.list()
    return [each for each in events if each.instance_id == instance_id]


def show_chart(
    instance: Instance, decisions: Sequence[ExperimentSummary], switches: Sequence[Switch]
) -> None:
    """Price and risk of its pool over time, with its decisions and switches marked."""
    data, _ = session.market_if_any()
    history = history_of(data, instance.pool) if data is not None else pd.DataFrame()
    if data is None or not len(history):
        st.caption(plain(f"The price of {instance.pool.label} is unknown: no chart."))
        return
    here = [each for each in decisions if each.current_pool == instance.pool.key]
    done = [each.finished_at for each in switches if each.state is SwitchState.DONE]
    st.plotly_chart(
        charts.pool_history(
            history,
            here,
            palette(),
            until=max(data.as_of, session.now()),
            horizon_h=DEFAULT_WORKLOAD.horizon_h,
            switched_at=[each for each in done if each is not None],
        ),
        config=charts.CONFIG,
        key="pool-history",
        alt=f"Price and risk of {instance.pool.label} over time, with decisions",
    )
    if instance.lifecycle is Lifecycle.ON_DEMAND:
        st.caption("The instance is on-demand: the spot pool of its type is shown.")


def show_decisions(decisions: Sequence[ExperimentSummary], now: datetime) -> None:
    """The history of its decisions; a selected row is linked."""
    if not decisions:
        st.caption("No decisions yet.")
        return
    frame = decision_table.rows(decisions, [])
    columns = decision_table.columns(now, palette())
    shown = {name: columns[name] for name in _DECISION_COLUMNS}
    chosen = tables.show(
        frame,
        shown,
        name="Decisions",
        key="instance-decisions",
        select=("single-row", "single-cell"),
        rows=[str(each.experiment_id) for each in decisions],
        max_rows=8,
    )
    if chosen:
        number = decisions[chosen[0]].experiment_id
        links.to("experiments", f"Open decision {number}", ":material/history:", id=number)
    else:
        st.caption("Select a row to open the decision.")


def show_switches(switches: Sequence[Switch], now: datetime) -> None:
    """Its switches, with a link to each of the newest."""
    if not switches:
        st.caption("No switches yet.")
        return
    columns = switch_table.columns(now, palette())
    shown = {name: each for name, each in columns.items() if name != "instance"}
    frame = switch_table.rows(switches)
    tables.show(frame, shown, name="Switches", key="instance-switches", max_rows=8)
    newest = switches[0].switch_id
    links.to("switches", "Open the newest switch", ":material/swap_horiz:", switch=newest)


def show_events(events: Sequence[InterruptionEvent], now: datetime) -> None:
    """Its interruptions, notices and rebalance recommendations."""
    if not events:
        st.caption("No interruptions or signals are recorded.")
        return
    frame = pd.DataFrame(
        [
            {"at": e.at, "kind": KINDS[e.kind], "pool": e.pool.label, "source": e.source}
            for e in events
        ]
    )
    columns = {
        "at": Column("time", at(now, formatting.ago)),
        "kind": Column("what"),
        "pool": Column("pool"),
        "source": Column("source"),
    }
    tables.show(frame, columns, name="Interruptions and signals", key="instance-events", max_rows=8)
    st.caption(plain(f"The newest at {moment(events[0].at)}."))
