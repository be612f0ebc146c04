"""A model version's card: label, quality, data, features and limits."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from spotlab.domain.ports import ModelRecord
from spotlab.services import card_facts
from spotlab.services.card_facts import METRIC_WORDS, METRICS, CardFacts, Measured
from spotlab.services.models import ModelEntry
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui import charts
from spotlab.ui.common import formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import leaderboard

SOURCE_KEYS = ("data", "published_by", "licence")
FORESTS = {"auc": "AUC: higher is better", "brier": "Brier: lower is better"}


def headline(record: ModelRecord, facts: CardFacts) -> str:
    """The model's task, AUC and Brier score, compared with the best baseline."""
    name, main = record.reference, facts.main
    if main is None:
        return f"{name} for {card_facts.task_words(record.task)}: its card has no figures"
    brier, best = main.figure("brier"), main.best_baseline("brier")
    reference = f"{card_facts.number(main.base_rate_brier)} for the base rate"
    if best is not None:
        reference = f"{card_facts.number(best[1].value)} for {best[0]}"
    return (
        f"{name} for {card_facts.task_words(record.task)}: AUC {main.figure('auc')}, "
        f"Brier {card_facts.number(brier.value)}, compared with {reference}"
    )


def small_print(entry: ModelEntry, now: datetime) -> str:
    """State, age and digest, and whether the model runs in a separate process."""
    record = entry.record
    process = " · runs in a separate process until it is graduated" if entry.isolated else ""
    return (
        f"{leaderboard.mark(record)} · registered {formatting.ago(record.registered_at, now)} · "
        f"SHA-256 {record.digest[:12]} · {record.path}{process}"
    )


def show_label(facts: CardFacts) -> None:
    """Shows the label: what the model forecasts, and what it does not."""
    st.header("Prediction", anchor=False)
    st.markdown(formatting.plain(facts.summary or "The card has no summary."))
    if facts.label:
        st.markdown(f"**Label.** {formatting.plain(facts.label)}")
    if facts.not_label:
        st.markdown("**Not the label**")
        st.markdown("\n".join(f"- {formatting.plain(line)}" for line in facts.not_label))


def show_figures(facts: CardFacts, palette: Palette) -> None:
    """Shows the model's quality compared with baselines, and its calibration."""
    st.header("Quality", anchor=False)
    if facts.main is None:
        widgets.empty(
            "The card has no figures, so the quality of this model is unknown.",
            "compare it with another model on files of this machine, under Head to head.",
        )
        return
    test = _select_test(facts.measured)
    rows = f"{formatting.count(test.rows, 'row')}, " if test.rows else ""
    st.caption(
        f"Test: {formatting.plain(test.on)}: {rows}base rate "
        f"{formatting.percent(test.base_rate)}. "
        "Intervals are 95 %."
    )
    left, right = st.columns(2, gap="large")
    with left:
        _show_forests(test, palette)
    with right:
        _show_reliability(test, palette)
    show_table(test)


def _select_test(tests: Sequence[Measured]) -> Measured:
    """The test to show; the user selects one if the card has several."""
    if len(tests) == 1:
        return tests[0]
    names = {str(number): test.on for number, test in enumerate(tests, start=1)}
    with st.columns(2)[0]:
        chosen = widgets.pick_one("Test", names, "test")
    return tests[int(chosen) - 1 if chosen else 0]


def _show_forests(test: Measured, palette: Palette) -> None:
    for metric, title in FORESTS.items():
        found = estimates(test, metric)
        if found:
            st.plotly_chart(
                charts.forest(found, title, palette),
                config=charts.CONFIG,
                key=f"forest-{metric}",
                alt=f"{METRIC_WORDS[metric]} of the model and of its baselines",
            )


def estimates(test: Measured, metric: str) -> list[charts.Estimate]:
    """A metric of the model, then of its baselines; unknown values are omitted."""
    figures = {"this model": test.figure(metric)}
    figures |= {name: each.get(metric, card_facts.UNKNOWN) for name, each in test.baselines.items()}
    if metric == "brier":
        figures["base rate"] = card_facts.Figure(test.base_rate_brier)
    return [
        charts.Estimate(name, figure.value, figure.low, figure.high, name != "this model")
        for name, figure in figures.items()
        if math.isfinite(figure.value)
    ]


def _show_reliability(test: Measured, palette: Palette) -> None:
    if not test.reliability:
        st.caption("The card has no reliability table for these rows.")
        return
    st.plotly_chart(
        charts.reliability([charts.Reliability("this model", test.reliability)], palette),
        config=charts.CONFIG,
        key="reliability",
        alt="Observed share against predicted probability",
    )


def show_table(test: Measured) -> None:
    """Shows every figure of the model and its baselines."""
    by_name = {"this model": test.figures, **test.baselines}
    frame = pd.DataFrame(
        [
            {"who": name, **{m: str(figures[m]) if m in figures else None for m in METRICS}}
            for name, figures in by_name.items()
        ]
    )
    spec = {"who": Column("")} | {
        metric: Column(word, help=DIRECTIONS[metric], number=True)
        for metric, word in METRIC_WORDS.items()
    }
    tables.show(frame, spec, name="Figures of the model and its baselines", key="card-figures")


DIRECTIONS: Mapping[str, str] = {
    "auc": "P(a positive row is scored higher than a negative one); guessing gives 0.5.",
    "pr_auc": "Average precision; guessing gives the base rate.",
    "brier": "Mean squared error of the probability; lower is better.",
    "brier_skill": "1 is perfect; 0 is no better than always predicting the base rate.",
    "log_loss": "Mean negative log likelihood in nats; lower is better.",
    "ece": "Mean distance between predicted probability and observed share, over ten bins; lower "
    "is better.",
}


def show_subgroups(facts: CardFacts) -> None:
    """Shows the model's figures for subgroups of the rows."""
    main = facts.main
    if main is None or not main.subgroups:
        st.caption("The card has no figures for subgroups.")
        return
    frame = pd.DataFrame(
        [
            {"part": name} | {key: figures.get(key) for key in ("rows", "base_rate", *METRICS)}
            for name, figures in main.subgroups.items()
        ]
    )
    spec = {
        "part": Column("subgroup", width="medium"),
        "rows": Column("rows", "{:,}".format, number=True),
        "base_rate": Column("base rate", formatting.percent, number=True),
    } | {
        metric: Column(word, card_facts.number, DIRECTIONS[metric], number=True)
        for metric, word in METRIC_WORDS.items()
    }
    tables.show(frame, spec, name="Subgroups", key="card-subgroups", max_rows=18)
    st.caption("Subgroups overlap. Small ones have wide intervals, which are not in the card.")


def show_data(facts: CardFacts) -> None:
    """Shows where the training data comes from, under which licence, and how it was split."""
    if facts.sources:
        frame = pd.DataFrame(
            [
                {key: str(source.get(key, "")) or None for key in SOURCE_KEYS}
                for source in facts.sources
            ]
        )
        spec = {
            "data": Column("data", width="large"),
            "published_by": Column("published by"),
            "licence": Column("licence"),
        }
        tables.show(frame, spec, name="Sources of the training data", key="card-sources")
    else:
        st.caption("The card names no sources.")
    if facts.training:
        st.markdown("**Training**")
        show_pairs(facts.training, "card-training")


def show_pairs(section: Mapping[str, Any], key: str) -> None:
    """Shows a section of the card as a table of names and values; nested sections are flattened."""
    frame = pd.DataFrame([{"name": name, "value": value} for name, value in flat(section)])
    tables.show(
        frame,
        {"name": Column("name", width="medium"), "value": Column("value", width="large")},
        name=key.replace("card-", "").capitalize(),
        key=key,
        max_rows=24,
    )


def flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of a section as text: `settings: rounds`, `300`."""
    for name, value in section.items():
        label = prefix + card_facts.readable(str(name))
        if isinstance(value, Mapping):
            yield from flat(value, f"{label}: ")
        elif value is not None:
            yield label, value_text(value)


def value_text(value: Any) -> str:
    """A card's value in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_features(facts: CardFacts) -> None:
    """Shows the model's features: unit, bounds, and whether they may be unknown."""
    frame = pd.DataFrame(
        [
            {
                "name": str(feature.get("name", "")),
                "unit": str(feature.get("unit", "")),
                "low": feature.get("low"),
                "high": feature.get("high"),
                "nullable": "yes" if feature.get("nullable") else "no",
                "meaning": str(feature.get("meaning", "")) or None,
            }
            for feature in facts.features
        ]
    ).astype({"low": "float64", "high": "float64"})
    spec = {
        "name": Column("feature", width="medium"),
        "unit": Column("unit"),
        "low": Column("minimum", "{:,g}".format, "“—”: unbounded.", number=True),
        "high": Column("maximum", "{:,g}".format, "“—”: unbounded.", number=True),
        "nullable": Column("may be unknown", help="No: a row without it gets no risk."),
        "meaning": Column("meaning", width="large"),
    }
    tables.show(frame, spec, name="Features", key="card-features", max_rows=24)
    st.caption("A row outside these bounds is rejected: it gets no risk rather than a wrong one.")


def show_limits(facts: CardFacts) -> None:
    """Shows the model's limits."""
    if facts.limits:
        st.markdown("\n".join(f"- {formatting.plain(line)}" for line in facts.limits))
    else:
        st.caption("The card names no limits; there may still be some.")
    if facts.formula:
        st.markdown("**From the score to the risk**")
        st.code("\n".join(map(visible, facts.formula)), language=None)


def show_whole(record: ModelRecord) -> None:
    """Shows the whole card as JSON."""
    st.download_button(
        "card.json",
        data=lambda: json.dumps(dict(record.card), indent=1, ensure_ascii=False).encode(),
        file_name=f"{record.name}-{record.version}-card.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption(f"SHA-256 of the artefact's checksums file: `{record.digest}`")
    st.json(dict(record.card), expanded=1)
