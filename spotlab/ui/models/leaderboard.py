"""Every model version as a row, and which is trusted for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.ports import ModelRecord
from spotlab.services.models import ModelEntry
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette
from spotlab.ui.models import card_facts, card_parser
from spotlab.ui.models.card_facts import Facts

STATE_MARKS: Final[Mapping[str, str]] = {
    "champion": "★ champion",
    "graduated": "● graduated",
    "candidate": "○ candidate",
    "rejected": "■ rejected",
    "archived": "□ archived",
}
_NOUNS: Final = frozenset({"champion", "candidate"})
SHOWN: Final = ("auc", "pr_auc", "brier")
OWN_ROWS: Final = (
    "Figures are from each model's own card: two are comparable only where “measured on” is the "
    "same. Head to head puts two models on the same rows."
)


def headline(records: Sequence[ModelRecord]) -> str:
    """Which model is trusted for what, and how good it is."""
    champions = [record for record in records if record.state == "champion"]
    if not champions:
        return f"No model is trusted yet: {formatting.count(len(records), 'version')}, no champion"
    told = [f"{r.name} for {card_facts.task_words(r.task)} ({how_good(r)})" for r in champions]
    verb = "is" if len(champions) == 1 else "are"
    return f"{formatting.count(len(champions), 'model')} {verb} trusted: {'; '.join(told)}"


def how_good(record: ModelRecord) -> str:
    """AUC with its interval, or that nobody measured it."""
    main = card_parser.read(record.card).main
    if main is None:
        return "its card has no figures"
    auc = main.figure("auc")
    between = (
        f", {card_facts.number(auc.low)} to {card_facts.number(auc.high)}" if auc.ranged else ""
    )
    return f"AUC {card_facts.number(auc.value)}{between}"


def small_print(records: Sequence[ModelRecord]) -> str:
    """How many versions there are, in which state."""
    states = pd.Series([record.state for record in records]).value_counts()
    told = [_counted(int(states[state]), state) for state in STATE_MARKS if state in states]
    return (
        f"{formatting.count(len(records), 'version')}: {', '.join(told)}. Ranges are 95 % "
        "intervals; "
        "figures are from the cards."
    )


def _counted(number: int, state: str) -> str:
    return formatting.count(number, state) if state in _NOUNS else f"{number} {state}"


def mark(record: ModelRecord) -> str:
    """A shape and a word for the state, and whether it is switched off."""
    known = STATE_MARKS.get(record.state, record.state)
    return known if record.enabled else f"{known}, off"


def rows(entries: Sequence[ModelEntry]) -> pd.DataFrame:
    """One row a version; entries of one task, at least one."""
    return pd.DataFrame([_row(entry, card_parser.read(entry.record.card)) for entry in entries])


def _row(entry: ModelEntry, told: Facts) -> dict[str, object]:
    main, record = told.main, entry.record
    best = main.best_baseline("brier") if main else None
    return {
        "model": record.reference,
        "state": mark(record) if not entry.refused else f"{mark(record)}, no files",
        **{name: str(main.figure(name)) if main else None for name in SHOWN},
        "reference": main.base_rate_brier if main else None,
        "baseline": f"{card_facts.number(best[1].value)} {best[0]}" if best else None,
        "rows": main.rows or None if main else None,
        "on": main.on if main else None,
        "trained": card_facts.trained_on(told) or None,
        "used": len(entry.instances),
        "registered": record.registered_at,
    }


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """How the leaderboard's columns are shown."""
    in_card = "From the card, with its 95 % interval. “—”: the card has no figure."
    return {
        "model": Column("model"),
        "state": Column(
            "state",
            colour=lambda text: state_colour(str(text), palette),
            help="★ champion, ● graduated, ○ candidate, ■ rejected by "
            "a person, □ archived. “off”: no evaluation uses it.",
            width=140,
        ),
        "auc": Column("AUC", help=f"Higher is better, 0.5 is guessing. {in_card}", number=True),
        "pr_auc": Column(
            "PR-AUC", help=f"Higher is better; the base rate is guessing. {in_card}", number=True
        ),
        "brier": Column("Brier", help=f"Lower is better. {in_card}", number=True),
        "reference": Column(
            "base rate's Brier",
            card_facts.number,
            "Brier score of always saying the base rate: a model must be below it.",
            number=True,
        ),
        "baseline": Column(
            "best baseline's Brier", help="The simple rule that does best.", number=True
        ),
        "rows": Column("rows", "{:,.0f}".format, "Of the test.", number=True),
        "on": Column("measured on", width="medium"),
        "trained": Column("trained on", width="medium"),
        "used": Column("instances", "{:,}".format, "That were given this version.", number=True),
        "registered": Column("registered", at(now, formatting.ago)),
    }


def state_colour(text: str, palette: Palette) -> str:
    """The colour of a state's mark; a version that is off is quiet."""
    if text.endswith("off"):
        return palette.quiet
    chosen = {"★": palette.good, "●": palette.move, "■": palette.bad}
    return chosen.get(text[:1], palette.quiet)


def show(entries: Sequence[ModelEntry], now: datetime, palette: Palette) -> str | None:
    """A table a task.

    Returns:
        "name@version" of the row that was selected; None: none was.
    """
    chosen = None
    for task in sorted({entry.record.task for entry in entries}):
        of_task = [entry for entry in entries if entry.record.task == task]
        ordered = sorted(of_task, key=lambda entry: [*STATE_MARKS].index(entry.record.state))
        st.header(card_facts.task_words(task).capitalize(), anchor=False)
        picked = tables.show(
            rows(ordered),
            columns(now, palette),
            name=f"Models for {card_facts.task_words(task)}",
            key=f"models-{task}",
            select=("single-row", "single-cell"),
            max_rows=10,
        )
        if picked:
            chosen = ordered[picked[0]].record.reference
    return chosen


def show_export(records: Sequence[ModelRecord], now: datetime) -> None:
    """The leaderboard as files."""
    export.offer(lambda: exported(records, now), "models", "models-file")


def exported(records: Sequence[ModelRecord], now: datetime) -> export.Table:
    """Every version, with figures as numbers."""
    table = []
    for record in records:
        told = card_parser.read(record.card)
        main = told.main
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
        notes=(OWN_ROWS,),
    )


def show_empty() -> None:
    """No model is registered."""
    widgets.empty(
        "No model is registered: no risk can be computed, and no decision made.",
        "train one with `spotlab train`, or upload one below.",
    )
