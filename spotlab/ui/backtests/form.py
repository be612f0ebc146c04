"""What to replay: workload, traces, policies, prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import streamlit as st

from spotlab.errors import SpotlabError
from spotlab.gym.policies import ORACLE
from spotlab.gym.windows import CHANGEOVERS_H, DEADLINES_H, WORK_H
from spotlab.recorded.traces import FORMATS
from spotlab.sweeps.forecasts import CAPACITY_TASK
from spotlab.sweeps.plan import ALL, Sweep
from spotlab.sweeps.spec import (
    RECORDED_PRICES,
    Jobs,
    Prices,
    Services,
    Span,
    SweepSpec,
    TraceChoice,
)
from spotlab.training.comparison_files import uploaded
from spotlab.ui.backtests import actions, labels, uploads
from spotlab.ui.common import errors, formatting, session, trace_form, widgets

OWN: Final = "own"
MOST_MB: Final = 50
WORKLOADS: Final = {"deadline": "a job with a deadline", "service": "a service, always up"}
PRICED: Final = {
    "recorded": "p3.2xlarge, recorded",
    "given": "numbers given here",
    "file": "a file",
}
SERVICE_H: Final = 168.0


def ask() -> Sweep | None:
    """The form; None while something is missing, or where it cannot be: says which."""
    row = st.columns([2, 4], vertical_alignment="bottom")
    with row[0]:
        kind = widgets.pick_one("Workload", WORKLOADS, "workload") or "deadline"
    known = uploads.folders(session.settings().home.absolute())
    with row[1]:
        names = {name: told for name, (told, _) in known.items()} | {OWN: "files of your own"}
        chosen = widgets.pick_one("Traces, sibling zones together", names, "data") or OWN
    traces = _sent_traces() if chosen == OWN else TraceChoice(known[chosen][1])
    prices = _prices()
    workloads = _job() if kind == "deadline" else _service(prices)
    windows, seed = _windows()
    models = _models()
    if traces is None or prices is None or workloads is None:
        st.caption("Give what is still empty: then it can be started.")
        return None
    every = SweepSpec(traces, workloads, (ALL,), models, windows, seed, prices)
    return _chosen(every)


def _chosen(every: SweepSpec) -> Sweep | None:
    """The sweep with the policies that the reader wants of those that fit."""
    try:
        whole = actions.planned(every)
        fitting = [name for name in whole.policies if name != ORACLE]
        models = {asked: (reference,) for asked, reference in whole.models.items()}
        picked = st.multiselect(
            "Policies; the oracle is always run beside them",
            fitting,
            default=fitting,
            format_func=lambda name: labels.policy(name, models),
            key=f"backtest-policies {' '.join(fitting)}",
            help="\n\n".join(
                f"**{labels.policy(name, models)}**: "
                f"{labels.POLICY_RULES.get(name, 'chooses by the forecasts of the model')}."
                for name in whole.policies
            ),
        )
        for name, reason in whole.left_out.items():
            st.caption(formatting.plain(f"{labels.policy(name, {})} is left out: {reason}"))
        if not picked or len(picked) == len(fitting):
            return whole if picked else None
        return actions.planned(replace(every, policies=tuple(picked), models=()))
    except SpotlabError as exc:
        errors.explain(exc)
        return None


def _job() -> Jobs | None:
    row = st.columns(6, vertical_alignment="bottom")
    work_h = _number(row[0], "Work, h", WORK_H, 0.5, "backtest-work", least=0.5)
    deadlines = _span(row[1:3], "Deadline", DEADLINES_H, 1.0, "backtest-deadline")
    changeovers = _span(row[3:5], "Changeover", CHANGEOVERS_H, 0.01, "backtest-changeover")
    checkpoint_h = _number(
        row[5],
        "Checkpoint every, h",
        0.0,
        0.25,
        "backtest-checkpoint",
        help="Hours of work from checkpoint to checkpoint; 0: no work is ever lost.",
    )
    if None in (work_h, deadlines, changeovers, checkpoint_h):
        return None
    return Jobs(work_h, deadlines, changeovers, checkpoint_h)  # type: ignore[arg-type]


def _service(prices: Prices | None) -> Services | None:
    row = st.columns(6, vertical_alignment="bottom")
    hours = _number(row[0], "Runs for, h", SERVICE_H, 1.0, "backtest-hours", least=1.0)
    worth = _number(
        row[1],
        "An hour down, USD",
        prices.on_demand_usd_per_hour if prices else None,
        0.1,
        "backtest-worth",
        help="What an hour of downtime is worth, beside what instances cost; first the on-demand "
        "price.",
    )
    changeovers = _span(row[2:4], "Changeover", CHANGEOVERS_H, 0.01, "backtest-changeover")
    if hours is None or worth is None or changeovers is None:
        return None
    return Services(hours, worth, changeovers)


def _windows() -> tuple[int, int]:
    row = st.columns(6, vertical_alignment="bottom")
    windows = row[0].number_input(
        "Windows",
        min_value=1,
        max_value=500,
        value=20,
        key="backtest-windows",
        help="At random places of the traces, each with a workload of its own.",
    )
    seed = row[1].number_input(
        "Seed", min_value=0, value=7, key="backtest-seed", help="Of what is drawn."
    )
    return windows, seed


def _models() -> tuple[str, ...]:
    models = session.desk().models
    usable = [
        entry.record.reference for entry in models.entries(CAPACITY_TASK) if not entry.refused
    ]
    champion = models.champion(CAPACITY_TASK)
    first = [champion.reference] if champion and champion.reference in usable else []
    if not usable:
        return ()
    return tuple(
        st.multiselect(
            "Models of the task capacity, whose forecasts SpotLab's policy uses",
            usable,
            default=first,
            key="backtest-models",
            placeholder="the champion",
        )
    )


def _prices() -> Prices | None:
    row = st.columns([2, 1, 1, 2], vertical_alignment="bottom")
    with row[0]:
        how = widgets.pick_one("Prices", PRICED, "prices") or "recorded"
    if how == "recorded":
        st.caption(f"Traces contain no prices. {RECORDED_PRICES.told}")
        return RECORDED_PRICES
    on_demand = _number(row[1], "On-demand, USD/h", None, 0.01, "backtest-on-demand", least=0.0001)
    if how == "given":
        spot = _number(row[2], "Spot, USD/h", None, 0.01, "backtest-spot")
        return Prices(on_demand, spot) if on_demand is not None and spot is not None else None
    file = st.file_uploader(
        "CSV with the columns trace, spot_usd_per_hour and, if known, advisor_bucket (0 to 4); a "
        "line for each trace",
        type=["csv", "gz"],
        key="backtest-prices",
        max_upload_size=1,
    )
    if file is None or on_demand is None:
        return None
    (one,) = uploaded([file])
    return Prices(on_demand, 0.0, uploads.save(uploads.PRICES, [one]) / one.name)


def _sent_traces() -> TraceChoice | None:
    given = st.file_uploader(
        "Availability traces, JSON or CSV, a file a zone: sibling zones together",
        type=["json", "csv", "gz"],
        accept_multiple_files=True,
        key="backtest-traces",
        max_upload_size=MOST_MB,
    )
    row = st.columns(3, vertical_alignment="bottom")
    format_ = row[0].selectbox(
        "Format", FORMATS, index=None, placeholder="by the name", key="backtest-format"
    )
    polarity = trace_form.polarity(row[1], "backtest-polarity")
    gap_s = trace_form.gap_s(row[2], "backtest-gap")
    if not given:
        return None
    return TraceChoice(uploads.save(uploads.TRACES, uploaded(given)), format_, polarity, gap_s)


def _span(places: Any, label: str, ends: Span, step: float, key: str) -> Span | None:
    low = _number(
        places[0],
        f"{label} from, h",
        ends[0],
        step,
        f"{key}-from",
        help="Each window draws its own between the two; make them equal for one number.",
    )
    high = _number(places[1], f"{label} to, h", ends[1], step, f"{key}-to")
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
    least: float = 0.0,
    help: str | None = None,  # noqa: A002
) -> float | None:
    given: float | None = place.number_input(
        label, min_value=least, value=value, step=step, key=key, help=help, placeholder="give one"
    )
    return given
