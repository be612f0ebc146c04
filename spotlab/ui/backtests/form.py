"""The form of a new backtest: workload, traces, policies, prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import streamlit as st

from spotlab.errors import SpotlabError
from spotlab.gym.policies import ORACLE
from spotlab.gym.windows import CHANGEOVERS_H, DEADLINES_H, WORK_H
from spotlab.recorded.traces import FORMATS
from spotlab.sweeps.forecasts import CAPACITY_TASK
from spotlab.sweeps.plan import ALL_POLICIES, Sweep
from spotlab.sweeps.spec import (
    RECORDED_PRICES,
    Jobs,
    Prices,
    Range,
    Services,
    SweepSpec,
    TraceChoice,
)
from spotlab.training.comparison_files import uploaded
from spotlab.ui.backtests import actions, labels, uploads
from spotlab.ui.common import errors, formatting, session, trace_form, widgets

OWN: Final = "own"
MAX_MB: Final = 50
WORKLOADS: Final = {"deadline": "job with a deadline", "service": "service that runs all the time"}
PRICE_SOURCES: Final = {
    "recorded": "p3.2xlarge, recorded",
    "given": "enter prices",
    "file": "upload a file",
}
SERVICE_H: Final = 168.0
_TRACES: Final = "backtest-traces"


def ask() -> Sweep | None:
    """Shows the form; gives the sweep, or None while a value is missing or invalid, and says so."""
    row = st.columns([2, 4], vertical_alignment="bottom")
    with row[0]:
        kind = widgets.pick_one("Workload", WORKLOADS, "workload") or "deadline"
    known = uploads.folders(session.settings().home.absolute())
    with row[1]:
        names = {name: label for name, (label, _) in known.items()} | {OWN: "upload files"}
        # Stored uploads are listed first: those of this form must not take it away.
        default = OWN if st.session_state.get(_TRACES) else None
        label = "Traces (all zones of one campaign)"
        chosen = widgets.pick_one(label, names, "data", default=default) or OWN
    traces = _uploaded_traces() if chosen == OWN else TraceChoice(known[chosen][1])
    prices = _prices()
    workloads = _job() if kind == "deadline" else _service(prices)
    windows, seed = _windows()
    models = _models()
    if traces is None or prices is None or workloads is None:
        st.caption("Fill in the empty fields to start the backtest.")
        return None
    return _with_policies(
        SweepSpec(traces, workloads, (ALL_POLICIES,), models, windows, seed, prices)
    )


def _with_policies(spec: SweepSpec) -> Sweep | None:
    """The sweep with the policies that the user selects from those that fit."""
    try:
        sweep = actions.planned(spec)
        fitting = [name for name in sweep.policies if name != ORACLE]
        models = {asked: (reference,) for asked, reference in sweep.models.items()}
        selected = st.multiselect(
            "Policies (the oracle is always added)",
            fitting,
            default=fitting,
            format_func=lambda name: labels.policy(name, models),
            key=f"backtest-policies {' '.join(fitting)}",
            help="\n\n".join(
                f"**{labels.policy(name, models)}**: "
                f"{labels.POLICY_RULES.get(name, 'uses the forecasts of the model')}."
                for name in sweep.policies
            ),
        )
        for name, reason in sweep.left_out.items():
            st.caption(formatting.plain(f"{labels.policy(name, {})} is omitted: {reason}"))
        if not selected or len(selected) == len(fitting):
            return sweep if selected else None
        return actions.planned(replace(spec, policies=tuple(selected), models=()))
    except SpotlabError as exc:
        errors.explain(exc)
        return None


def _job() -> Jobs | None:
    row = st.columns(6, vertical_alignment="bottom")
    work_h = _number(row[0], "Work (h)", WORK_H, 0.5, "backtest-work", low=0.5)
    deadlines = _span(row[1:3], "Deadline", DEADLINES_H, 1.0, "backtest-deadline")
    changeovers = _span(row[3:5], "Changeover", CHANGEOVERS_H, 0.01, "backtest-changeover")
    checkpoint_h = _number(
        row[5],
        "Checkpoint every (h)",
        0.0,
        0.25,
        "backtest-checkpoint",
        help="Hours of work between checkpoints; 0: no work is ever lost.",
    )
    if None in (work_h, deadlines, changeovers, checkpoint_h):
        return None
    return Jobs(work_h, deadlines, changeovers, checkpoint_h)  # type: ignore[arg-type]


def _service(prices: Prices | None) -> Services | None:
    row = st.columns(6, vertical_alignment="bottom")
    hours = _number(row[0], "Duration (h)", SERVICE_H, 1.0, "backtest-hours", low=1.0)
    downtime_usd_per_hour = _number(
        row[1],
        "Downtime (USD/h)",
        prices.on_demand_usd_per_hour if prices else None,
        0.1,
        "backtest-worth",
        help="Cost of an hour of downtime, in addition to the cost of the instances. Default: the "
        "on-demand price.",
    )
    changeovers = _span(row[2:4], "Changeover", CHANGEOVERS_H, 0.01, "backtest-changeover")
    if hours is None or downtime_usd_per_hour is None or changeovers is None:
        return None
    return Services(hours, downtime_usd_per_hour, changeovers)


def _windows() -> tuple[int, int]:
    row = st.columns(6, vertical_alignment="bottom")
    windows = row[0].number_input(
        "Windows",
        min_value=1,
        max_value=500,
        value=20,
        key="backtest-windows",
        help="Each begins at a random point in the traces, with a workload drawn at random.",
    )
    seed = row[1].number_input(
        "Seed", min_value=0, value=7, key="backtest-seed", help="Of the random draws."
    )
    return windows, seed


def _models() -> tuple[str, ...]:
    models = session.services().models
    usable = [
        entry.record.reference for entry in models.entries(CAPACITY_TASK) if not entry.refused
    ]
    champion = models.champion(CAPACITY_TASK)
    default = [champion.reference] if champion and champion.reference in usable else []
    if not usable:
        return ()
    return tuple(
        st.multiselect(
            "Models of the task capacity; SpotLab's policy uses their forecasts",
            usable,
            default=default,
            key="backtest-models",
            placeholder="the champion",
        )
    )


def _prices() -> Prices | None:
    row = st.columns([2, 1, 1, 2], vertical_alignment="bottom")
    with row[0]:
        how = widgets.pick_one("Prices", PRICE_SOURCES, "prices") or "recorded"
    if how == "recorded":
        st.caption(f"Traces contain no prices. {RECORDED_PRICES.told}")
        return RECORDED_PRICES
    on_demand = _number(row[1], "On-demand (USD/h)", None, 0.01, "backtest-on-demand", low=0.0001)
    if how == "given":
        spot = _number(row[2], "Spot (USD/h)", None, 0.01, "backtest-spot")
        return Prices(on_demand, spot) if on_demand is not None and spot is not None else None
    file = st.file_uploader(
        "CSV with the columns trace, spot_usd_per_hour and, if known, advisor_bucket (0 to 4); one "
        "line per trace",
        type=["csv", "gz"],
        key="backtest-prices",
        max_upload_size=1,
    )
    columns = trace_form.columns(row[2], "backtest-price-columns")
    if file is None or on_demand is None:
        return None
    (prices,) = uploaded([file])
    path = uploads.save(uploads.PRICES, [prices]) / prices.name
    return Prices(on_demand, 0.0, path, columns=columns)


def _uploaded_traces() -> TraceChoice | None:
    files = st.file_uploader(
        "Availability traces in JSON or CSV, one file per zone; upload all zones of one campaign",
        type=["json", "csv", "gz"],
        accept_multiple_files=True,
        key=_TRACES,
        max_upload_size=MAX_MB,
    )
    row = st.columns(4, vertical_alignment="bottom")
    format_ = row[0].selectbox(
        "Format", FORMATS, index=None, placeholder="by file name", key="backtest-format"
    )
    polarity = trace_form.polarity(row[1], "backtest-polarity")
    gap_s = trace_form.gap_s(row[2], "backtest-gap")
    columns = trace_form.columns(row[3], "backtest-columns")
    zone_ids = trace_form.zone_ids("backtest-zones")
    if not files:
        return None
    folder = uploads.save(uploads.TRACES, uploaded(files))
    return TraceChoice(folder, format_, polarity, gap_s, columns, zone_ids)


def _span(places: Any, label: str, ends: Range, step: float, key: str) -> Range | None:
    low = _number(
        places[0],
        f"{label} from (h)",
        ends[0],
        step,
        f"{key}-from",
        help="Each window draws a value between the two; set both equal for a fixed value.",
    )
    high = _number(places[1], f"{label} to (h)", ends[1], step, f"{key}-to")
    if low is None or high is None:
        return None
    if low > high:
        st.warning(f"{label}: {low:g} h is more than {high:g} h.", icon=":material/warning:")
        return None
    return low, high


def _number(
    place: Any,
    label: str,
    value: float | None,
    step: float,
    key: str,
    *,
    low: float = 0.0,
    help: str | None = None,  # noqa: A002
) -> float | None:
    number: float | None = place.number_input(
        label, min_value=low, value=value, step=step, key=key, help=help, placeholder="required"
    )
    return number
