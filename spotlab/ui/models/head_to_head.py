"""Two models on the same rows, and where they part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.runtime.model_catalogue import ModelEntry
from spotlab.training.block_bootstrap import Interval
from spotlab.ui import charts
from spotlab.ui.common import background_tasks, export, formatting, permissions, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import card_facts, comparison_form, comparison_task, disagreements
from spotlab.ui.models.card_facts import LOWER_IS_BETTER, METRIC_WORDS, Figure
from spotlab.ui.models.comparison_form import Request
from spotlab.ui.models.comparison_task import Result

FEW_BLOCKS: Final = 10
SMALL_PRINT: Final = (
    "Both models forecast the same rows; an interval of a difference draws whole days or families, "
    "the same for both."
)


def headline(request: Request | None, result: Result | None) -> str:
    """Which of the two is better, and how sure that is."""
    if result is not None:
        return verdict(result)
    if request is None:
        return "Which of 2 models is better? Choose them and the data below"
    return f"{request.first} against {request.second}: 2 models, not compared here yet"


def verdict(result: Result) -> str:
    """Better, worse or not told apart, by the Brier score and the AUC."""
    first, second = result.found.names
    rows = formatting.count(result.found.rows, "row")
    better = [metric for metric, gap in result.found.differences.items() if wins(metric, gap) > 0]
    worse = [metric for metric, gap in result.found.differences.items() if wins(metric, gap) < 0]
    gap = result.found.differences["brier"]
    told = f"Brier {card_facts.signed(gap.value)} ({_ends(gap)}) on {rows}"
    if better and not worse:
        return f"{first} is better than {second}: {told}"
    if worse and not better:
        return f"{second} is better than {first}: {told} for {first}"
    if better:
        named = " and ".join(METRIC_WORDS[metric] for metric in better)
        return f"{first} is better in {named}, {second} in the rest: {told}"
    return f"{first} and {second} do not differ significantly: {told}"


def wins(metric: str, gap: Interval) -> int:
    """1: the first is better beyond doubt; −1: the second; 0: neither."""
    if not gap.excludes_zero:
        return 0
    higher = gap.low > 0.0
    return 1 if higher is (metric not in LOWER_IS_BETTER) else -1


def _ends(gap: Interval) -> str:
    if not (np.isfinite(gap.low) and np.isfinite(gap.high)):
        return "no interval: " + gap.reason
    return f"{card_facts.signed(gap.low)} to {card_facts.signed(gap.high)}"


COMPARING: Final = "A researcher may have models compared: it takes the server's time."


def show_button(request: Request | None) -> None:
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
        help=reason and COMPARING,
        key="versus-now",
    )


def show(result: Result, request: Request, now: datetime, palette: Palette) -> None:
    """Figures, differences, curves and disagreements."""
    found = result.found
    if said := warnings(result):
        st.warning("\n\n".join(map(formatting.plain, said)), icon=":material/warning:")
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
        st.header("Do the probabilities mean what they say?", anchor=False)
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
        st.header("How many alarms are right?", anchor=False)
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
        f"{result.digest[:12]}: equal models, files and options give the same."
    )


def warnings(result: Result) -> list[str]:
    """What makes the comparison say less."""
    found, said = result.found, list(result.rows.warnings)
    if found.refused:
        said.append(
            f"{formatting.count(found.refused, 'row')} left out, refused by one model or both."
        )
    if found.blocks < FEW_BLOCKS:
        many = formatting.count(found.blocks, result.rows.block, _plural(result.rows.block))
        said.append(f"{many} only: an interval from so few is a rough one.")
    return said


def _plural(word: str) -> str:
    return {"family": "families"}.get(word, "")


def figure_rows(result: Result) -> pd.DataFrame:
    """A row a metric: both models, the difference, and what it says."""
    found = result.found
    rows = []
    for metric, gap in found.differences.items():
        one, other = found.intervals[0][metric], found.intervals[1][metric]
        rows.append(
            {
                "metric": METRIC_WORDS[metric],
                "first": str(Figure(one.value, one.low, one.high)),
                "second": str(Figure(other.value, other.low, other.high)),
                "gap": f"{card_facts.signed(gap.value)} ({_ends(gap)})",
                "says": _says(metric, gap, found.names),
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


def _says(metric: str, gap: Interval, names: tuple[str, str]) -> str:
    won = wins(metric, gap)
    if not np.isfinite(gap.low):
        return gap.reason
    return f"{names[0 if won > 0 else 1]} is better" if won else "do not differ significantly"


def figure_columns(result: Result) -> dict[str, Column]:
    """How the figures are shown."""
    first, second = result.found.names
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


def exported(result: Result, now: datetime) -> export.Table:
    """Both models' figures and the paired differences as a file."""
    found = result.found
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


def choose(entries: Sequence[ModelEntry]) -> Request | None:
    """Two rows of choices: which models, which data; None while something is missing."""
    known = comparison_form.rivals(entries)
    if known:
        return comparison_form.rows_of(*comparison_form.models(known))
    widgets.empty(
        "Two models of one task are needed, whose files are in order.",
        "upload another on the Leaderboard, or train one with `spotlab train`.",
    )
    return None


def outcome(request: Request | None) -> Result | None:
    """What was found for what is asked for now; None: not compared yet."""
    return comparison_task.outcome(request)
