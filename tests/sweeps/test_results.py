"""docs/results.md says what was measured, against which target, and what was skipped and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.domain.availability_traces import TracePanel
from spotlab.recorded.file_reading import digest_of_file
from spotlab.recorded.traces import read_traces, trace_files
from spotlab.sweeps.results import advisor, capacity, champions, measure, online
from spotlab.sweeps.results.document import Figure, Results, Section, Target
from spotlab.training.capacity.baselines import streak_h
from spotlab.training.capacity.evaluation import Forecast
from spotlab.training.capacity.rows import CapacityRows
from spotlab.training.provenance import CARD_KEY, training_traces
from tests.support import recorded
from tests.support import trace_files as toys
from tests.support.lab import small_lab
from tests.support.market import StillClock
from tests.training.test_evaluation import Toy, by_streak


def no_step(_text: str) -> None:
    """Told of nothing."""


def by_streak_alone(_learned: object, _seed: int) -> Forecast:
    def forecast(panel: TracePanel, rows: CapacityRows) -> capacity.FloatArray:
        return 0.5 / (1.0 + streak_h(panel, rows))

    return forecast


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small campaigns where the recorded ones are."""
    campaigns = (capacity.CAMPAIGN_2023, capacity.CAMPAIGN_2022, champions.CAMPAIGN_16)
    for number, path in enumerate(campaigns):
        for zone in "ab":
            nodes = 16 if path == champions.CAMPAIGN_16 else 1
            data = nodes * toys.ups_and_downs(2000, 10 * number + ord(zone))
            toys.write_counts(tmp_path / path / f"{zone}.json.gz", data)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [
        (Target(0.835), 0.83496, True),
        (Target(0.835), 0.834, False),
        (Target(0.1075, at_least=False), 0.10754, True),
        (Target(0.1075, at_least=False), 0.1076, False),
        (Target(0.0, at_least=False), 1.0, False),
    ],
)
def test_a_target_is_reached_as_shown(target: Target, value: float, reached: bool) -> None:
    assert target.reached(value) is reached


def test_the_document_says_what_was_reached_and_what_was_skipped() -> None:
    figures = [
        Figure("task", "AUC", 0.84, 0.81, 0.87, Target(0.835)),
        Figure("task", "Brier", 0.11, 0.10, 0.12, Target(0.1075, at_least=False)),
        Figure("task", "ECE", None),
    ]
    sections = [Section("Task", "How.", figures), Section("Other", "", skipped="no data here.")]

    text = Results("2026-11-23", {"x": "1"}, [("a.json", "f" * 64, "MIT")], sections).as_markdown()

    assert "| task: AUC | 0.8400 | 0.8100 to 0.8700 | ≥ 0.835 | reached |" in text
    assert "≤ 0.1075 | not reached |" in text
    assert "| task: ECE | — | — |" in text
    assert "Skipped: no data here." in text
    assert "`ffffffffffffffff`" in text


def test_a_recipe_stands_beside_its_baselines(folder: Path) -> None:
    for split in (capacity.SPLITS[0], capacity.SPLITS[2]):
        section = capacity.recipe_section(folder, split, by_streak_alone, no_step)

        assert not section.skipped
        named = {figure.measure: figure for figure in section.figures}
        assert named["AUC"].target == split.targets["auc"]
        assert "AUC gain over streak_only" in named
        assert [row[0] for row in section.tables[0].rows][:2] == ["model", "base_rate"]
        assert [row[0] for row in section.tables[1].rows] == ["a", "b"]


def test_champions_are_measured_on_every_campaign(folder: Path) -> None:
    section = champions.capacity_section(folder, Toy(), by_streak, no_step)

    assert len(section.tables) == 2 * len(champions.EVALUATED) * len(champions.HORIZONS_H)


def test_a_figure_on_what_a_champion_learned_from_is_marked(folder: Path) -> None:
    own = [folder / capacity.CAMPAIGN_2023]
    card = {**Toy().card, CARD_KEY: training_traces(read_traces(own), trace_files(own))}

    section = champions.capacity_section(folder, Toy(card=card), by_streak, no_step)

    marked = {figure.what for figure in section.figures if "no test" in figure.what}
    assert marked == {
        f"2023-02-15, 9 zones, {h} h (learned from this record: no test)" for h in (1, 3)
    }


def test_an_advisor_champion_is_measured_on_what_followed(tmp_path: Path) -> None:
    recorded.write_2022(tmp_path)

    section = champions.advisor_section(tmp_path, Toy(card={}), StillClock(), no_step)

    assert {figure.what for figure in section.figures} == {"2022-01-09 to 2022-04-06"}


def test_online_forecasts_stand_beside_the_best_rule(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "HORIZONS_H", (1.0,))

    section = online.capacity_online_section(folder, Toy(), by_streak, no_step)

    assert len(section.tables[0].rows) == 3
    named = {(figure.what, figure.measure): figure for figure in section.figures}
    margin = named["online, 2022-10-26, 8 pools, 1 h", "Brier minus the best rule's"]
    assert margin.target == online.BEST_RULE_MARGIN
    assert margin.value is not None
    assert online.capacity_online_section(folder / "none", Toy(), by_streak, no_step).skipped


def test_online_advisor_pairs_are_walked_forward(tmp_path: Path) -> None:
    recorded.write_2022(tmp_path)

    assert all(len(before) > 1 for before, _ in online.advisor_pairs(tmp_path))
    assert online.advisor_online_section(tmp_path / "none", Toy(), StillClock(), no_step).skipped


def test_without_data_every_part_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere, models = tmp_path / "nowhere", tmp_path / "models"
    nowhere.mkdir()
    with small_lab(tmp_path / "home", models) as lab:
        found = measure.measure_results(nowhere, lab, no_step)

    assert found.sections
    assert all(section.skipped for section in found.sections)
    assert "None was measured." in found.as_markdown()


def test_files_are_named_with_digest_and_licence(folder: Path, tmp_path: Path) -> None:
    with small_lab(tmp_path / "home", tmp_path / "models") as lab:
        found = measure.measure_results(folder, lab, no_step, only=["advisor"])

    path = capacity.CAMPAIGN_2023 / "a.json.gz"
    digest = digest_of_file(folder / path)
    assert (path.as_posix(), digest, "none stated: measures only") in found.files
    assert advisor.WALK_FORWARD in {section.title for section in found.sections}


def test_targets_of_a_document_are_only_those_that_were_measured() -> None:
    figure = Figure("task", "AUC", 0.84, target=Target(0.9))
    assert figure.verdict == "not reached"
    assert replace(figure, value=None).verdict == "—"
    assert replace(figure, target=None).verdict == "—"
