"""Head to head: two models compared on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.services import card_facts
from spotlab.services.card_facts import METRIC_WORDS, Figure
from spotlab.services.model_comparison import ComparisonRequest, ComparisonResult
from spotlab.services.models import ModelEntry
from spotlab.training.block_bootstrap import Interval
from spotlab.training.head_to_head import MEASURES, Comparison
from spotlab.ui import charts
from spotlab.ui.common import background_tasks, export, formatting, permissions, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import comparison_form, comparison_task, disagreements

FEW_BLOCKS: Final = 10
SMALL_PRINT: Final = (
    "Both models predict the same rows. Intervals of differences are bootstrapped over whole days "
    "or families, with the same draws for both models."
)


def headline(request: ComparisonRequest | None, result: ComparisonResult | None) -> str:
    """Which of the two models is better, with the interval of the difference."""
    if result is not None:
        return verdict(result)
    if request is None:
        return "Which of 2 models is better? Select the models and the data below"
    return f"{request.first} against {request.second}: 2 models, not compared yet"


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
        metrics = " and ".join(METRIC_WORDS[metric] for metric in better)
        return f"{first} is better in {metrics}, {second} in the others: {brier}"
    return f"{first} and {second} do not differ significantly: {brier}"


def _ends(gap: Interval) -> str:
    if not (np.isfinite(gap.low) and np.isfinite(gap.high)):
        return "no interval: " + gap.reason
    return f"{card_facts.signed(gap.low)} to {card_facts.signed(gap.high)}"


NEEDS_RESEARCHER: Final = (
    "Comparing models uses server time and requires the role researcher or higher."
)


def show_button(request: ComparisonRequest | None) -> None:
    """The button that starts the comparison, and its progress."""
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
    comparison = result.comparison
    if warnings := warnings_of(result):
        st.warning("\n\n".join(map(formatting.plain, warnings)), icon=":material/warning:")
    st.caption(
        f"Outcome: {formatting.plain(result.rows.label)}. Base rate "
        f"{formatting.percent(comparison.base_rate)}; intervals are bootstrapped over "
        f"{formatting.count(comparison.blocks, result.rows.block, _plural(result.rows.block))}. "
        + " ".join(map(formatting.plain, result.rows.notes))
    )
    tables.show(figure_rows(result), figure_columns(result), name="Figures", key="versus-figures")
    export.offer(lambda: exported(result, now), "head-to-head", "versus-file")
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Are the probabilities calibrated?", anchor=False)
        curves = [
            charts.Reliability(name, bins)
            for name, bins in zip(comparison.names, comparison.reliability, strict=True)
        ]
        st.plotly_chart(
            charts.reliability(curves, palette),
            config=charts.CONFIG,
            key="versus-reliability",
            alt="Observed share against prediction, both models",
        )
    with right:
        st.header("How precise are the predictions?", anchor=False)
        lines = [
            charts.PrecisionRecall(name, curve.recall, curve.precision)
            for name, curve in zip(comparison.names, comparison.curves, strict=True)
        ]
        st.plotly_chart(
            charts.precision_recall(lines, comparison.base_rate, palette),
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
    """Limits of the comparison."""
    comparison, warnings = result.comparison, list(result.rows.warnings)
    if comparison.refused:
        warnings.append(
            f"{formatting.count(comparison.refused, 'row')} not compared: rejected by a model."
        )
    if comparison.blocks < FEW_BLOCKS:
        blocks = formatting.count(comparison.blocks, result.rows.block, _plural(result.rows.block))
        warnings.append(f"Only {blocks}: the intervals are imprecise.")
    return warnings


def _plural(word: str) -> str:
    return {"family": "families"}.get(word, "")


def figure_rows(result: ComparisonResult) -> pd.DataFrame:
    """One row per metric: both models, the difference, and the verdict."""
    comparison = result.comparison
    rows = []
    for metric, gap in comparison.differences.items():
        one, other = comparison.intervals[0][metric], comparison.intervals[1][metric]
        rows.append(
            {
                "metric": METRIC_WORDS[metric],
                "first": str(Figure(one.value, one.low, one.high)),
                "second": str(Figure(other.value, other.low, other.high)),
                "gap": f"{card_facts.signed(gap.value)} ({_ends(gap)})",
                "says": _metric_verdict(comparison, metric),
            }
        )
    base = comparison.base_rate * (1.0 - comparison.base_rate)
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
        return "no significant difference"
    return f"{comparison.names[0 if winner > 0 else 1]} is better"


def figure_columns(result: ComparisonResult) -> dict[str, Column]:
    """Columns of the figures."""
    first, second = result.comparison.names
    return {
        "metric": Column("", help="AUC and PR-AUC: higher is better. Brier: lower is better."),
        "first": Column(f"{first} (95 %)", number=True),
        "second": Column(f"{second} (95 %)", number=True),
        "gap": Column(
            "first − second (95 %, paired)",
            help="On the same rows and draws. If it excludes zero, one model is better.",
            number=True,
        ),
        "says": Column("verdict", help="Based on the paired interval only."),
    }


def exported(result: ComparisonResult, now: datetime) -> export.Table:
    """Both models' figures and the paired differences, for export."""
    comparison = result.comparison
    rows = []
    for metric, gap in comparison.differences.items():
        row: dict[str, object] = {"metric": METRIC_WORDS[metric]}
        for name, each in (
            ("first", comparison.intervals[0][metric]),
            ("second", comparison.intervals[1][metric]),
            ("gap", gap),
        ):
            row |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
        rows.append(row)
    first, second = comparison.names
    labels = {"first": first, "second": second, "gap": "Difference"}
    headers = {"metric": "Metric"} | {
        f"{name}{end}": f"{label} {text}".strip()
        for name, label in labels.items()
        for end, text in (("", ""), ("_low", "2.5 %"), ("_high", "97.5 %"))
    }
    return export.Table(
        frame=pd.DataFrame(rows),
        caption=f"{first} against {second} on {comparison.rows:,} rows, {now:%Y-%m-%d}",
        headers=headers,
        digits=dict.fromkeys([*headers][1:], 4),
        notes=(
            f"Outcome: {formatting.plain(result.rows.label)}.",
            f"Base rate {comparison.base_rate:.3f}.",
            f"Paired bootstrap over {comparison.blocks} blocks ({result.rows.block}), 95 %.",
            *result.rows.warnings,
            *result.rows.notes,
            f"Sources: {'; '.join(result.rows.sources)}.",
        ),
    )


def choose(entries: Sequence[ModelEntry]) -> ComparisonRequest | None:
    """Two rows of inputs, for models and data; None while one is missing."""
    known = comparison_form.comparable_models(entries)
    if known:
        return comparison_form.pick_data(*comparison_form.pick_models(known))
    widgets.empty(
        "A head to head needs two models of one task with usable files.",
        "upload a model on the Leaderboard, or train one with `spotlab train`.",
    )
    return None


def outcome(request: ComparisonRequest | None) -> ComparisonResult | None:
    """The result of the current request; None: not compared yet."""
    return comparison_task.outcome(request)
