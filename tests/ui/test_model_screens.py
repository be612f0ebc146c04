"""Sentences and rows of the Models page, without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spotlab.domain.model_lifecycle import ModelAction
from spotlab.domain.ports import ModelEvent, ModelRecord
from spotlab.services.model_comparison import ComparisonCache, ComparisonResult
from spotlab.services.models import ModelEntry
from spotlab.training import comparison_files
from spotlab.training.head_to_head import compare
from spotlab.training.paired_evaluation import PairedRows
from spotlab.ui.models import (
    actions,
    comparison_form,
    disagreements,
    head_to_head,
    history,
    leaderboard,
)
from tests.support.cards import DETAILS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(version: str, state: str, task: str = "advisor", instances: int = 0) -> ModelEntry:
    record = ModelRecord("toy", version, task, "d" * 64, "toy", state, NOW, DETAILS)
    return ModelEntry(record, "", tuple(f"i-{n}" for n in range(instances)), ())


def result(shift: float, rows: int = 400) -> ComparisonResult:
    """Two models on the same rows; the second forecasts `shift` too high."""
    rng = np.random.default_rng(1)
    truth = np.asarray(rng.uniform(0.05, 0.6, rows))
    outcome = (rng.random(rows) < truth).astype(np.float64)
    other = np.clip(truth + shift, 0.0, 1.0)
    days = np.arange(rows) // 20
    table = pd.DataFrame({"trace": "a", "elapsed_h": np.arange(rows) / 6.0, "at": pd.NaT})
    same = PairedRows(
        outcome, truth, other, days, "day", "capacity lost", 1.0, table, ("a file",), ("Seen.",)
    )
    return ComparisonResult(f"{shift}", same, compare(("a@1", "b@1"), outcome, truth, other, days))


def test_the_verdict_names_the_better_one_only_beyond_doubt() -> None:
    better = head_to_head.verdict(result(0.4))
    assert better.startswith("a@1 is better than b@1: Brier −0.")
    assert better.endswith("on 400 rows")
    same = head_to_head.verdict(result(0.0))
    assert (
        same == "a@1 and b@1 do not differ significantly: Brier 0.000 (0.000 to 0.000) on 400 rows"
    )


def test_warnings_come_with_the_figures() -> None:
    assert head_to_head.warnings_of(result(0.1)) == ["Seen."]
    few = result(0.1, rows=100)
    assert "Only 5 days" in head_to_head.warnings_of(few)[-1]
    table = head_to_head.exported(few, NOW)
    assert any("Paired bootstrap over 5 blocks" in note for note in table.notes)
    assert "Seen." in table.notes


def test_disagreements_say_who_was_nearer() -> None:
    frame = disagreements.rows_of(result(0.4), "capacity")
    assert frame["gap"].abs().is_monotonic_decreasing
    lost = frame[frame["outcome"] == "■ lost"]
    assert set(lost["nearer"]) == {"b@1"}, "the one that said more was nearer to a loss"


def test_results_are_kept_by_digest_and_the_oldest_goes() -> None:
    kept = ComparisonCache()
    made = [result(0.01 * number, rows=60) for number in range(10)]
    for each in made:
        kept.put(each)
    assert kept.get(made[0].digest) is None
    assert kept.get(made[-1].digest) is made[-1]


@pytest.mark.parametrize(
    ("action", "task", "said"),
    [
        (ModelAction.CHAMPION, "advisor", "replacing toy@1.0.0, which becomes graduated"),
        (ModelAction.CHAMPION, "advisor", "3 instances without an assigned model"),
        (ModelAction.GRADUATE, "advisor", "runs in shadow alongside the champion"),
        (
            ModelAction.REJECT,
            "advisor",
            "2 instances assigned to this version will be evaluated by",
        ),
        (ModelAction.ARCHIVE, "capacity", "is archived"),
        (ModelAction.DISABLE, "advisor", "until it is enabled again"),
        (ModelAction.ENABLE, "advisor", "may use toy@1.1.0 again"),
    ],
    ids=["former", "affected", "graduate", "reject", "archive", "disable", "enable"],
)
def test_a_move_says_what_it_will_change(action: ModelAction, task: str, said: str) -> None:
    champion = entry("1.0.0", "champion").record
    told = actions.consequence(action, entry("1.1.0", "graduated", task, 2), champion, 3)
    assert said in told


def test_a_capacity_model_is_not_assigned_to_an_instance() -> None:
    assert ModelAction.ASSIGN in actions.offered(entry("1.0.0", "graduated"))
    assert ModelAction.ASSIGN not in actions.offered(entry("1.0.0", "graduated", "capacity"))
    assert ModelAction.ASSIGN not in actions.offered(entry("1.0.0", "rejected"))


def test_only_models_of_one_task_meet() -> None:
    known = [entry("1.0.0", "champion"), entry("1.1.0", "candidate")]
    alone = entry("1.0.0", "champion", "capacity")
    assert list(comparison_form.comparable_models([*known, alone])) == ["advisor"]
    assert comparison_form.comparable_models([known[0], alone]) == {}


def test_the_label_lies_more_than_a_month_after_what_is_known() -> None:
    known = {"a": "2025-01-01", "b": "2025-01-31", "c": "2025-02-01"}
    assert list(comparison_files.later(known, "2025-01-01")) == ["c"]


def test_recorded_files_are_found_by_folder_and_day(tmp_path: Path) -> None:
    for name in (
        "traces/x/a.json.gz",
        "traces/x/b.csv",
        "traces/x/notes.md",
        "advisor/2024-02-28.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert comparison_files.trace_folders(tmp_path) == {"traces/x": 2}
    assert list(comparison_files.dated(tmp_path, comparison_files.ADVISOR).values()) == [
        "2024-02-28"
    ]


def test_a_sent_files_name_cannot_leave_its_folder() -> None:
    class Evil:
        name = "../../etc/.pass wd.json"

        def getvalue(self) -> bytes:
            return b"{}"

    sent = comparison_files.uploaded([Evil()])
    assert sent[0].name == "pass_wd.json"
    with comparison_files.on_disk(sent) as (path,):
        assert path.read_bytes() == b"{}"
    assert not path.exists()


def test_what_was_live_is_told_with_who_and_why() -> None:
    event = ModelEvent(
        1, NOW, "ann", "toy", "1.0.0", "advisor", "champion", "graduated", "champion", "good"
    )
    told = history.champion_at("advisor", NOW + timedelta(hours=1), event)
    assert "**toy@1.0.0** was champion for" in told
    assert "ann made it champion at 2026-03-01 12:00:00 UTC: good" in told
    assert "No model was champion for" in history.champion_at("advisor", NOW, None)


def test_the_leaderboard_says_when_there_is_no_champion() -> None:
    assert leaderboard.headline([entry("1.0.0", "candidate").record]) == (
        "No champion yet: 1 version"
    )
    table = leaderboard.exported([entry("1.0.0", "champion").record], NOW).frame
    assert table["auc_low"][0] == 0.757


def test_a_sent_files_name_is_plain_and_no_longer_than_a_disk_takes() -> None:
    class Sent:
        def __init__(self, name: str) -> None:
            self.name = name

        def getvalue(self) -> bytes:
            return b"1"

    names = ["../../x.json", "a" * 5000 + ".json.gz", "..", "\x00\u202e.csv", "é/ü.json"]
    plain = [each.name for each in comparison_files.uploaded([Sent(name) for name in names])]

    assert plain == ["x.json", "a" * 92 + ".json.gz", "file", "_.csv", "_.json"]
