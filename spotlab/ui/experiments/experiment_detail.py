"""One decision in detail: reason, candidates, filtered pools, stages, features, sources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import pandas as pd
import streamlit as st

from spotlab.domain.decision import (
    Candidate,
    Decision,
    Experiment,
    Lifecycle,
    alternative_saving,
    saving,
)
from spotlab.domain.risk import HOURS_PER_MONTH
from spotlab.domain.workload import describe_cost
from spotlab.ui import charts
from spotlab.ui.candidates import table
from spotlab.ui.common import formatting, links, session, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette


def headline(experiment: Experiment) -> str:
    """The decision, the instance and the saving."""
    instance, verdict = experiment.instance, experiment.verdict
    name = instance.name or instance.instance_id
    if verdict is None:
        return f"{formatting.NOT_DECIDED}: {name}"
    mark = formatting.decision_mark(verdict.decision)
    target = {
        Decision.STAY: f"{name} stays on {formatting.place(instance.pool, instance.lifecycle)}",
        Decision.SWITCH: f"{name} to {verdict.chosen.pool.label if verdict.chosen else ''}",
        Decision.FALLBACK_ONDEMAND: f"{name} to on-demand {instance.pool.instance_type}",
    }[verdict.decision]
    saved = saving(verdict.decision, verdict.saving_usd_per_hour)
    alternative = alternative_saving(verdict.decision, verdict.saving_usd_per_hour)
    if verdict.decision is Decision.STAY:
        return f"{mark}: {target}{_alternative_words(alternative)}"
    if saved is None:
        return f"{mark}: {target}, saving unknown"
    if saved < 0:
        return f"{mark}: {target}, costs {formatting.usd_per_hour(-saved)} more for less risk"
    return f"{mark}: {target}, saves {formatting.usd_per_hour(saved)}"


def _alternative_words(usd_per_hour: float | None) -> str:
    """What the best alternative to a STAY would save or cost, after a comma."""
    if usd_per_hour is None:
        return ""
    verb = "save" if usd_per_hour >= 0 else "cost"
    more = "" if usd_per_hour >= 0 else " more"
    return f"; the best alternative would {verb} {formatting.usd_per_hour(abs(usd_per_hour))}{more}"


def show(experiment: Experiment, now: datetime, palette: Palette) -> None:
    """Everything that was recorded."""
    verdict = experiment.verdict
    widgets.headline(
        headline(experiment),
        f"Decision #{experiment.experiment_id} · {experiment.instance.instance_id} · "
        f"{formatting.moment(experiment.created_at)} "
        f"({formatting.ago(experiment.created_at, now)}) · "
        f"{formatting.MARKET_WORDS[experiment.market]} · {experiment.model} · "
        f"{'shadow mode: recorded only' if experiment.shadow else 'live'}",
    )
    widgets.degraded(experiment.degraded, "The decision was made with the data that was available.")
    if verdict is None:
        st.error(
            formatting.plain(experiment.error),
            title="No decision could be made",
            icon=":material/warning:",
        )
    else:
        st.write(formatting.plain(verdict.reason))
        _show_sides(experiment)
    with st.container(horizontal=True):
        links.of_experiment(experiment.experiment_id, experiment.instance.instance_id)
        links.of_logs(session.services().experiments.correlation_id(experiment))
    tabs = widgets.tabs(["Candidates", "Filtered", "Evaluation", "Features", "Sources"])
    with tabs[0]:
        _show_candidates(experiment, palette)
    with tabs[1]:
        _show_filtered(experiment, palette)
    with tabs[2]:
        _show_evaluation(experiment)
    with tabs[3]:
        _show_features(experiment)
    with tabs[4]:
        _show_sources(experiment)
    st.download_button(
        "Decision as JSON",
        data=lambda: as_json(experiment),
        file_name=f"decision-{experiment.experiment_id}.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
    )


def as_json(experiment: Experiment) -> bytes:
    """Everything that was recorded, with names and units as in the code; unknown numbers are
    null."""
    return msgspec.json.format(msgspec.json.encode(experiment), indent=2)


def sides(experiment: Experiment) -> dict[str, Candidate]:
    """The current pool, and the chosen one or, for a STAY, the best alternative; known ones."""
    verdict = experiment.verdict
    if verdict is None:
        return {}
    found = {"current": verdict.current, "chosen": verdict.chosen}
    if verdict.decision is Decision.STAY:
        others = [c for c in experiment.candidates if c.rank and c.pool != experiment.instance.pool]
        found["best alternative"] = min(others, key=lambda c: c.rank, default=None)
    return {title: side for title, side in found.items() if side is not None}


def _show_sides(experiment: Experiment) -> None:
    """The pools of the decision side by side, with their reasons."""
    known = sides(experiment)
    if not known:
        st.caption("Price or risk of the current pool was unknown, and no other pool was chosen.")
        return
    frame = pd.DataFrame(
        {title: facts(side, _is_on_demand(experiment, side)) for title, side in known.items()}
    )
    columns = {"what": Column("")} | {title: Column(title, number=True) for title in known}
    left, right = st.columns([3, 2], gap="large")
    with left:
        tables.show(
            frame.rename_axis("what").reset_index(),
            columns,
            name="The pools of the decision",
            key="sides",
        )
    with right:
        for title, side in known.items():
            why = " ".join(side.reasons)
            if _is_on_demand(experiment, side):
                why = f"On-demand is not interrupted. The same type on spot: {why}"
            st.caption(
                f"**{title.capitalize()}: {formatting.plain(_place(experiment, side))}.** "
                f"{formatting.plain(why)}"
            )


def _is_on_demand(experiment: Experiment, side: Candidate) -> bool:
    """Whether this side is the on-demand instance itself: its spot pool is not in use."""
    instance, verdict = experiment.instance, experiment.verdict
    is_current = verdict is not None and side is verdict.current
    return is_current and instance.lifecycle is Lifecycle.ON_DEMAND


def _place(experiment: Experiment, side: Candidate) -> str:
    on_demand = _is_on_demand(experiment, side)
    return formatting.place(side.pool, Lifecycle.ON_DEMAND if on_demand else Lifecycle.SPOT)


def in_words(experiment: Experiment, side: Candidate) -> str:
    """A pool with its price and risk, with units."""
    place = _place(experiment, side)
    if _is_on_demand(experiment, side):
        price = formatting.usd_per_hour(side.on_demand_price_usd_per_hour)
        return f"{place}, {price}, not interrupted"
    return (
        f"{place}, {formatting.usd_per_hour(side.spot_price_usd_per_hour)}, risk "
        f"{formatting.percent(side.risk)} within {side.horizon_h:g} h"
    )


def facts(side: Candidate, on_demand: bool = False) -> dict[str, str]:
    """A pool's numbers with their units, by label.

    Args:
        side: the pool.
        on_demand: it is the pool of an on-demand instance, which does not use it.
    """
    known = {
        "type": side.pool.instance_type,
        "zone": side.pool.availability_zone or side.pool.region,
        "spot price": formatting.usd_per_hour(side.spot_price_usd_per_hour),
        f"risk within {side.horizon_h:g} h": formatting.percent(side.risk),
        "interruptions a month": f"{HOURS_PER_MONTH * side.hazard_per_hour:.2f}",
        "expected cost": f"{formatting.usd_finer(side.expected_cost_usd_per_hour)} USD/h",
        "on-demand price": formatting.usd_per_hour(side.on_demand_price_usd_per_hour),
        "rank": f"{side.rank:,}" if side.rank else "not ranked",
    }
    if on_demand:
        known |= {
            "spot price": "not on spot",
            f"risk within {side.horizon_h:g} h": "not interrupted",
            "interruptions a month": "0",
            "expected cost": known["on-demand price"],
            "rank": "not ranked",
        }
    return known


def _show_candidates(experiment: Experiment, palette: Palette) -> None:
    frame = candidate_rows(experiment)
    horizon_h = experiment.workload.workload.horizon_h
    shown = frame.head(table.TOP)
    widgets.row_count(len(shown), len(frame), "scored pool")
    verdict = experiment.verdict
    current, chosen = (verdict.current, verdict.chosen) if verdict else (None, None)
    if experiment.instance.lifecycle is Lifecycle.ON_DEMAND:
        current = None  # it does not use its spot pool
    ranked = {name: c for name, c in table.columns(horizon_h, palette).items() if name in frame}
    tables.show(
        shown,
        ranked
        | {
            "dropped": Column(
                "filtered because", formatting.drop_reason, "“—”: it was a candidate."
            )
        },
        name="Candidates of this decision",
        key="decision-candidates",
        max_rows=10,
    )
    st.plotly_chart(
        charts.frontier(
            frame.head(table.CHART_TOP).rename(
                columns={"type": "instance_type", "zone": "availability_zone"}
            ),
            table.marks(current, chosen, palette, "chosen"),
            palette,
            horizon_h=horizon_h,
            price="price",
        ),
        config=charts.CONFIG,
        key="decision-frontier",
        alt="Risk against spot price of the decision's candidates",
    )
    widgets.export(
        lambda: candidate_rows(experiment), f"decision-{experiment.experiment_id}", "decision-file"
    )


def candidate_rows(experiment: Experiment) -> pd.DataFrame:
    """One row per scored pool of a decision, ranked candidates first."""
    ranked = sorted(experiment.candidates, key=lambda c: (c.rank == 0, c.rank))
    return pd.DataFrame(
        [
            {
                "rank": c.rank or None,
                "type": c.pool.instance_type,
                "zone": c.pool.availability_zone or c.pool.region,
                "region": c.pool.region,
                "price": c.spot_price_usd_per_hour,
                "cost": c.expected_cost_usd_per_hour,
                "risk": c.risk,
                "on_demand": c.on_demand_price_usd_per_hour,
                "dropped": str(c.dropped) if c.dropped else None,
            }
            for c in ranked
        ],
        columns=["rank", "type", "zone", "region", "price", "cost", "risk", "on_demand", "dropped"],
    ).astype({"on_demand": "float64", "rank": "float64"})


def _show_filtered(experiment: Experiment, palette: Palette) -> None:
    if not experiment.dropped:
        st.caption("No pools were filtered.")
        return
    st.caption(
        f"{formatting.count(sum(experiment.dropped.values()), 'pool')} filtered, by first reason."
    )
    st.plotly_chart(
        charts.drops(experiment.dropped, palette),
        config=charts.CONFIG,
        key="decision-drops",
        alt="Filtered pools by reason",
    )


def _show_evaluation(experiment: Experiment) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**Stages**, {formatting.milliseconds(experiment.duration_ms)} for this instance"
        )
        frame = pd.DataFrame(
            [(s.name, s.duration_ms, s.rows_in, s.rows_out) for s in experiment.stages],
            columns=["stage", "time", "in", "out"],
        )
        columns = {
            "stage": Column("stage"),
            "time": Column("time", formatting.milliseconds, number=True),
            "in": Column("rows in", "{:,}".format, number=True),
            "out": Column("rows out", "{:,}".format, number=True),
        }
        tables.show(frame, columns, name="Stages", key="stages")
        st.caption("collect, features and risk run once for all instances of an evaluation.")
    with right:
        st.markdown("**Policy parameters**")
        _show_parameters(experiment.policy.as_dict())
        st.markdown("**Workload**")
        applied = experiment.workload
        st.caption(formatting.plain(f"{applied.reason} {describe_cost(applied.workload)}"))
        st.markdown("**Requirements**")
        st.caption(formatting.plain(table.describe(experiment.requirements)))


def _show_parameters(values: Mapping[str, float]) -> None:
    frame = pd.DataFrame({"parameter": [*values], "value": [*values.values()]})
    columns = {
        "parameter": Column(
            "parameter", help="The suffix is the unit: _h hours, _fraction a share of 1."
        ),
        "value": Column("value", "{:g}".format, number=True),
    }
    tables.show(frame, columns, name="Policy parameters", key="policy", max_rows=20)


def _show_features(experiment: Experiment) -> None:
    known = sides(experiment)
    if not known:
        st.caption("Neither the current pool nor another pool was scored.")
        return
    frame = pd.DataFrame({"feature": list(experiment.feature_names)})
    for title, side in known.items():
        frame[title] = [side.features.get(name) for name in experiment.feature_names]
    tables.show(
        frame.astype(dict.fromkeys(known, "float64")),
        {"feature": Column("feature")}
        | {
            title: Column(title, "{:,.4g}".format, "“—”: unknown at that time.", number=True)
            for title in known
        },
        name="Features",
        key="decision-features",
        max_rows=30,
    )


def _show_sources(experiment: Experiment) -> None:
    origins = list(dict.fromkeys(o for side in sides(experiment).values() for o in side.sources))
    if not origins:
        st.caption("No sources: the current pool was not scored, and no other was chosen.")
        return
    st.table(
        pd.DataFrame(
            {
                "event time": [formatting.moment(o.event_time) for o in origins],
                "age at decision": [
                    formatting.age(o.age_s(experiment.created_at)) for o in origins
                ],
                "read at": [formatting.moment(o.fetched_at) for o in origins],
                "quality": [
                    ", ".join(
                        word
                        for word, is_so in (("approximate", o.approximate), ("stale", o.stale))
                        if is_so
                    )
                    or "as published"
                    for o in origins
                ],
            },
            index=pd.Index([formatting.plain(o.source) for o in origins], name="source"),
        ),
        border="horizontal",
    )
