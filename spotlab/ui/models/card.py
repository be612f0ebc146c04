"""One model version: what it is, how good it is, where it ends."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from spotlab.domain.ports import ModelRecord
from spotlab.services.models import ModelEntry
from spotlab.telemetry.text import visible
from spotlab.ui import charts
from spotlab.ui.common import formatting, tables, widgets
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import card_facts, leaderboard
from spotlab.ui.models.card_facts import METRIC_WORDS, METRICS, Facts, Measured

SOURCE_KEYS = ("data", "published_by", "licence")
FORESTS = {"auc": "AUC: higher is better", "brier": "Brier: lower is better"}


def headline(record: ModelRecord, told: Facts) -> str:
    """How good the model is at what, beside the best baseline."""
    name, main = record.reference, told.main
    if main is None:
        return f"{name} for {card_facts.task_words(record.task)}: its card has no figures"
    brier, best = main.figure("brier"), main.best_baseline("brier")
    beside = f"{card_facts.number(main.base_rate_brier)} of the base rate"
    if best is not None:
        beside = f"{card_facts.number(best[1].value)} of {best[0]}"
    return (
        f"{name} for {card_facts.task_words(record.task)}: AUC {main.figure('auc')}, "
        f"Brier {card_facts.number(brier.value)} against {beside}"
    )


def small_print(entry: ModelEntry, now: datetime) -> str:
    """State, age and digest, and where it runs if that is not the server's own process."""
    record = entry.record
    where = " · runs in a process of its own until it is graduated" if entry.isolated else ""
    return (
        f"{leaderboard.mark(record)} · registered {formatting.ago(record.registered_at, now)} · "
        f"SHA-256 {record.digest[:12]} · {record.path}{where}"
    )


def show_label(told: Facts) -> None:
    """What is forecast, and what is not."""
    st.header("What it forecasts", anchor=False)
    st.markdown(formatting.plain(told.summary or "The card says nothing about it."))
    if told.label:
        st.markdown(f"**Label.** {formatting.plain(told.label)}")
    if told.not_label:
        st.markdown("**What it is not**")
        st.markdown("\n".join(f"- {formatting.plain(line)}" for line in told.not_label))


def show_figures(told: Facts, palette: Palette) -> None:
    """How good it is beside baselines, and whether its probabilities mean what they say."""
    st.header("How good it is", anchor=False)
    if told.main is None:
        widgets.empty(
            "The card has no figures, so the quality of this model is unknown.",
            "put it beside another on files of this machine, under Head to head.",
        )
        return
    test = _pick_test(told.measured)
    rows = f"{formatting.count(test.rows, 'row')}, " if test.rows else ""
    st.caption(
        f"Measured on {formatting.plain(test.on)}: {rows}base rate "
        f"{formatting.percent(test.base_rate)}. "
        "Intervals are 95 %."
    )
    left, right = st.columns(2, gap="large")
    with left:
        _show_forests(test, palette)
    with right:
        _show_reliability(test, palette)
    show_table(test)


def _pick_test(tests: Sequence[Measured]) -> Measured:
    """Which test to look at, where the card has several."""
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
    """A metric of the model, then of its baselines; what is unknown is left out."""
    figures = {"this model": test.figure(metric)}
    figures |= {name: said.get(metric, card_facts.UNKNOWN) for name, said in test.baselines.items()}
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
        alt="Observed share against forecast probability",
    )


def show_table(test: Measured) -> None:
    """Every figure of the model and its baselines."""
    named = {"this model": test.figures, **test.baselines}
    frame = pd.DataFrame(
        [
            {"who": name, **{m: str(said[m]) if m in said else None for m in METRICS}}
            for name, said in named.items()
        ]
    )
    spec = {"who": Column("")} | {
        metric: Column(word, help=DIRECTIONS[metric], number=True)
        for metric, word in METRIC_WORDS.items()
    }
    tables.show(frame, spec, name="Figures of the model and its baselines", key="card-figures")


DIRECTIONS: Mapping[str, str] = {
    "auc": "P(a yes is forecast higher than a no); 0.5 is guessing.",
    "pr_auc": "Average precision; the base rate is guessing.",
    "brier": "Mean squared error of the probability; lower is better.",
    "brier_skill": "1 is perfect, 0 no better than always saying the base rate.",
    "log_loss": "Mean negative log likelihood in nats; lower is better.",
    "ece": "Mean distance of forecast and observed share over ten bins; lower is better.",
}


def show_subgroups(told: Facts) -> None:
    """How well it does on parts of the rows."""
    main = told.main
    if main is None or not main.subgroups:
        st.caption("The card has no figures of subgroups.")
        return
    frame = pd.DataFrame(
        [
            {"part": name} | {key: said.get(key) for key in ("rows", "base_rate", *METRICS)}
            for name, said in main.subgroups.items()
        ]
    )
    spec = {
        "part": Column("rows where", width="medium"),
        "rows": Column("rows", "{:,}".format, number=True),
        "base_rate": Column("base rate", formatting.percent, number=True),
    } | {
        metric: Column(word, card_facts.number, DIRECTIONS[metric], number=True)
        for metric, word in METRIC_WORDS.items()
    }
    tables.show(frame, spec, name="Subgroups", key="card-subgroups", max_rows=18)
    st.caption("Parts overlap. Small parts have wide intervals, which the card does not carry.")


def show_data(told: Facts) -> None:
    """Where the training data comes from, under which licence, and how it was split."""
    if told.sources:
        frame = pd.DataFrame(
            [
                {
                    key: str(source.get(key, "")) or None
                    for key in ("data", "published_by", "licence")
                }
                for source in told.sources
            ]
        )
        spec = {
            "data": Column("data", width="large"),
            "published_by": Column("published by"),
            "licence": Column("licence"),
        }
        tables.show(frame, spec, name="Sources of the training data", key="card-sources")
    else:
        st.caption("The card names no source.")
    if told.training:
        st.markdown("**Training**")
        show_pairs(told.training, "card-training")


def show_pairs(said: Mapping[str, Any], key: str) -> None:
    """A part of the card as names and values; a part of a part has its rows of its own."""
    frame = pd.DataFrame([{"name": name, "value": value} for name, value in flat(said)])
    tables.show(
        frame,
        {"name": Column("what", width="medium"), "value": Column("value", width="large")},
        name=key.replace("card-", "").capitalize(),
        key=key,
        max_rows=24,
    )


def flat(said: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Names and values in words, one a line: `settings: rounds`, `300`."""
    for name, value in said.items():
        told = before + card_facts.spoken(str(name))
        if isinstance(value, Mapping):
            yield from flat(value, f"{told}: ")
        elif value is not None:
            yield told, in_words(value)


def in_words(value: Any) -> str:
    """A card's value in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_features(told: Facts) -> None:
    """What it looks at: unit, bounds, and whether unknown is an answer."""
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
            for feature in told.features
        ]
    ).astype({"low": "float64", "high": "float64"})
    spec = {
        "name": Column("feature", width="medium"),
        "unit": Column("unit"),
        "low": Column("lowest", "{:,g}".format, "“—”: unbounded.", number=True),
        "high": Column("highest", "{:,g}".format, "“—”: unbounded.", number=True),
        "nullable": Column("may be unknown", help="Else a row without it gets no risk."),
        "meaning": Column("meaning", width="large"),
    }
    tables.show(frame, spec, name="Features", key="card-features", max_rows=24)
    st.caption("A row outside these bounds is refused: it gets no risk rather than a wrong one.")


def show_limits(told: Facts) -> None:
    """Where it ends."""
    if told.limits:
        st.markdown("\n".join(f"- {formatting.plain(line)}" for line in told.limits))
    else:
        st.caption("The card names no limits, which does not mean that there are none.")
    if told.formula:
        st.markdown("**From the score to the risk**")
        st.code("\n".join(map(visible, told.formula)), language=None)


def show_whole(record: ModelRecord) -> None:
    """The card as it is written."""
    st.download_button(
        "card.json",
        data=lambda: json.dumps(dict(record.card), indent=1, ensure_ascii=False).encode(),
        file_name=f"{record.name}-{record.version}-card.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption(f"SHA-256 over the artefact's checksums file: `{record.digest}`")
    st.json(dict(record.card), expanded=1)
