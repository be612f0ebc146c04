"""Walking forward learns from nothing that was published after the day of the forecast."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.errors import Cancelled, NotAvailable
from spotlab.training.advisor import recipe
from spotlab.training.advisor.walk_forward import walk_forward
from tests.support import recorded
from tests.training.test_datasets import upset

DAYS = ("2022-01-01", "2022-02-10", "2022-03-20", "2022-04-30", "2022-05-20")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(recipe, "ROUNDS", 5)
    recorded.write_market(tmp_path)
    recorded.write_2022(tmp_path, days=DAYS)
    return tmp_path


def test_each_day_learns_from_labels_published_by_then(folder: Path) -> None:
    document = walk_forward(folder)

    assert [(pair["before"], pair["after"]) for pair in document["pairs"]] == [
        ("2022-02-10", "2022-03-20"),
        ("2022-02-10", "2022-04-30"),
        ("2022-02-10", "2022-05-20"),
        ("2022-03-20", "2022-04-30"),
        ("2022-03-20", "2022-05-20"),
    ]
    assert [pair["trained_pairs"] for pair in document["pairs"]] == [1, 1, 1, 3, 3]
    assert document["all"]["rows"] == 5 * len(recorded.REGIONS) * len(recorded.TYPES)
    assert 0 < document["bucket < 3 before"]["rows"] < document["all"]["rows"]
    assert document["newest"]["rows"] == 2 * len(recorded.REGIONS) * len(recorded.TYPES)
    for part in ("all", "bucket < 3 before", "newest"):
        auc = document[part]["metrics"]["auc"]
        assert auc["low"] <= auc["value"] <= auc["high"]
        assert document[part]["baselines"].keys() == {"persistence", "base_rate"}
    assert document["days_of_label_known"] == 0


def test_a_label_of_later_changes_no_earlier_forecast(folder: Path) -> None:
    before = walk_forward(folder)["pairs"][0]
    upset(folder / "evaluation-only" / "advisor" / "2022-04-30.json.gz")
    upset(folder / "evaluation-only" / "advisor" / "2022-05-20.json.gz")

    assert walk_forward(folder)["pairs"][0] == before


def test_a_gap_shorter_than_a_month_says_what_it_lets_features_know(folder: Path) -> None:
    document = walk_forward(folder, min_gap=timedelta(days=20))

    assert document["days_of_label_known"] == 10
    assert document["pairs"][-1]["before"] == "2022-04-30"


def test_too_few_snapshots_and_a_stop_say_so(tmp_path: Path, folder: Path) -> None:
    def stop(text: str) -> None:
        raise Cancelled(text)

    with pytest.raises(Cancelled):
        walk_forward(folder, step=stop)
    with pytest.raises(NotAvailable, match="400 days apart"):
        walk_forward(folder, min_gap=timedelta(days=400))
    for path in (folder / "evaluation-only" / "advisor").iterdir():
        path.unlink()
    with pytest.raises(NotAvailable, match="evaluation-only/advisor is missing"):
        walk_forward(folder)
