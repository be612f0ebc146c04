"""Sections about online forecasts by the shipped champions, against the best simple rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from spotlab.domain.ports import Clock
from spotlab.sweeps.results.capacity import CAMPAIGN_2022
from spotlab.sweeps.results.champions import ADVISOR, CAMPAIGN_16
from spotlab.sweeps.results.document import Figure, Section, Table, Target, interval, number
from spotlab.training.advisor.datasets import read_advisor
from spotlab.training.advisor.evaluation import AdvisorForecaster, evaluate_advisor
from spotlab.training.advisor.labels import TRAILING
from spotlab.training.capacity.evaluation import Forecast, TraceOptions, evaluate_traces
from spotlab.training.evaluation_report import ModelWithCard
from spotlab.training.saved_version import Step

Document = dict[str, Any]

HORIZONS_H: Final = (1.0, 3.0, 6.0)
KINDS: Final = ("k80_1", "k80_8", "v100_1", "v100_8")
CAMPAIGNS: Final = (
    ("2022-10-26, 8 pools", CAMPAIGN_2022, "*.json.gz", 1),
    *((f"2022-10-26, {kind}", CAMPAIGN_2022, f"*_{kind}.json.gz", 1) for kind in KINDS),
    ("2023-08-27, any of 16 nodes", CAMPAIGN_16, "*.json.gz", 1),
    ("2023-08-27, all 16 nodes", CAMPAIGN_16, "*.json.gz", 16),
)
BEST_RULE_MARGIN: Final = Target(0.001, at_least=False)
CALIBRATED: Final = Target(0.03, at_least=False)
NOT_WORSE: Final = Target(0.0, at_least=False)
HEADER: Final = (
    "rows of",
    "rows",
    "online AUC",
    "online Brier",
    "online ECE",
    "frozen AUC",
    "frozen Brier",
    "frozen ECE",
    "best rule",
    "its Brier",
    "Brier minus the rule's (95 %)",
    "regret by the rate",
    "bound without delays",
)


def capacity_online_section(
    folder: Path, model: ModelWithCard, forecast: Forecast, step: Step
) -> Section:
    """The capacity champion online on each evaluation-only campaign, at each of HORIZONS_H."""
    title = f"{model.name}@{model.version} online, against the best simple rule in hindsight"
    figures: list[Figure] = []
    rows: list[Sequence[str]] = []
    for what, path, pattern, nodes in CAMPAIGNS:
        files = sorted((folder / path).glob(pattern))
        for horizon_h in HORIZONS_H if files else ():
            name = f"{what}, {horizon_h:g} h"
            step(f"{title}: {name}")
            options = TraceOptions(nodes=nodes)
            document = evaluate_traces(model, forecast, files, horizon_h, options, online=True)
            online = document["online"]
            difference, ece = online["regret"]["brier"], online["metrics"]["ece"]
            figures += [
                _figure(f"online, {name}", "Brier minus the best rule's", difference),
                _figure(f"online, {name}", "ECE", ece, CALIBRATED),
            ]
            rows.append(_row(name, document))
    if not rows:
        return Section(title, "", skipped=f"{CAMPAIGN_2022} is not in the data folder.")
    return Section(
        title,
        "Experts, their weights and their recalibrations learn from each label when its horizon "
        "has passed, test first and then train, from nothing but these files. The best rule is "
        "chosen after the fact, for each line.",
        figures,
        [Table(HEADER, rows)],
    )


def _figure(what: str, measure: str, entry: Document, target: Target = BEST_RULE_MARGIN) -> Figure:
    return Figure(what, measure, entry["value"], entry["low"], entry["high"], target)


def _row(name: str, document: Document) -> Sequence[str]:
    online, regret = document["online"], document["online"]["regret"]
    gain = regret["brier"]
    return (
        name,
        f"{document['rows']:,}",
        *(number(online["metrics"][m]["value"], 4) for m in ("auc", "brier", "ece")),
        *(number(document["metrics"][m]["value"], 4) for m in ("auc", "brier", "ece")),
        regret["best_rule"],
        number(regret["best_rule_brier"], 4),
        f"{number(gain['value'], 4)} ({interval(gain['low'], gain['high'], 4)})",
        number(regret["weighted"], 2),
        number(regret["bound"], 2),
    )


def advisor_online_section(
    folder: Path, model: AdvisorForecaster, clock: Clock, step: Step
) -> Section:
    """The advisor champion online on the walk-forward pairs of 2022, and on 2024 to 2025."""
    title = f"{model.name}@{model.version} online, against persistence"
    figures: list[Figure] = []
    rows: list[Sequence[str]] = []
    for before, after in advisor_pairs(folder):
        name = f"{before[-1].name[:10]} to {after.name[:10]}"
        step(f"{title}: {name}")
        document = evaluate_advisor(model, before, after, clock, online=True)
        online = document["online"]
        if document["learned_from"]:
            name += " (learned from this pair: no test)"
        difference = online["difference"]["persistence"]
        figures += [
            _figure(f"online, {name}", "Brier minus persistence's", difference["brier"], NOT_WORSE),
            _figure(f"online, {name}", "AUC minus persistence's", difference["auc"], Target(0.0)),
        ]
        rows.append(
            (
                name,
                f"{document['rows']:,}",
                str(online["pairs_learnt_from"]),
                *(number(online["metrics"][m]["value"], 4) for m in ("auc", "brier", "ece")),
                *(number(document["metrics"][m]["value"], 4) for m in ("auc", "brier", "ece")),
                *(number(document["baselines"]["persistence"][m], 4) for m in ("auc", "brier")),
            )
        )
    if not rows:
        return Section(title, "", skipped=f"{ADVISOR} is not in the data folder.")
    header = ("pair", "rows", "pairs learnt from", *HEADER[2:8], "persistence AUC", "its Brier")
    return Section(
        title,
        "Snapshots of the same year up to the pair's first are known, and pairs of them that are "
        "over a month apart are learnt from. Spot prices are not given. Persistence gets the share "
        "of high buckets after each bucket on these very rows, which favours it.",
        figures,
        [Table(header, rows)],
    )


def advisor_pairs(folder: Path) -> list[tuple[list[Path], Path]]:
    """Known files and the later file: walk-forward pairs of 2022, then 2024 to 2025.

    A walk-forward pair starts at a snapshot by which an earlier pair was complete.
    """
    dated = [
        (read_advisor(path).origin.event_time, path)
        for path in sorted((folder / ADVISOR).glob("*.json.gz"))
    ]
    pairs = []
    for index, (at, _) in enumerate(dated):
        complete = any(at - earlier > TRAILING for earlier, _ in dated[:index])
        known = [path for _, path in dated[: index + 1]]
        pairs += [(known, path) for then, path in dated if complete and then - at > TRAILING]
    clean = [folder / "advisor" / f"{day}.json.gz" for day in ("2024-02-28", "2025-06-28")]
    if all(path.is_file() for path in clean):
        pairs.append((clean[:1], clean[1]))
    return pairs
