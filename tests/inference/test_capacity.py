"""Capacity models: any horizon, non-decreasing risk, explanations and rejected cards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.features.capacity_model.features import NAMES, OTHERS, compute_capacity
from spotlab.inference import artefacts
from spotlab.inference.calibrators import logit
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.predictor import Predictor
from spotlab.pipeline.capacity import loss_risk, loss_risks
from tests.support import capacity, models

ROOT = Path(__file__).resolve().parents[2]
HORIZONS_H = (0.05, 0.25, 0.4, 1.0, 1.7, 3.0, 8.0, 24.0, 60.0)


@pytest.fixture(scope="module")
def model() -> CapacityModel:
    return Predictor(ROOT / "models").capacity("capacity-lgbm")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    panel = capacity.panel(days=9)
    tick, pool = np.nonzero(panel.available == 1.0)
    return compute_capacity(panel).rows(tick, pool)[::7]


def test_the_risk_never_falls_as_the_horizon_grows(model: CapacityModel, rows: np.ndarray) -> None:
    said = np.array([model.loss_probability(rows, h) for h in HORIZONS_H])
    assert ((said > 0.0) & (said < 1.0)).all()
    assert (np.diff(said, axis=0) >= -1e-12).all()


def test_no_jump_where_two_horizons_meet(model: CapacityModel, rows: np.ndarray) -> None:
    for knot in model.horizons_h:
        near = [model.loss_probability(rows, knot * factor) for factor in (1 - 1e-9, 1 + 1e-9)]
        np.testing.assert_allclose(near[0], near[1], atol=1e-6)


@pytest.mark.parametrize("horizon_h", HORIZONS_H)
def test_contributions_add_up_to_the_log_odds(
    model: CapacityModel, rows: np.ndarray, horizon_h: float
) -> None:
    some = rows[:40].copy()
    some[20:, [NAMES.index(name) for name in OTHERS]] = np.nan
    parts, base = model.contributions(some, horizon_h)
    said = logit(model.loss_probability(some, horizon_h))
    np.testing.assert_allclose(parts.sum(axis=1) + base, said, atol=1e-9)
    others = [NAMES.index(name) for name in OTHERS]
    assert np.abs(parts[:20, others]).max() > 0.0


@pytest.mark.parametrize("name", ["streak_h", "available_1h", "available_24h", "last_stay_h"])
def test_more_capacity_never_raises_the_risk(
    model: CapacityModel, rows: np.ndarray, name: str
) -> None:
    better = rows.copy()
    place = NAMES.index(name)
    better[:, place] = better[:, place] * 3.0 if name.endswith("_h") else 1.0
    for horizon_h in (0.5, 1.0, 3.0, 12.0):
        now, then = (model.loss_probability(m, horizon_h) for m in (rows, better))
        assert (then <= now + 1e-12)[~np.isnan(now)].all()


def test_a_pool_that_flaps_is_riskier_than_one_that_stays(model: CapacityModel) -> None:
    ticks = np.ones((144 * 6, 2))
    ticks[5::12, 1] = 0.0
    risk = loss_risk(capacity.panel_of(ticks), model, 1.0)
    steady, flapping = risk[144:, 0], risk[144:, 1][ticks[144:, 1] == 1.0]
    assert np.median(steady) < 0.05
    assert np.median(flapping) > 5.0 * np.median(steady)


def test_one_trace_alone_is_forecast_too(model: CapacityModel) -> None:
    risk = loss_risk(capacity.panel(days=3, pools=1), model, 2.0)
    up = capacity.panel(days=3, pools=1).available == 1.0
    assert np.isfinite(risk[up]).all()
    assert np.isnan(risk[~up]).all()


def test_the_risk_at_a_tick_knows_no_later_tick(model: CapacityModel) -> None:
    panel = capacity.panel(days=4)
    whole = loss_risks(panel, model, [1.0, 3.0])
    until = loss_risks(panel.until(400), model, [1.0, 3.0])
    for before, after in zip(until, whole, strict=True):
        np.testing.assert_allclose(before[-1], after[400], rtol=1e-12)


@pytest.mark.parametrize("horizon_h", [0.0, -1.0, float("nan"), float("inf")])
def test_a_horizon_that_is_none_is_refused(
    model: CapacityModel, rows: np.ndarray, horizon_h: float
) -> None:
    with pytest.raises(InvalidInput, match="horizon"):
        model.loss_probability(rows, horizon_h)


def test_a_row_out_of_bounds_has_no_risk(model: CapacityModel, rows: np.ndarray) -> None:
    odd = rows[:3].copy()
    odd[1, NAMES.index("available_1h")] = 1.5
    said = model.loss_probability(odd, 1.0)
    assert np.isnan(said[1])
    assert np.isfinite(said[[0, 2]]).all()
    assert "available_1h" in model.refusals(odd)[1]


def test_each_task_s_model_is_asked_for_by_what_it_does(tmp_path: Path) -> None:
    models.saved(tmp_path)
    predictor = Predictor(tmp_path, ROOT / "models")
    with pytest.raises(InvalidInput, match="task capacity and cannot score pools"):
        predictor.advisor("capacity-lgbm")
    with pytest.raises(InvalidInput, match="task advisor and cannot forecast availability"):
        predictor.capacity("toy")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("knots", 0, "horizon_h"), 99.0, "increasing horizons"),
        (("knots", 1, "alone"), [0.0], "one weight per feature"),
        (("columns", 0, "spread"), 0.0, "invalid numbers"),
        (("columns", 0, "offset"), -1.0, "scale log of .* is not defined"),
        (("horizon_feature",), "hours", "ln_horizon"),
        (("knots", 0, "calibration", "slope"), -1.0, "order"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_card_that_cannot_be_is_refused(
    tmp_path: Path, path: tuple[str | int, ...], value: object, said: str
) -> None:
    folder = ROOT / "models" / "capacity-lgbm" / "1.0.1"
    card = json.loads((folder / "card.json").read_text())
    part = card
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(ArtefactRefused, match=said):
        artefacts.save(tmp_path, json.dumps(card).encode(), (folder / "model.txt").read_bytes())
