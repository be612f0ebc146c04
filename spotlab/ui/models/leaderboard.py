"""Leaderboard: one row per model version, the champions first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.ports import ModelRecord
from spotlab.inference.card import RULE
from spotlab.services import card_facts, card_parser
from spotlab.services.card_facts import CardFacts
from spotlab.services.models import ModelEntry
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

STATE_MARKS: Final[Mapping[str, str]] = {
    "champion": "★ champion",
    "graduated": "● graduated",
    "candidate": "○ candidate",
    "rejected": "■ rejected",
    "archived": "□ archived",
}
_NOUNS: Final = frozenset({"champion", "candidate"})
SHOWN: Final = ("auc", "pr_auc", "brier")
COMPARABILITY: Final = (
    "Figures are from each model's own card: they are comparable only if “measured on” is the "
    "same. Head to head compares two models on the same rows."
)


def show_notices(notices: Sequence[str]) -> None:
    """Shows what there is to say about the registry."""
    for notice in notices:
        st.info(formatting.plain(notice), icon=":material/rule:")


def headline(records: Sequence[ModelRecord]) -> str:
    """The champion of each task with its AUC."""
    champions = [record for record in records if record.state == "champion"]
    if not champions:
        return f"No champion yet: {formatting.count(len(records), 'version')}"
    texts = [f"{r.name} for {card_facts.task_words(r.task)} ({quality(r)})" for r in champions]
    return f"{formatting.count(len(champions), 'champion')}: {'; '.join(texts)}"


def quality(record: ModelRecord) -> str:
    """AUC with its interval, or that the card has no figures."""
    main = card_parser.read(record.card).main
    if main is None:
        return "its card has no figures"
    auc = main.figure("auc")
    interval = (
        f", {card_facts.number(auc.low)} to {card_facts.number(auc.high)}" if auc.ranged else ""
    )
    return f"AUC {card_facts.number(auc.value)}{interval}"


def small_print(records: Sequence[ModelRecord]) -> str:
    """The number of versions by state."""
    states = pd.Series([record.state for record in records]).value_counts()
    counts = [_counted(int(states[state]), state) for state in STATE_MARKS if state in states]
    by_state = f": {', '.join(counts)}" if counts else ""
    rules = sum(record.card.get("kind") == RULE for record in records)
    to_beat = f" {formatting.count(rules, 'simple rule is', 'simple rules are')} among them, "
    return (
        f"{formatting.count(len(records), 'version')}{by_state}."
        f"{to_beat + 'to be beaten.' if rules else ''} Figures are from the cards, with 95 % "
        "intervals."
    )


def _counted(number: int, state: str) -> str:
    return formatting.count(number, state) if state in _NOUNS else f"{number} {state}"


def mark(record: ModelRecord) -> str:
    """A shape and a word for the state, and whether the version is disabled."""
    known = STATE_MARKS.get(record.state, record.state)
    return known if record.enabled else f"{known}, off"


def rows(entries: Sequence[ModelEntry]) -> pd.DataFrame:
    """One row per version; entries of one task, at least one."""
    return pd.DataFrame([_row(entry, card_parser.read(entry.record.card)) for entry in entries])


def _row(entry: ModelEntry, facts: CardFacts) -> dict[str, object]:
    main, record = facts.main, entry.record
    best = main.best_baseline("brier") if main else None
    return {
        "model": record.reference,
        "state": mark(record) if not entry.refused else f"{mark(record)}, unusable",
        **{name: str(main.figure(name)) if main else None for name in SHOWN},
        "reference": main.base_rate_brier if main else None,
        "baseline": f"{card_facts.number(best[1].value)} {best[0]}" if best else None,
        "rows": main.rows or None if main else None,
        "on": main.on if main else None,
        "trained": card_facts.trained_on(facts) or None,
        "used": len(entry.instances),
        "registered": record.registered_at,
    }


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the leaderboard."""
    in_card = "From the card, with its 95 % interval. “—”: the card has no figure."
    return {
        "model": Column("model"),
        "state": Column(
            "state",
            colour=lambda text: state_colour(str(text), palette),
            help="★ champion, ● graduated, ○ candidate, ■ rejected, □ archived. “off”: disabled, "
            "so no evaluation uses it.",
            width=118,
        ),
        "auc": Column("AUC", help=f"Higher is better; guessing gives 0.5. {in_card}", number=True),
        "pr_auc": Column(
            "PR-AUC", help=f"Higher is better; guessing gives the base rate. {in_card}", number=True
        ),
        "brier": Column("Brier", help=f"Lower is better. {in_card}", number=True),
        "reference": Column(
            "base rate's Brier",
            card_facts.number,
            "Brier score of always predicting the base rate: a useful model is below it.",
            number=True,
        ),
        "baseline": Column(
            "best baseline's Brier", help="The simple method with the best score.", number=True
        ),
        "rows": Column("rows", "{:,.0f}".format, "Rows of the test.", number=True),
        "on": Column("measured on", width="medium"),
        "trained": Column("trained on", width="medium"),
        "used": Column(
            "instances", "{:,}".format, "Instances assigned to this version.", number=True
        ),
        "registered": Column("registered", at(now, formatting.ago)),
    }


def state_colour(text: str, palette: Palette) -> str:
    """The colour of a state's mark; a disabled version's is the palette's quiet one."""
    if text.endswith("off"):
        return palette.quiet
    colours = {"★": palette.good, "●": palette.move, "■": palette.bad}
    return colours.get(text[:1], palette.quiet)


def show(entries: Sequence[ModelEntry], now: datetime, palette: Palette) -> str | None:
    """Shows one table per task.

    Returns:
        "name@version" of the selected row; None: no selection.
    """
    reference = None
    for task in sorted({entry.record.task for entry in entries}):
        of_task = [entry for entry in entries if entry.record.task == task]
        ordered = sorted(of_task, key=_place)
        st.header(card_facts.task_words(task).capitalize(), anchor=False)
        selected = tables.show(
            rows(ordered),
            columns(now, palette),
            name=f"Models for {card_facts.task_words(task)}",
            key=f"models-{task}",
            select=("single-row", "single-cell"),
            max_rows=10,
        )
        if selected:
            reference = ordered[selected[0]].record.reference
    return reference


def _place(entry: ModelEntry) -> tuple[int, float]:
    """Sorts by state, then by Brier score; without one, last."""
    main = card_parser.read(entry.record.card).main
    brier = main.figure("brier").value if main else math.nan
    order = [*STATE_MARKS].index(entry.record.state)
    return order, brier if math.isfinite(brier) else math.inf


def show_export(records: Sequence[ModelRecord], now: datetime) -> None:
    """Offers the leaderboard as files."""
    export.offer(lambda: exported(records, now), "models", "models-file")


def exported(records: Sequence[ModelRecord], now: datetime) -> export.Table:
    """The leaderboard as a file: every version, with figures as numbers."""
    table = []
    for record in records:
        main = card_parser.read(record.card).main
        best = main.best_baseline("brier") if main else None
        row: dict[str, object] = {"model": record.reference, "task": record.task}
        row |= {"state": record.state, "enabled": "yes" if record.enabled else "no"}
        for name in SHOWN:
            figure = main.figure(name) if main else card_facts.UNKNOWN
            row |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        row |= {
            "base_rate_brier": main.base_rate_brier if main else card_facts.NAN,
            "baseline": best[0] if best else None,
            "baseline_brier": best[1].value if best else card_facts.NAN,
            "rows": main.rows if main else 0,
            "on": main.on if main else None,
            "registered": f"{record.registered_at:%Y-%m-%d}",
        }
        table.append(row)
    ends = {
        f"{name}{end}": f"{card_facts.METRIC_WORDS[name]} {word}".strip()
        for name in SHOWN
        for end, word in (("", ""), ("_low", "2.5 %"), ("_high", "97.5 %"))
    }
    return export.Table(
        frame=pd.DataFrame(table),
        caption=f"Models registered in SpotLab on {now:%Y-%m-%d}",
        headers={
            "model": "Model",
            "task": "Task",
            "state": "State",
            "enabled": "Enabled",
            **ends,
            "base_rate_brier": "Base rate's Brier",
            "baseline": "Best baseline",
            "baseline_brier": "Its Brier",
            "rows": "Rows",
            "on": "Measured on",
            "registered": "Registered",
        },
        digits=dict.fromkeys([*ends, "base_rate_brier", "baseline_brier"], 3),
        notes=(COMPARABILITY,),
    )


def show_empty() -> None:
    """Shows the empty state."""
    widgets.empty(
        "No model is registered, so no risk can be computed and no decision made.",
        "train one with `spotlab train`, or upload one below.",
    )
