"""Sections about the advisor recipe: walk-forward through 2022, and by family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from spotlab.errors import NotAvailable
from spotlab.runtime.model_catalogue import figures as card_figures
from spotlab.sweeps.results.capacity import MEASURES, baseline_table, metric_figures
from spotlab.sweeps.results.document import Figure, Section, Table, Target, number
from spotlab.training.advisor.training import train
from spotlab.training.advisor.walk_forward import NEARLY_A_MONTH, walk_forward
from spotlab.training.saved_version import Step

Document = dict[str, Any]

SEED: Final = 7
WALK_FORWARD: Final = "advisor, walk-forward 2022, bucket >= 3"
T2_CLEAN: Final = "advisor, T2-clean, by family"
WALK_TARGETS: Final = {
    "auc": Target(0.936),
    "pr_auc": Target(0.897),
    "brier": Target(0.089, at_least=False),
}
CLEAN_TARGETS: Final = {
    "auc": Target(0.80),
    "pr_auc": Target(0.785),
    "brier": Target(0.183, at_least=False),
}
PARTS: Final = ("all", "bucket < 3 before")


def walk_forward_section(folder: Path, step: Step) -> Section:
    """The recipe fitted on earlier snapshots of 2022 and tested on later ones."""
    try:
        document = walk_forward(folder, seed=SEED, step=step)
    except NotAvailable as exc:
        return Section(WALK_FORWARD, "", skipped=str(exc))
    everything, low = (document[part] for part in PARTS)
    pairs = [
        (
            f"{pair['before']} to {pair['after']}",
            str(pair["gap_days"]),
            str(pair["trained_pairs"]),
            f"{pair['rows']:,}",
            number(pair["base_rate"]),
            *(number(pair[who][m]) for who in ("recipe", "persistence") for m in ("auc", "brier")),
        )
        for pair in document["pairs"]
    ]
    header = (
        "pair",
        "days",
        "pairs learned",
        "rows",
        "base rate",
        "AUC",
        "Brier",
        "persistence AUC",
        "persistence Brier",
    )
    return Section(
        WALK_FORWARD,
        f"{document['split'].capitalize()}. {everything['rows']:,} rows, base rate "
        f"{everything['base_rate']:.3f}; nothing that is shipped learned from these files.",
        [
            *metric_figures(WALK_FORWARD, everything, WALK_TARGETS),
            *metric_figures(f"{WALK_FORWARD}, only pools now below 3", low, {}),
        ],
        [baseline_table(everything), baseline_table(low), Table(header, pairs)],
    )


def newest_section(folder: Path, step: Step) -> Section:
    """The newest pair of the walk-forward that includes files dated 29 days apart."""
    title = f"{WALK_FORWARD}, newest pair"
    try:
        document = walk_forward(folder, min_gap=NEARLY_A_MONTH, seed=SEED, step=step)
    except NotAvailable as exc:
        return Section(title, "", skipped=str(exc))
    everything, low = (document[part] for part in ("newest", "newest, bucket < 3 before"))
    return Section(
        title,
        "The last snapshot that has a later one, forecast by the fit that knew the most pairs. Its "
        "files are dated 29 days apart: a day of the label's month may be known to the features, "
        f"so this is no strict test. {everything['rows']:,} rows, base rate "
        f"{everything['base_rate']:.3f}.",
        [
            *metric_figures(title, everything, WALK_TARGETS),
            *metric_figures(f"{title}, only pools now below 3", low, {}),
        ],
        [baseline_table(everything), baseline_table(low)],
    )


def clean_section(folder: Path, step: Step) -> Section:
    """The shipped recipe trained again: its forecasts of held-out families."""
    with TemporaryDirectory() as out:
        try:
            report = train(
                folder,
                Path(out),
                seed=SEED,
                progress=lambda text, _share: step(text),
                cancelled=lambda: False,
            )
        except NotAvailable as exc:
            return Section(T2_CLEAN, "", skipped=str(exc))
    found = card_figures(report.measured)
    return Section(
        T2_CLEAN,
        f"Trained as `spotlab train` does, on {report.rows:,} rows; every family is forecast by a "
        "fit, and a choice among candidates, that had not seen it.",
        list(_figures(found)),
    )


def _figures(card_figures_by_measure: Mapping[str, Mapping[str, float | None]]) -> list[Figure]:
    return [
        Figure(
            T2_CLEAN,
            label,
            card_figures_by_measure[measure].get("value"),
            card_figures_by_measure[measure].get("low"),
            card_figures_by_measure[measure].get("high"),
            CLEAN_TARGETS.get(measure),
        )
        for measure, label in MEASURES.items()
        if measure in card_figures_by_measure
    ]
