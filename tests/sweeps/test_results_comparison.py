"""`spotlab results` notices figures of docs/results.md that were not measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spotlab.cli import main
from spotlab.sweeps.results import measure
from spotlab.sweeps.results.comparison import MISSING, differences
from spotlab.sweeps.results.document import Figure, Results, Section, Table, Target

STORED = (Path(__file__).resolve().parents[2] / "docs" / "results.md").read_text()
POLICY = "spot_greedy"


def scaled_cost(text: str, factor: float) -> tuple[str, str]:
    """The document with the cost of one policy scaled, and the cost that was there."""
    start = text.index("| policy | USD |")
    row = re.compile(rf"^\| {POLICY} \| ([\d.,]+) \|", re.MULTILINE).search(text, start)
    assert row is not None
    cost = row[1]
    new = f"{float(cost.replace(',', '')) * factor:.{len(cost.partition('.')[2])}f}"
    return f"{text[: row.start(1)]}{new}{text[row.end(1) :]}", cost


def small_results(cost: float = 120.0) -> Results:
    figures = [Figure("jobs", "cost of the oracle's", 1.02, 1.01, 1.04, Target(1.1, False))]
    table = Table(("policy", "USD", "95 %"), [(POLICY, f"{cost:.2f}", "0.010 to 0.020")])
    sections = [
        Section("Jobs", "How.", figures, [table]),
        Section("Services", "How.", [Figure("service", "moves", 28.0)]),
    ]
    return Results("2026-12-01", {"x": "1"}, [("a.json", "f" * 64, "MIT")], sections)


@pytest.mark.parametrize("factor", [1.3, 0.7])
def test_a_scaled_cost_is_named_with_section_row_and_both_values(factor: float) -> None:
    tampered, cost = scaled_cost(STORED, factor)

    (found,) = differences(tampered, STORED)

    assert (found.row, found.column, found.measured) == (POLICY, "USD", cost)
    assert f"## {found.section}\n" in STORED
    assert found.stored in str(found)


def test_the_same_document_on_another_day_is_the_same() -> None:
    assert not differences(STORED, STORED.replace("Measured on 2026", "Measured on 2027"))


def test_small_differences_are_tolerated_and_lost_rows_are_not() -> None:
    stored = small_results().as_markdown()

    assert not differences(stored, small_results(121.0).as_markdown())
    assert not differences(stored, stored.replace("0.010 to", "0.011 to"))
    (lost,) = {
        d.row for d in differences(stored, stored.replace(f"| {POLICY} | 120.00", "| x"))
    } - {"x"}
    assert lost == POLICY
    (verdict,) = differences(stored.replace("| reached |", "| not reached |"), stored)
    assert verdict.column == "verdict"


def test_with_some_sections_only_those_are_compared() -> None:
    stored = small_results().as_markdown()
    part = small_results()
    part = Results(part.date, part.versions, part.files, part.sections[1:])

    assert not differences(stored, part.as_markdown(), partial=True)
    assert {d.measured for d in differences(stored, part.as_markdown())} == {MISSING}


def test_the_command_fails_on_a_changed_figure_and_writes_on_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(measure, "measure_results", lambda *_: small_results())
    out = tmp_path / "results.md"
    command = ["results", "--data", str(tmp_path), "--out", str(out)]

    assert main([*command, "--write"]) == 0
    assert main(command) == 0
    tampered = out.read_text().replace("120.00", "156.00")
    out.write_text(tampered)
    capsys.readouterr()

    assert main(command) != 0
    assert f"Jobs: {POLICY}: USD: stored 156.00, measured 120.00" in capsys.readouterr().err
    assert out.read_text() == tampered
    assert main(["results", "--only", "policies", "--write"]) != 0
    assert "--out" in capsys.readouterr().err
