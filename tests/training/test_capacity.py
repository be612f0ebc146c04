"""Training a capacity model: usable, the same twice, honest about its split, and stoppable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import Cancelled, InvalidInput
from spotlab.inference.predictor import Predictor
from spotlab.pipeline.capacity import loss_risk
from spotlab.recorded.traces import read_panel as read_panel
from spotlab.training.advisor.hyperparameters import Budget
from spotlab.training.capacity import recipe
from spotlab.training.capacity.logistic import fit_logistic_part
from spotlab.training.capacity.metrics import CapacitySplit
from spotlab.training.capacity.rows import capacity_rows, time_split
from spotlab.training.capacity.training import CapacityReport, recipe_forecast, train_capacity
from spotlab.training.scores import auc
from tests.support import capacity


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capacity.write_traces(tmp_path_factory.mktemp("recorded") / "traces" / "campaign", 12)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "ROUNDS", 20)
        patch.setattr(recipe, "HORIZONS_H", (0.5, 1.0, 3.0, 12.0))
        yield


def run(
    traces: Path,
    out: Path,
    split: str = "none",
    cancelled: Callable[[], bool] = lambda: False,
    budget: Budget | None = None,
) -> CapacityReport:
    return train_capacity(
        [traces],
        out,
        split=split,
        seed=7,
        progress=lambda text, share: None,
        cancelled=cancelled,
        budget=budget,
    )


@pytest.fixture(scope="module")
def trained(traces: Path, tmp_path_factory: pytest.TempPathFactory) -> CapacityReport:
    """Trained without a split; tests only read its files, or copy them."""
    return run(traces, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def split_by_time(traces: Path, tmp_path_factory: pytest.TempPathFactory) -> CapacityReport:
    """Trained with the split time:0.6; tests only read its files."""
    return run(traces, tmp_path_factory.mktemp("split"), "time:0.6")


def test_the_artefact_forecasts_traces_from_elsewhere(trained: CapacityReport) -> None:
    model = Predictor(trained.folder.parents[1]).capacity("capacity-lgbm")
    other = capacity.panel(days=8, pools=2, seed=9)
    rows = capacity_rows(other, 1.0)
    risk = loss_risk(other, model, 1.0)[rows.tick, rows.pool]
    assert auc(rows.label, risk) > 0.6


def test_two_runs_give_the_same_bytes(
    split_by_time: CapacityReport, traces: Path, tmp_path: Path
) -> None:
    first, second = split_by_time.folder, run(traces, tmp_path, "time:0.6").folder
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_training_again_writes_nothing_new_and_a_folder_of_campaigns_is_read(
    trained: CapacityReport, traces: Path, tmp_path: Path
) -> None:
    assert trained.new
    shutil.copytree(trained.folder.parents[1], tmp_path, dirs_exist_ok=True)
    assert not run(traces.parent, tmp_path).new


def test_the_card_says_what_was_held_out_and_how_the_baselines_did(
    split_by_time: CapacityReport,
) -> None:
    card = json.loads((split_by_time.folder / "card.json").read_text())
    metrics = card["metrics"]["1 h"]
    assert card["split"]["spec"] == "time:0.6"
    assert metrics["interval"]["blocks"] <= 6
    assert {"base_rate", "persistence", "streak_only"} <= set(metrics["baselines"])
    assert {entry["name"] for entry in metrics["subgroups"]} == {"zone-0", "zone-1", "zone-2"}
    assert "interruption" in card["label"]["what_it_is_not"][0]
    assert [each["name"] for each in card["training_traces"]] == ["zone-0", "zone-1", "zone-2"]
    assert [each["horizon_h"] for each in card["baselines"]] == [0.5, 1.0, 3.0, 12.0]
    assert "AUC" in split_by_time.as_text()


def test_what_is_held_out_by_time_changes_nothing_that_is_fitted(traces: Path) -> None:
    panel = read_panel(traces)
    rows = capacity_rows(panel, 1.0)
    before, after = time_split(rows, 0.6, panel)
    altered = panel.available.copy()
    altered[int(rows.tick[after].min()) :] = 0.0
    panels = panel, panel.until(len(altered) - 1)
    panels[1].available[:] = altered
    train_rows = rows.take(before)
    forecasts = [recipe_forecast([(each, train_rows)], 7)(panel, train_rows) for each in panels]
    np.testing.assert_array_equal(forecasts[0], forecasts[1])


@pytest.mark.parametrize("text", ["random", "time:1.5", "time:x", "group:zone"])
def test_an_unknown_split_is_refused(traces: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="unknown"):
        run(traces, tmp_path, text)


@pytest.mark.parametrize("text", ["time:0.6", "group:pool", "none"])
def test_a_split_reads_as_it_is_written(text: str) -> None:
    assert str(CapacitySplit.parse(text)) == text


def test_too_few_pools_cannot_be_split_by_pool(traces: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="3 pools cannot be split"):
        run(traces, tmp_path, "group:pool")


def test_a_search_is_written_down(traces: Path, tmp_path: Path) -> None:
    report = run(traces, tmp_path, budget=Budget(2))
    card = json.loads((report.folder / "card.json").read_text())
    assert len(card["training"]["search"]["table"]) == 2


def test_stopping_writes_nothing(traces: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(traces, tmp_path, cancelled=lambda: True)
    assert not list(tmp_path.iterdir())


def test_traces_that_never_lose_capacity_teach_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    steady = {"metadata": {"gap_seconds": 600}, "data": [1] * 1000}
    (folder / "steady.json").write_text(json.dumps(steady))
    with pytest.raises(InvalidInput, match="too little"):
        run(folder, tmp_path / "out")


def test_a_weight_against_its_direction_is_left_out() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4000, 2))
    score = values @ np.array([1.0, 1.0])
    label = (rng.random(4000) < 1 / (1 + np.exp(-score))).astype(np.float64)
    free = fit_logistic_part(values, label, 1e-4, [0, 0])
    bound = fit_logistic_part(values, label, 1e-4, [1, -1])
    assert free[1:] == pytest.approx((1.0, 1.0), abs=0.15)
    assert bound[2] == 0.0
    assert bound[1] > 0.0
