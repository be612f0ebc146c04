"""Predictions beside what happened."""

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
from spotlab.pipeline.outcomes import Settled
from spotlab.pipeline.scorecards import Scorecard
from spotlab.runtime.outcomes import OutcomesView
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
from spotlab.ui.models import card_facts, queries

TARGET_WORDS: Final[Mapping[Target, str]] = {
    Target.INTERRUPTION: "interrupted within the horizon",
    Target.BUCKET: "next advisor bucket 3 or 4",
    Target.PRICE: "price a day later",
}
SLOT: Final = "settle"
MOST_CURVES: Final = 4


def show(
    seen: OutcomesView | None, oldest: ExperimentSummary | None, now: datetime, palette: Palette
) -> None:
    """How every model's probabilities did, by target.

    Args:
        seen: None: there is no market.
        oldest: the first decision that was made; None: there is none.
        now: aware UTC.
        palette: of the theme.
    """
    st.header("Outcomes of predictions", anchor=False)
    cards = seen.cards if seen else ()
    known = [card for card in cards if card.rows]
    if not known:
        widgets.empty(first_known(oldest, now), _what_to_do(oldest))
    else:
        _show_known(known, palette)
    _show_settle()
    if known:
        export.offer(lambda: exported(cards, now), "outcomes", "outcomes-file")
    if seen is not None and seen.price is not None:
        st.caption(
            f"{formatting.plain(seen.price.words)} The forecast is that a price stays as it was."
        )


def _show_settle() -> None:
    """Join what can be known by now with the decisions, in a run of its own."""
    done = background_tasks.take(SLOT)
    if done is not None and done.result is not None:
        queries.forget()
        found, pending = sum(done.result.new.values()), done.result.pending
        waiting = f"; {sum(pending.values()):,} not known yet" if pending else ""
        st.toast(f"{formatting.count(found, 'new outcome')}{waiting}.")
    running = background_tasks.current(SLOT)
    busy = running is not None and not running.finished
    if running is not None and busy:
        background_tasks.look(running)
    reason = permissions.why_not(Right.EVALUATE)
    st.button(
        "Look for outcomes now",
        icon=":material/search:",
        on_click=_settle,
        disabled=busy or reason is not None,
        help=reason,
        key="settle",
    )


def _settle() -> None:
    outcomes = session.desk().outcomes

    def work(tell: background_tasks.Progress, _stopped: object) -> Settled:
        tell("joining decisions with what happened", 0.5)
        return outcomes.settle()

    background_tasks.begin(SLOT, "Looking for outcomes", work)


def first_known(oldest: ExperimentSummary | None, now: datetime) -> str:
    """When the first outcome will be known."""
    if oldest is None:
        return "No outcome is known: nothing has been predicted in this market yet."
    due = oldest.created_at + timedelta(hours=oldest.horizon_h)
    told = f"{oldest.horizon_h:g} h after decision #{oldest.experiment_id}"
    wait_h = (due - now).total_seconds() / 3600.0
    when = f"in {formatting.age(3600 * wait_h)}" if wait_h > 0 else "at the next look"
    return (
        f"No outcome is known yet: the first is known {told}, {when} ({formatting.moment(due)}). "
        "Advisor buckets are known a month after a prediction."
    )


def _what_to_do(oldest: ExperimentSummary | None) -> str:
    if oldest is None:
        return "evaluate the fleet on the Instances page; each decision is a prediction."
    return "come back then and press “Look for outcomes now”, or run `spotlab outcomes`."


def _show_known(cards: Sequence[Scorecard], palette: Palette) -> None:
    targets = {str(t): TARGET_WORDS[t] for t in Target if any(c.target is t for c in cards)}
    chosen = widgets.pick_one("Predicted", targets, "target") if len(targets) > 1 else None
    target = Target(chosen) if chosen else cards[0].target
    here = [card for card in cards if card.target is target]
    tables.show(rows(here), columns(), name="Predicted and realised", key="realised")
    st.caption(
        f"Predicted: {TARGET_WORDS[target]}. "
        + " ".join(formatting.plain(_said(card)) for card in here[:2])
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            charts.reliability(
                [charts.Reliability(c.model, bins(c.reliability)) for c in here[:MOST_CURVES]],
                palette,
            ),
            config=charts.CONFIG,
            key="realised-reliability",
            alt="Observed share against predicted probability",
        )
    with right:
        _show_weeks(here, palette)


def _show_weeks(here: Sequence[Scorecard], palette: Palette) -> None:
    """The Brier score over time of the model with most rows: one that decides."""
    card = max(here, key=lambda each: (not each.challenger, each.rows))
    frame = weeks(card)
    if len(frame) < 2:
        st.caption(
            f"Brier score over time: one week of {card.model} is known, "
            f"{card_facts.number(card.brier.value)}; a line needs two."
        )
        return
    st.plotly_chart(
        charts.brier_over_time(frame, palette),
        config=charts.CONFIG,
        key="realised-brier",
        alt=f"Brier score of {card.model} a week, beside the base rate's",
    )
    st.caption(f"{card.model}; the band is the 95 % interval by day, where there are 5 days.")


def _said(card: Scorecard) -> str:
    return f"{card.model}: {card.words}"


def weeks(card: Scorecard) -> pd.DataFrame:
    """at, rows, brier, low, high and reference (the base rate's Brier) of each week."""
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


def bins(found: Sequence[ReliabilityBin]) -> tuple[scores.ReliabilityBin, ...]:
    """Bins as the chart takes them."""
    return tuple(
        scores.ReliabilityBin(b.low, b.high, b.rows, b.mean_predicted, b.observed.value)
        for b in found
    )


def rows(cards: Sequence[Scorecard]) -> pd.DataFrame:
    """One row a model."""
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
    """How the realised predictions are shown."""
    return {
        "model": Column("model"),
        "role": Column("role"),
        "rows": Column("known", "{:,}".format, "Predictions whose outcome is known.", number=True),
        "censored": Column(
            "never known",
            "{:,}".format,
            "The instance was gone before then, or was not observed.",
            number=True,
        ),
        "predicted": Column("mean predicted", formatting.percent, number=True),
        "realised": Column("came true", formatting.percent, "The base rate.", number=True),
        "brier": Column(
            "Brier", help="Lower is better; 95 % interval by day, from 5 days on.", number=True
        ),
        "reference": Column("base rate's Brier", card_facts.number, number=True),
        "skill": Column(
            "Brier skill",
            help="1 is perfect, 0 as good as the base rate, known only afterwards.",
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
        caption=f"Predicted and realised until {now:%Y-%m-%d}",
        headers={name: card_facts.spoken(name).capitalize() for name in frame.columns},
        digits=dict.fromkeys(frame.columns[4:], 4),
        notes=("Intervals are 95 %, drawing whole days.",),
    )
