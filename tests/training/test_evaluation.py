"""Evaluation on files: stable keys, honest gaps, and the model's own training data named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotlab.domain.availability_traces import Trace, TracePanel
from spotlab.domain.features import Matrix
from spotlab.errors import InvalidInput
from spotlab.recorded.traces import read_traces
from spotlab.training.advisor.evaluation import evaluate_advisor
from spotlab.training.capacity.baselines import NAMES, fit_baselines, streak_h
from spotlab.training.capacity.evaluation import TraceOptions, campaigns, evaluate_traces
from spotlab.training.capacity.online import online_campaign
from spotlab.training.capacity.rows import CapacityRows, capacity_rows
from spotlab.training.evaluation_report import report_text
from spotlab.training.provenance import CARD_KEY, training_traces
from tests.support import recorded
from tests.support import trace_files as toys
from tests.support.market import StillClock

METRICS = ("auc", "pr_auc", "brier", "brier_skill", "log_loss", "ece")
KEYS = {"model", "task", "horizon_h", "files", "rows", "base_rate", "metrics", "reliability"}


def fitted_card() -> dict[str, Any]:
    panel = toys.panel(seed=50)
    documents = [fit_baselines([(panel, capacity_rows(panel, h))]) for h in (1.0, 3.0)]
    return {"baselines": documents}


@dataclass
class Toy:
    """Risk falls with the hours that a pool has been up."""

    name: str = "toy"
    version: str = "1.0.0"
    card: Mapping[str, Any] = field(default_factory=fitted_card)
    feature_names: tuple[str, ...] = ("advisor_bucket",)

    def high_bucket_probability(self, matrix: Matrix) -> Matrix:
        return np.where(np.isnan(matrix[:, 0]), np.nan, 0.1 + matrix[:, 0] / 5)


def by_streak(panel: TracePanel, rows: CapacityRows) -> Matrix:
    return 0.5 / (1.0 + streak_h(panel, rows))


@pytest.fixture
def zones(tmp_path: Path) -> list[Path]:
    return [
        toys.write_counts(tmp_path / f"z{i}.json.gz", toys.ups_and_downs(1700, 80 + i))
        for i in range(3)
    ]


def check(document: dict[str, Any]) -> None:
    """Everything that is promised about the keys, after a trip through JSON."""
    decoded = json.loads(json.dumps(document, allow_nan=False))
    assert set(decoded) >= KEYS
    assert tuple(decoded["metrics"]) == METRICS
    for name, entry in decoded["metrics"].items():
        assert set(entry) >= {"value", "low", "high"}
        if entry["low"] is not None:
            assert entry["low"] <= entry["value"] <= entry["high"], name
        elif entry["value"] is None:
            assert entry["reason"]
    assert sum(row["rows"] for row in decoded["reliability"]) == decoded["rows"]
    for row in decoded["baselines"].values():
        assert {"auc", "pr_auc", "brier", "model_minus_baseline"} <= set(row)
    assert report_text(decoded)


def test_traces_give_every_figure_beside_every_baseline(zones: list[Path]) -> None:
    document = evaluate_traces(Toy(), by_streak, zones, 1.0)

    check(document)
    assert document["files"] == [str(path) for path in zones]
    assert document["task"] == "capacity"
    assert document["horizon_h"] == 1.0
    assert tuple(document["baselines"]) == NAMES
    assert [group["name"] for group in document["subgroups"]] == ["z0", "z1", "z2"]
    assert sum(group["rows"] for group in document["subgroups"]) == document["rows"]
    assert document["metrics"]["brier"]["low"] is not None
    assert document["warnings"] == []


@pytest.mark.parametrize("horizon_h", [0.25, 2.0, 6.0, 24.0])
def test_any_horizon_can_be_asked_for(zones: list[Path], horizon_h: float) -> None:
    document = evaluate_traces(Toy(), by_streak, zones[:1], horizon_h)

    check(document)
    assert document["horizon_h"] == horizon_h


def test_online_adds_its_part_and_changes_no_other(zones: list[Path]) -> None:
    frozen = evaluate_traces(Toy(), by_streak, zones, 3.0)
    document = evaluate_traces(Toy(), by_streak, zones, 3.0, online=True)

    check(document)
    assert "the best rule in hindsight" in report_text(document)
    assert "online weights at the end, campaign 1: " in report_text(document)
    online = document.pop("online")
    assert document == frozen
    assert set(online) >= {"metrics", "weights", "regret", "difference", "losses"}
    assert set(online["difference"]) == {"model", *NAMES}
    best = online["regret"]["best_rule"]
    rules = {name: frozen["baselines"][name]["brier"] for name in NAMES}
    assert best == min(rules, key=lambda name: rules[name])
    assert online["metrics"]["brier"]["value"] <= rules[best] + 0.01
    assert online["regret"]["brier"]["low"] <= online["regret"]["brier"]["high"]
    assert online["regret"]["weighted"] <= online["regret"]["bound"]
    assert sum(online["weights"][0]["experts"].values()) == pytest.approx(1.0, abs=1e-4)
    assert set(online["weights"][0]["pools"]) == {f"pool z{number}" for number in range(3)}
    losses = online["running_losses"]
    assert losses["online"][-1] == pytest.approx(online["metrics"]["brier"]["value"], abs=1e-6)
    assert losses["rows"][-1] == frozen["rows"]


def test_what_happens_later_changes_no_online_forecast(zones: list[Path]) -> None:
    """Probes from an hour on, altered: forecasts whose horizons were over by then stay."""
    panel = campaigns(TraceOptions().read(zones), zones)[0]
    border = 900
    altered = panel.available.copy()
    altered[border:] = 1.0 - altered[border:]
    rules = list(fitted_card()["baselines"])

    def forecasts(panel: TracePanel) -> tuple[CapacityRows, Matrix]:
        rows = capacity_rows(panel, 1.0)
        return rows, online_campaign(panel, rows, by_streak, rules).probability

    rows, first = forecasts(panel)
    other_rows, second = forecasts(replace(panel, available=altered))
    before, other_before = rows.tick < border, other_rows.tick < border
    assert np.array_equal(rows.tick[before], other_rows.tick[other_before])
    assert np.array_equal(first[before], second[other_before])
    assert len(first) != len(second) or not np.array_equal(first, second)


def test_a_model_without_rules_is_recalibrated_online(zones: list[Path]) -> None:
    document = evaluate_traces(Toy(card={}), by_streak, zones, 1.0, online=True)

    assert document["online"]["regret"]["best_rule"] is None
    assert set(document["online"]["difference"]) == {"model"}


def test_the_same_call_gives_the_same_document(zones: list[Path]) -> None:
    assert evaluate_traces(Toy(), by_streak, zones, 1.0) == evaluate_traces(
        Toy(), by_streak, zones, 1.0
    )


def test_capacity_that_is_never_lost_has_no_auc_and_says_why(tmp_path: Path) -> None:
    path = toys.write_counts(tmp_path / "always.json", np.ones(1700))

    document = evaluate_traces(Toy(), by_streak, [path], 1.0)

    check(document)
    assert document["base_rate"] == 0.0
    assert document["metrics"]["auc"]["value"] is None
    assert document["metrics"]["auc"]["reason"] == "every row has the same outcome"
    assert "never lost" in " ".join(document["warnings"])


def test_a_pool_that_is_never_available_is_named(tmp_path: Path, zones: list[Path]) -> None:
    path = toys.write_counts(tmp_path / "never.json", np.zeros(1700))

    document = evaluate_traces(Toy(), by_streak, [*zones, path], 1.0)

    assert "never has no rows: it is never available, or too short." in document["warnings"]
    with pytest.raises(InvalidInput, match="check its polarity"):
        evaluate_traces(Toy(), by_streak, [path], 1.0)


def test_a_trace_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = toys.write_counts(tmp_path / "short.json", toys.ups_and_downs(100, 1))

    with pytest.raises(InvalidInput, match="too short"):
        evaluate_traces(Toy(), by_streak, [path], 1.0)


def test_a_few_days_have_figures_without_an_interval(tmp_path: Path) -> None:
    path = toys.write_counts(tmp_path / "days.json", toys.ups_and_downs(500, 1))

    document = evaluate_traces(Toy(), by_streak, [path], 1.0)

    check(document)
    assert document["metrics"]["brier"]["value"] is not None
    assert document["metrics"]["brier"]["low"] is None
    assert "too few" in document["metrics"]["brier"]["reason"]


def test_csv_is_as_good_as_json(tmp_path: Path) -> None:
    data = toys.ups_and_downs(1700, 7)
    counts = toys.write_counts(tmp_path / "a.json", data)
    fails = toys.write_csv(tmp_path / "b.csv.gz", [1 - int(x) for x in data])
    options = TraceOptions(format="csv", polarity="unavailable", gap_s=600.0)

    one = evaluate_traces(Toy(), by_streak, [counts], 1.0)
    other = evaluate_traces(Toy(), by_streak, [fails], 1.0, options)

    assert one["metrics"] == other["metrics"]


def test_sixteen_nodes_can_be_asked_for(tmp_path: Path) -> None:
    data = [int(16 * x) for x in toys.ups_and_downs(1700, 7)]
    path = toys.write_counts(tmp_path / "a.json", data)

    assert evaluate_traces(Toy(), by_streak, [path], 1.0, TraceOptions(nodes=16))["rows"] > 500


def test_campaigns_with_gaps_of_their_own_are_kept_apart(tmp_path: Path) -> None:
    one = toys.write_counts(tmp_path / "2022" / "z.json", toys.ups_and_downs(1700, 7), 600)
    other = toys.write_counts(tmp_path / "2023" / "z.json", toys.ups_and_downs(2500, 8), 195)

    together = evaluate_traces(Toy(), by_streak, [one, other], 1.0)
    alone = [evaluate_traces(Toy(), by_streak, [path], 1.0) for path in (one, other)]

    assert together["rows"] == sum(document["rows"] for document in alone)
    assert [group["name"] for group in together["subgroups"]] == ["2022/z", "2023/z"]


def test_campaigns_of_one_gap_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    data = [toys.ups_and_downs(1700, seed) for seed in (7, 8, 9)]
    places = [tmp_path / "2022" / "a", tmp_path / "2022" / "b", tmp_path / "2023" / "c"]
    paths = [
        toys.write_counts(place.with_suffix(".json"), values)
        for place, values in zip(places, data, strict=True)
    ]

    panels = campaigns(read_traces(paths), paths)

    assert [panel.names for panel in panels] == [("a", "b"), ("c",)]


def test_campaigns_of_different_times_are_told_apart_by_the_clock() -> None:
    def dated(name: str, day: int) -> Trace:
        return replace(toys.trace(name, np.ones(300)), started_at=toys.START + timedelta(days=day))

    panels = campaigns([dated("late", 300), dated("a", 0), dated("b", 1)])

    assert [panel.names for panel in panels] == [("a", "b"), ("late",)]


def test_what_the_model_learned_from_is_named(zones: list[Path]) -> None:
    known = {CARD_KEY: training_traces(read_traces(zones[:1]), zones[:1])}

    document = evaluate_traces(Toy(card=fitted_card() | known), by_streak, zones, 1.0)

    assert document["learned_from"] == {"z0": "the same file"}
    assert "z0: the model learned from the same file." in document["warnings"]


def test_a_card_without_baselines_says_so(zones: list[Path]) -> None:
    document = evaluate_traces(Toy(card={}), by_streak, zones, 1.0)

    assert list(document["baselines"]) == ["base_rate"]
    assert "no baselines" in " ".join(document["warnings"])


def test_a_model_that_refuses_every_row_has_no_figures(zones: list[Path]) -> None:
    with pytest.raises(InvalidInput, match="rejects"):
        evaluate_traces(Toy(), lambda _, rows: np.full(len(rows), np.nan), zones, 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recorded.write_market(tmp_path)
    recorded.write_2022(tmp_path)
    return tmp_path


def test_advisor_snapshots_give_every_figure(folder: Path) -> None:
    snapshots = folder / "evaluation-only" / "advisor"
    before, after = snapshots / "2022-01-09.json.gz", snapshots / "2022-04-06.json.gz"

    document = evaluate_advisor(Toy(card={}), [before], after, StillClock())

    check(document)
    assert document["task"] == "advisor"
    assert set(document["baselines"]) == {"base_rate", "persistence"}
    assert document["gap_days"] == 87
    assert document["rows"] == len(recorded.REGIONS) * len(recorded.TYPES)
    assert "Spot prices are unknown" in document["warnings"][0]


def test_prices_of_the_time_and_an_older_snapshot_join_in(folder: Path) -> None:
    document = evaluate_advisor(
        Toy(card={"sources": ["advisor of 2025-06-28"]}),
        [folder / "advisor" / f"{day}.json.gz" for day in ("2021-02-10", "2024-02-28")],
        folder / "advisor" / "2025-06-28.json.gz",
        StillClock(),
        [folder / "spot-prices" / "2025-05-03.json.gz"],
    )

    check(document)
    assert document["known_at"].startswith("2025-05-03")
    assert document["warnings"] == [
        "2025-06-28: the model learned from a feed of that day, its card says."
    ]


def test_advisor_weights_are_learnt_from_earlier_pairs(folder: Path) -> None:
    snapshots = folder / "advisor"
    days = ("2021-02-10", "2024-02-28")
    before = [snapshots / f"{day}.json.gz" for day in days]
    after = snapshots / "2025-06-28.json.gz"
    frozen = evaluate_advisor(Toy(card={}), before, after, StillClock())

    document = evaluate_advisor(Toy(card={}), before, after, StillClock(), online=True)

    check(document)
    online = document.pop("online")
    assert document == frozen
    assert online["pairs_learnt_from"] == 1
    assert set(online["difference"]) == {"model", "base_rate", "persistence"}
    assert online["running_losses"] is None
    alone = evaluate_advisor(Toy(card={}), before[1:], after, StillClock(), online=True)
    assert alone["online"]["pairs_learnt_from"] == 0


def test_a_label_whose_month_began_before_is_refused(folder: Path) -> None:
    snapshots = folder / "evaluation-only" / "advisor"
    with pytest.raises(InvalidInput, match=r"30 days.* the date in its name, such as 2022-04-22"):
        evaluate_advisor(
            Toy(card={}),
            [snapshots / "2022-04-06.json.gz"],
            snapshots / "2022-01-09.json.gz",
            StillClock(),
        )
