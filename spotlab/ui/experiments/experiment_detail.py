"""One decision in detail: reason, candidates, filtered pools, stages, features, sources."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pandas as pd
import streamlit as st

from spotlab.domain.decision import (
    Decision,
    Experiment,
    Lifecycle,
    alternative_saving,
    drop_label,
    saving,
)
from spotlab.domain.policy import PolicyParams
from spotlab.domain.policy_parameters import PARAMETERS
from spotlab.domain.workload import describe_cost
from spotlab.inference.explanation_text import bucket_label, is_bucket
from spotlab.ui import charts
from spotlab.ui.candidates import table
from spotlab.ui.common import formatting, links, session, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.experiments import pools, replay


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
        f"{formatting.MARKET_WORDS[experiment.market]} · model {experiment.model} · "
        f"policy {experiment.policy_version} · "
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
        pools.show(experiment)
    with st.container(horizontal=True):
        links.of_experiment(experiment.experiment_id, experiment.instance.instance_id)
        links.of_logs(session.services().experiments.correlation_id(experiment))
    tabs = widgets.tabs(["Candidates", "Filtered", "Evaluation", "Features", "Sources", "Replay"])
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
    with tabs[5]:
        replay.show(experiment)
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


def _show_candidates(experiment: Experiment, palette: Palette) -> None:
    frame = candidate_rows(experiment)
    horizon_h = experiment.workload.workload.horizon_h
    shown = frame.head(table.TOP)
    found = formatting.count(sum(each.rank > 0 for each in experiment.candidates), "candidate")
    limit = f", the first {len(shown):,} are shown" if len(shown) < len(frame) else ""
    st.caption(f"{found} of {formatting.count(len(frame), 'scored pool')}{limit}")
    verdict = experiment.verdict
    current, chosen = (verdict.current, verdict.chosen) if verdict else (None, None)
    if experiment.instance.lifecycle is Lifecycle.ON_DEMAND:
        current = None  # it does not use its spot pool
    ranked = {name: c for name, c in table.columns(horizon_h, palette).items() if name in frame}
    tables.show(
        shown,
        ranked | {"dropped": Column("filtered because", drop_label, "“—”: it was a candidate.")},
        name="Candidates of this decision",
        key="decision-candidates",
        max_rows=10,
    )
    points = frame.head(table.CHART_TOP).rename(
        columns={"type": "instance_type", "zone": "availability_zone"}
    )
    others = {"chosen": chosen} if chosen else {}
    marks = table.marks(experiment.instance, current, others, palette)
    extent = charts.extent(points, marks, price="price")
    st.plotly_chart(
        charts.frontier(points, marks, palette, horizon_h=horizon_h, price="price", shown=extent),
        config=charts.CONFIG,
        key="decision-frontier",
        alt="Risk against spot price of the decision's candidates",
    )
    st.caption(charts.caption(extent))
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
        st.markdown(f"**Policy {formatting.plain(experiment.policy_version)}**")
        links.to("policies", "Open the policy", ":material/tune:", policy=experiment.policy_version)
        _show_parameters(experiment.policy)
        st.markdown("**Workload**")
        applied = experiment.workload
        st.caption(formatting.plain(f"{applied.reason} {describe_cost(applied.workload)}"))
        st.markdown("**Requirements**")
        st.caption(formatting.plain(table.describe(experiment.requirements)))


def _show_parameters(policy: PolicyParams) -> None:
    values = policy.as_dict()
    frame = pd.DataFrame(
        [
            {"parameter": parameter.label, "value": parameter.text(values[name])}
            for name, parameter in PARAMETERS.items()
        ]
    )
    columns = {"parameter": Column("parameter"), "value": Column("value", number=True)}
    tables.show(frame, columns, name="Policy parameters", key="policy", max_rows=20)


def _show_features(experiment: Experiment) -> None:
    known = pools.sides(experiment)
    if not known:
        st.caption("Neither the current pool nor another pool was scored.")
        return
    frame = pd.DataFrame({"feature": list(experiment.feature_names)})
    for title, side in known.items():
        frame[title] = [
            _feature_text(name, side.features.get(name)) for name in experiment.feature_names
        ]
    tables.show(
        frame,
        {"feature": Column("feature")}
        | {title: Column(title, help="“—”: unknown at that time.", number=True) for title in known},
        name="Features",
        key="decision-features",
        max_rows=30,
    )


def _feature_text(feature: str, value: float | None) -> str | None:
    """A feature's value; an advisor bucket as the advisor's label."""
    if value is None:
        return None
    return bucket_label(value) if is_bucket(feature) else f"{value:,.4g}"


def _show_sources(experiment: Experiment) -> None:
    origins = list(
        dict.fromkeys(o for side in pools.sides(experiment).values() for o in side.sources)
    )
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
