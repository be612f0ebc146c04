"""Sections about the shipped champions on data that is not in the project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from spotlab.domain.ports import Clock
from spotlab.errors import InvalidInput
from spotlab.sweeps.results.capacity import (
    CAMPAIGN_2022,
    CAMPAIGN_2023,
    CAMPAIGNS,
    baseline_table,
    group_table,
    metric_figures,
)
from spotlab.sweeps.results.document import Figure, Section, Table
from spotlab.training.advisor.datasets import read_advisor
from spotlab.training.advisor.evaluation import AdvisorForecaster, evaluate_advisor
from spotlab.training.advisor.labels import TRAILING
from spotlab.training.capacity.evaluation import Forecast, TraceOptions, evaluate_traces
from spotlab.training.evaluation_report import ModelWithCard
from spotlab.training.saved_version import Step

Document = dict[str, Any]

CAMPAIGN_16: Final = CAMPAIGNS / "16-node/aws-08-27-2023"
HORIZONS_H: Final = (1.0, 3.0)
EVALUATED: Final = (
    ("2022-10-26, 8 pools", CAMPAIGN_2022, 1),
    ("2023-02-15, 9 zones", CAMPAIGN_2023, 1),
    ("2023-08-27, 3 zones, any of 16 nodes", CAMPAIGN_16, 1),
    ("2023-08-27, 3 zones, all 16 nodes", CAMPAIGN_16, 16),
)
ADVISOR: Final = Path("evaluation-only/advisor")


def capacity_section(folder: Path, model: ModelWithCard, forecast: Forecast, step: Step) -> Section:
    """The capacity champion on each campaign, for each of HORIZONS_H."""
    title = f"{model.name}@{model.version} on recorded campaigns"
    if not (folder / CAMPAIGNS).is_dir():
        return Section(title, "", skipped=f"{CAMPAIGNS} is not in the data folder.")
    figures: list[Figure] = []
    tables: list[Table] = []
    for what, path, nodes in EVALUATED:
        for horizon_h in HORIZONS_H:
            step(f"{title}: {what}, {horizon_h:g} h")
            options = TraceOptions(nodes=nodes)
            document = evaluate_traces(model, forecast, [folder / path], horizon_h, options)
            name = f"{what}, {horizon_h:g} h"
            if document["learned_from"]:
                name += " (learned from this record: no test)"
            figures += metric_figures(name, document, {})
            tables += _tables(name, document)
    return Section(
        title,
        "The model as it is shipped, on campaigns whose data is not in the project. Where it "
        "learned from the same record, rebuilt from another source, that is said: it is no test.",
        figures,
        tables,
    )


def advisor_section(folder: Path, model: AdvisorForecaster, clock: Clock, step: Step) -> Section:
    """The advisor champion on pairs of snapshots of 2022 that are at least a month apart."""
    title = f"{model.name}@{model.version} on the advisor snapshots of 2022"
    pairs = _pairs(sorted((folder / ADVISOR).glob("*.json.gz")))
    if not pairs:
        return Section(title, "", skipped=f"{ADVISOR} is not in the data folder.")
    figures: list[Figure] = []
    tables: list[Table] = []
    for before, after in pairs:
        name = f"{before.name[:10]} to {after.name[:10]}"
        step(f"{title}: {name}")
        try:
            document = evaluate_advisor(model, [before], after, clock)
        except InvalidInput as exc:
            return Section(title, "", skipped=exc.message)
        figures += metric_figures(name, document, {})
        tables += _tables(name, document)
    return Section(
        title,
        "The model as it is shipped; spot prices of that time are not recorded. Persistence gets "
        "the share of high buckets after each bucket on these very rows, which favours it.",
        figures,
        tables,
    )


def _tables(name: str, document: Document) -> list[Table]:
    baselines, groups = baseline_table(document), group_table(document)
    warnings = " ".join(document["warnings"])
    rows = f"{name}: {document['rows']:,} rows, base rate {document['base_rate']:.3f}. {warnings}"
    return [
        Table(baselines.header, baselines.rows, f"{rows.strip()}"),
        Table(groups.header, groups.rows, f"{name}, part by part."),
    ]


def _pairs(files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each snapshot with the first one whose trailing month began later."""
    dated = [(read_advisor(path).origin.event_time, path) for path in files]
    pairs = []
    for at, path in dated:
        later = [other for then, other in dated if then - at > TRAILING]
        if later:
            pairs.append((path, later[0]))
    return pairs
