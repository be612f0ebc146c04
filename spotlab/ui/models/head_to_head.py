"""Head to head: two models on the same rows, and where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.services.model_comparison import ComparisonRequest, ComparisonResult
from spotlab.services.models import ModelEntry
from spotlab.training.block_bootstrap import Interval
from spotlab.training.head_to_head import MEASURES, Comparison
from spotlab.ui import charts
from spotlab.ui.common import background_tasks, export, formatting, permissions, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import card_facts, comparison_form, comparison_task, disagreements
from spotlab.ui.models.card_facts import METRIC_WORDS, Figure

FEW_BLOCKS: Final = 10
SMALL_PRINT: Final = (
    "Both models forecast the same rows; an interval of a difference draws whole days or families, "
    "the same for both."
)


def headline(request: ComparisonRequest | None, result: ComparisonResult | None) -> str:
    """Which of the two is better, and how certain that is."""
    if result is not None:
        return verdict(result)
    if request is None:
        return "Which of 2 models is better? Choose them and the data below"
    return f"{request.first} against {request.second}: 2 models, not compared here yet"


def verdict(result: ComparisonResult) -> str:
    """Which model is significantly better, by AUC, PR-AUC and Brier score."""
    first, second = result.comparison.names
    rows = formatting.count(result.comparison.rows, "row")
    winners = {metric: result.comparison.winner(metric) for metric in MEASURES}
    better = [metric for metric, winner in winners.items() if winner > 0]
    worse = [metric for metric, winner in winners.items() if winner < 0]
    gap = result.comparison.differences["brier"]
    brier = f"Brier {card_facts.signed(gap.value)} ({_ends(gap)}) on {rows}"
    if better and not worse:
        return f"{first} is better than {second}: {brier}"
    if worse and not better:
        return f"{second} is better than {first}: {brier} for {first}"
    if better:
        named = " and ".join(METRIC_WORDS[metric] for metric in better)
        return f"{first} is better in {named}, {second} in the rest: {brier}"
    return f"{first} and {second} do not differ significantly: {brier}"


def _ends(gap: Interval) -> str:
    if not (np.isfinite(gap.low) and np.isfinite(gap.high)):
        return "no interval: " + gap.reason
    return f"{card_facts.signed(gap.low)} to {card_facts.signed(gap.high)}"


NEEDS_RESEARCHER: Final = "Comparing models uses server time: it needs the role researcher."


def show_button(request: ComparisonRequest | None) -> None:
    """The view's one action, for who may, and its progress."""
    reason = permissions.why_not(Right.BACKTEST)
    st.button(
        "Compare",
        type="primary",
        icon=":material/compare_arrows:",
        on_click=comparison_task.begin,
        args=(request,),
        disabled=background_tasks.watch(comparison_task.SLOT)
        or request is None
        or reason is not None,
        help=reason and NEEDS_RESEARCHER,
        key="versus-now",
    )


def show(
    result: ComparisonResult, request: ComparisonRequest, now: datetime, palette: Palette
) -> None:
    """Figures, differences, curves and disagreements."""
    found = result.comparison
    if warnings := warnings_of(result):
        st.warning("\n\n".join(map(formatting.plain, warnings)), icon=":material/warning:")
    st.caption(
        f"Outcome: {formatting.plain(result.rows.label)}. Base rate "
        f"{formatting.percent(found.base_rate)}; intervals draw "
        f"{formatting.count(found.blocks, result.rows.block, _plural(result.rows.block))}. "
        + " ".join(map(formatting.plain, result.rows.notes))
    )
    tables.show(figure_rows(result), figure_columns(result), name="Figures", key="versus-figures")
    export.offer(lambda: exported(result, now), "head-to-head", "versus-file")
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Are the probabilities calibrated?", anchor=False)
        curves = [
            charts.Reliability(name, bins)
            for name, bins in zip(found.names, found.reliability, strict=True)
        ]
        st.plotly_chart(
            charts.reliability(curves, palette),
            config=charts.CONFIG,
            key="versus-reliability",
            alt="Observed share against forecast, both models",
        )
    with right:
        st.header("How many warnings are right?", anchor=False)
        lines = [
            charts.PrecisionRecall(name, curve.recall, curve.precision)
            for name, curve in zip(found.names, found.curves, strict=True)
        ]
        st.plotly_chart(
            charts.precision_recall(lines, found.base_rate, palette),
            config=charts.CONFIG,
            key="versus-curves",
            alt="Precision against recall, both models",
        )
    disagreements.show(result, request.task, palette)
    st.caption(
        f"Sources: {formatting.plain(formatting.listed(result.rows.sources, most=4))}. Result "
        f"{result.digest[:12]}: the same models, files and options give the same result."
    )


def warnings_of(result: ComparisonResult) -> list[str]:
    """What weakens the comparison."""
    found, warnings = result.comparison, list(result.rows.warnings)
    if found.refused:
        warnings.append(
            f"{formatting.count(found.refused, 'row')} left out, refused by one model or both."
        )
    if found.blocks < FEW_BLOCKS:
        many = formatting.count(found.blocks, result.rows.block, _plural(result.rows.block))
        warnings.append(f"{many} only: intervals from so few are imprecise.")
    return warnings


def _plural(word: str) -> str:
    return {"family": "families"}.get(word, "")


def figure_rows(result: ComparisonResult) -> pd.DataFrame:
    """A row for each metric: both models, the difference, and the verdict."""
    found = result.comparison
    rows = []
    for metric, gap in found.differences.items():
        one, other = found.intervals[0][metric], found.intervals[1][metric]
        rows.append(
            {
                "metric": METRIC_WORDS[metric],
                "first": str(Figure(one.value, one.low, one.high)),
                "second": str(Figure(other.value, other.low, other.high)),
                "gap": f"{card_facts.signed(gap.value)} ({_ends(gap)})",
                "says": _metric_verdict(found, metric),
            }
        )
    base = found.base_rate * (1.0 - found.base_rate)
    rows.append(
        {
            "metric": "base rate's Brier",
            "first": card_facts.number(base),
            "second": card_facts.number(base),
        }
    )
    return pd.DataFrame(rows)


def _metric_verdict(comparison: Comparison, metric: str) -> str:
    winner = comparison.winner(metric)
    if not np.isfinite(comparison.differences[metric].low):
        return comparison.differences[metric].reason
    if not winner:
        return "do not differ significantly"
    return f"{comparison.names[0 if winner > 0 else 1]} is better"


def figure_columns(result: ComparisonResult) -> dict[str, Column]:
    """How the figures are shown."""
    first, second = result.comparison.names
    return {
        "metric": Column("", help="AUC and PR-AUC: higher is better. Brier: lower is better."),
        "first": Column(f"{first} (95 %)", number=True),
        "second": Column(f"{second} (95 %)", number=True),
        "gap": Column(
            "first − second (95 %, paired)",
            help="On the same rows and draws: it leaves zero out where one is better.",
            number=True,
        ),
        "says": Column("verdict", help="By the paired interval alone."),
    }


def exported(result: ComparisonResult, now: datetime) -> export.Table:
    """Both models' figures and the paired differences as a file."""
    found = result.comparison
    rows = []
    for metric, gap in found.differences.items():
        row: dict[str, object] = {"metric": METRIC_WORDS[metric]}
        for name, each in (
            ("first", found.intervals[0][metric]),
            ("second", found.intervals[1][metric]),
            ("gap", gap),
        ):
            row |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
        rows.append(row)
    first, second = found.names
    words_of = {"first": first, "second": second, "gap": "Difference"}
    headers = {"metric": "Metric"} | {
        f"{name}{end}": f"{word} {text}".strip()
        for name, word in words_of.items()
        for end, text in (("", ""), ("_low", "2.5 %"), ("_high", "97.5 %"))
    }
    return export.Table(
        frame=pd.DataFrame(rows),
        caption=f"{first} against {second} on {found.rows:,} rows, {now:%Y-%m-%d}",
        headers=headers,
        digits=dict.fromkeys([*headers][1:], 4),
        notes=(
            f"Outcome: {formatting.plain(result.rows.label)}. Base rate {found.base_rate:.3f}.",
            f"Paired bootstrap over {found.blocks} blocks ({result.rows.block}), 95 %.",
            *result.rows.warnings,
            *result.rows.notes,
            f"Sources: {'; '.join(result.rows.sources)}.",
        ),
    )


def choose(entries: Sequence[ModelEntry]) -> ComparisonRequest | None:
    """Two rows of choices, models and data; None while something is missing."""
    known = comparison_form.rivals(entries)
    if known:
        return comparison_form.pick_data(*comparison_form.pick_models(known))
    widgets.empty(
        "A head to head needs two models of one task with usable files.",
        "upload another one on the Leaderboard, or train one with `spotlab train`.",
    )
    return None


def outcome(request: ComparisonRequest | None) -> ComparisonResult | None:
    """The result of the present request; None: not compared yet."""
    return comparison_task.outcome(request)
