"""Predictions compared with their outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.outcomes import ReliabilityBin, Target
from spotlab.domain.ports import ExperimentSummary
from spotlab.pipeline.outcomes import OutcomeCounts
from spotlab.pipeline.scorecards import Scorecard
from spotlab.runtime.outcomes import OutcomesView
from spotlab.services import card_facts
from spotlab.training import scores
from spotlab.ui import charts
from spotlab.ui.common import (
    background_tasks,
    export,
    formatting,
    permissions,
    session,
    tables,
    widgets,
)
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import queries

TARGET_WORDS: Final[Mapping[Target, str]] = {
    Target.INTERRUPTION: "interrupted within the horizon",
    Target.BUCKET: "interrupted over 15 % next month (advisor)",
    Target.PRICE: "price a day later",
}
SLOT: Final = "settle"
MAX_CURVES: Final = 4


def show(
    view: OutcomesView | None, oldest: ExperimentSummary | None, now: datetime, palette: Palette
) -> None:
    """Shows how good each model's predicted probabilities were, by target.

    Args:
        view: None: there is no market.
        oldest: the first decision made; None: there is none.
        now: aware UTC.
        palette: of the theme.
    """
    st.header("Outcomes of predictions", anchor=False)
    cards = view.cards if view else ()
    known = [card for card in cards if card.rows]
    if not known:
        widgets.empty(first_outcome(oldest, now), _remedy(oldest))
    else:
        _show_known(known, palette)
    _show_settle()
    if known:
        export.offer(lambda: exported(cards, now), "outcomes", "outcomes-file")
    if view is not None and view.price is not None:
        st.caption(
            f"{formatting.plain(view.price.words)} The prediction is that a price does not change."
        )


def _show_settle() -> None:
    """Shows the button that joins decisions with their outcomes, as a background task."""
    done = background_tasks.take(SLOT)
    if done is not None and done.result is not None:
        queries.forget()
        new, pending = sum(done.result.new.values()), done.result.pending
        waiting = f"; {sum(pending.values()):,} not known yet" if pending else ""
        st.toast(f"{formatting.count(new, 'new outcome')}{waiting}.")
    running = background_tasks.current(SLOT)
    busy = running is not None and not running.finished
    if running is not None and busy:
        background_tasks.look(running)
    reason = permissions.why_not(Right.EVALUATE)
    st.button(
        "Check for outcomes now",
        icon=":material/search:",
        on_click=_settle,
        disabled=busy or reason is not None,
        help=reason,
        key="settle",
    )


def _settle() -> None:
    outcomes = session.services().outcomes

    def work(tell: background_tasks.Progress, _stopped: object) -> OutcomeCounts:
        tell("joining decisions with their outcomes", 0.5)
        return outcomes.settle()

    background_tasks.begin(SLOT, "Checking for outcomes", work)


def first_outcome(oldest: ExperimentSummary | None, now: datetime) -> str:
    """A sentence that says when the first outcome will be known."""
    if oldest is None:
        return "No outcome is known: no prediction has been made in this market yet."
    due = oldest.created_at + timedelta(hours=oldest.horizon_h)
    wait_s = (due - now).total_seconds()
    when = f"in {formatting.age(wait_s)}" if wait_s > 0 else "at the next check"
    return (
        f"No outcome is known yet. The first will be known {when} ({formatting.moment(due)}), "
        f"{oldest.horizon_h:g} h after decision #{oldest.experiment_id}. Advisor buckets are known "
        "a month after a prediction."
    )


def _remedy(oldest: ExperimentSummary | None) -> str:
    if oldest is None:
        return "evaluate the fleet on the Instances page; each decision is a prediction."
    return "come back then and press “Check for outcomes now”, or run `spotlab outcomes`."


def _show_known(cards: Sequence[Scorecard], palette: Palette) -> None:
    targets = {str(t): TARGET_WORDS[t] for t in Target if any(c.target is t for c in cards)}
    chosen = widgets.pick_one("Target", targets, "target") if len(targets) > 1 else None
    target = Target(chosen) if chosen else cards[0].target
    of_target = [card for card in cards if card.target is target]
    tables.show(rows(of_target), columns(), name="Predictions and outcomes", key="realised")
    summaries = [formatting.plain(f"{card.model}: {card.words}") for card in of_target[:2]]
    st.caption(" ".join([f"Target: {TARGET_WORDS[target]}.", *summaries]))
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            charts.reliability(
                [charts.Reliability(c.model, bins(c.reliability)) for c in of_target[:MAX_CURVES]],
                palette,
            ),
            config=charts.CONFIG,
            key="realised-reliability",
            alt="Observed share against predicted probability",
        )
    with right:
        _show_weeks(of_target, palette)


def _show_weeks(cards: Sequence[Scorecard], palette: Palette) -> None:
    """Shows the weekly Brier score of the deciding model with the most rows."""
    card = max(cards, key=lambda each: (not each.challenger, each.rows))
    frame = weeks(card)
    if len(frame) < 2:
        st.caption(
            f"Brier score over time: only one week of {card.model} is known "
            f"({card_facts.number(card.brier.value)}); the chart needs two."
        )
        return
    st.plotly_chart(
        charts.brier_over_time(frame, palette),
        config=charts.CONFIG,
        key="realised-brier",
        alt=f"Weekly Brier score of {card.model}, compared with the base rate's",
    )
    st.caption(f"{card.model}; the band is the 95 % interval over days, for weeks with 5+ days.")


def weeks(card: Scorecard) -> pd.DataFrame:
    """Per week: at, rows, brier, low, high and reference (the base rate's Brier)."""
    return pd.DataFrame(
        [
            {
                "at": pd.Timestamp(week.begins, tz="UTC"),
                "rows": week.rows,
                "brier": week.brier.value,
                "low": week.brier.low if math.isfinite(week.brier.low) else week.brier.value,
                "high": week.brier.high if math.isfinite(week.brier.high) else week.brier.value,
                "reference": week.base_rate * (1.0 - week.base_rate),
            }
            for week in card.weeks
        ]
    )


def bins(table: Sequence[ReliabilityBin]) -> tuple[scores.ReliabilityBin, ...]:
    """The bins in the chart's type."""
    return tuple(
        scores.ReliabilityBin(b.low, b.high, b.rows, b.mean_predicted, b.observed.value)
        for b in table
    )


def rows(cards: Sequence[Scorecard]) -> pd.DataFrame:
    """One row per model."""
    return pd.DataFrame(
        [
            {
                "model": card.model,
                "role": "shadow" if card.challenger else "decides",
                "rows": card.rows,
                "censored": card.censored,
                "predicted": card.mean_predicted,
                "realised": card.base_rate.value,
                "brier": str(card_facts.Figure(card.brier.value, card.brier.low, card.brier.high)),
                "reference": card.brier_of_base_rate,
                "skill": card_facts.signed(card.skill.value),
            }
            for card in cards
        ]
    )


def columns() -> dict[str, Column]:
    """The columns of the table."""
    return {
        "model": Column("model"),
        "role": Column("role"),
        "rows": Column("known", "{:,}".format, "Predictions whose outcome is known.", number=True),
        "censored": Column(
            "censored",
            "{:,}".format,
            "The instance was terminated within the horizon, or was not observed.",
            number=True,
        ),
        "predicted": Column("mean predicted", formatting.percent, number=True),
        "realised": Column("observed", formatting.percent, "The base rate.", number=True),
        "brier": Column(
            "Brier", help="Lower is better; 95 % interval over 5 or more days.", number=True
        ),
        "reference": Column("base rate's Brier", card_facts.number, number=True),
        "skill": Column(
            "Brier skill",
            help="1 is perfect; 0 is as good as the base rate, which is known only afterwards.",
            number=True,
        ),
    }


def exported(cards: Sequence[Scorecard], now: datetime) -> export.Table:
    """Every target and model as a file."""
    frame = pd.DataFrame(
        [
            {
                "target": card.target.value,
                "model": card.model,
                "rows": card.rows,
                "censored": card.censored,
                "mean_predicted": card.mean_predicted,
                "base_rate": card.base_rate.value,
                "brier": card.brier.value,
                "brier_low": card.brier.low,
                "brier_high": card.brier.high,
                "base_rate_brier": card.brier_of_base_rate,
                "brier_skill": card.skill.value,
            }
            for card in cards
        ]
    )
    return export.Table(
        frame=frame,
        caption=f"Predictions and outcomes until {now:%Y-%m-%d}",
        headers={name: card_facts.readable(name).capitalize() for name in frame.columns},
        digits=dict.fromkeys(frame.columns[4:], 4),
        notes=("95 % intervals: bootstrap over whole days.",),
    )
