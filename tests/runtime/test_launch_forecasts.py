"""Live capacity forecasts: learnt from own launches and probes, without a look ahead."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.online_weights import ONLINE, OnlineWeights
from spotlab.domain.ports import ModelRecord
from spotlab.inference.capacity import CapacityModel
from spotlab.pipeline.capacity import HISTORY, LIVE_HORIZONS_H, launch_panel, live_risks
from spotlab.runtime import launch_forecasts
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.lab import Lab
from spotlab.runtime.launch_forecasts import (
    CAPACITY_TASK,
    LEARNING_HISTORY,
    combined,
    learn,
    learn_weights,
    learning_span,
    own_record,
)
from spotlab.settings import load
from spotlab.training.capacity.baselines import rule_parameters
from spotlab.training.capacity.evaluation import forecaster
from spotlab.training.capacity.online import online_forecasts
from spotlab.training.capacity.rows import probed_rows
from spotlab.training.evaluation_report import MODEL
from tests.support.market import NOW

SIMULATED = MarketName.SIMULATED
POOLS = [Pool("us-east-1", f"us-east-1{zone}", "m5.large") for zone in "ab"]
NEWCOMER = Pool("us-east-1", "us-east-1c", "m5.xlarge")
COMBINED = "combined online with 5 rules"


def probes(pool: Pool, now: datetime, days: float, seed: int) -> list[InterruptionEvent]:
    """Probes half an hour apart of a pool that comes and goes, and is there at the end."""
    rng = np.random.default_rng(seed)
    steps = int(days * 48)
    is_up = np.cumsum(rng.random(steps) < 0.1) % 2 == 0
    is_up[-2:] = True
    return [
        InterruptionEvent(
            f"probe-{pool.key}-{step}",
            pool,
            now - timedelta(minutes=5 + 30 * (steps - 1 - step)),
            InterruptionKind.LAUNCHED if up else InterruptionKind.CAPACITY,
            "launch probe",
            now,
            emulated=True,
        )
        for step, up in enumerate(is_up)
    ]


def history(now: datetime, days: float = 4.0) -> list[InterruptionEvent]:
    return [each for seed, pool in enumerate(POOLS) for each in probes(pool, now, days, seed)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with the shipped models; its database is only read."""
    home = tmp_path_factory.mktemp("home")
    with bootstrap(load(home=home, market="simulated", auth="off")) as opened:
        yield opened


@pytest.fixture(scope="module")
def champion(lab: Lab) -> ModelRecord:
    found = lab.store.registry.champion(CAPACITY_TASK)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def model(lab: Lab, champion: ModelRecord) -> CapacityModel:
    return lab.predictor.capacity(champion.reference)


@pytest.fixture(scope="module")
def learnt(model: CapacityModel, champion: ModelRecord) -> tuple[OnlineWeights, bytes]:
    found = learn(history(NOW), model, champion, SIMULATED, NOW)
    assert found is not None
    return found


def live(
    events: Sequence[InterruptionEvent],
    model: CapacityModel,
    champion: ModelRecord,
    learnt: tuple[OnlineWeights, bytes],
) -> tuple[tuple[str, ...], np.ndarray]:
    panel = launch_panel(events, NOW)
    assert panel is not None
    found = combined(panel, events, NOW, live_risks(panel, model), champion, *learnt)
    return panel.names, np.array([found[hours] for hours in LIVE_HORIZONS_H])


def test_every_weight_and_loss_is_known_where_forecasts_were_judged(
    learnt: tuple[OnlineWeights, bytes], champion: ModelRecord
) -> None:
    weights, _ = learnt
    assert weights.model == champion.reference
    assert [each.pool for each in weights.pools] == sorted(pool.key for pool in POOLS)
    for standing in weights.standings:
        total = sum(each.weight or 0.0 for each in standing.experts)
        assert total == pytest.approx(1.0), standing
        assert (standing.of(MODEL).loss is None) == (standing.rows == 0), standing
        if standing.rows:
            assert standing.first_at is not None
            assert standing.last_at is not None
            assert NOW - LEARNING_HISTORY < standing.first_at <= standing.last_at < NOW
            assert 0.0 < (standing.of(ONLINE).loss or 0.0) < 0.5
    judged = {each.horizon_h: each.rows for each in weights.standings if not each.pool}
    assert judged[0.25] == 0, "probes half an hour apart say nothing about a quarter of an hour"
    assert judged[None] == sum(rows for horizon_h, rows in judged.items() if horizon_h)
    assert weights.lag.behind is None
    assert "unknown" in weights.lag.words(weights.model)


def test_forecasts_are_combined_and_never_fall_with_the_horizon(
    learnt: tuple[OnlineWeights, bytes], model: CapacityModel, champion: ModelRecord
) -> None:
    events = [*history(NOW), *probes(NEWCOMER, NOW, 0.5, 7)]
    names, found = live(events, model, champion, learnt)
    assert NEWCOMER.key in names
    assert NEWCOMER.key not in {each.pool for each in learnt[0].pools}
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= 0.0).all()
    assert ((found >= 0.0) & (found <= 1.0)).all()
    panel = launch_panel(events, NOW)
    assert panel is not None
    frozen = np.array(list(live_risks(panel, model).values()))
    assert np.abs(found - frozen).max() > 0.01
    judged = {each.horizon_h: each.rows for each in learnt[0].standings if not each.pool}
    alone = [not judged[hours] for hours in LIVE_HORIZONS_H]
    assert alone == [True] * 3 + [False] * 5
    assert (found[alone] <= frozen[alone]).all(), "the champion's, up to that of a longer horizon"


def test_what_happens_later_changes_no_forecast(
    learnt: tuple[OnlineWeights, bytes], model: CapacityModel, champion: ModelRecord
) -> None:
    later = [
        replace(each, at=each.at + timedelta(days=2), instance_id=f"later-{each.instance_id}")
        for each in history(NOW)
        if each.at + timedelta(days=2) > NOW
    ]
    events = [*history(NOW), *later]
    again = learn(events, model, champion, SIMULATED, NOW)
    assert again is not None
    assert again[0] == learnt[0]
    np.testing.assert_array_equal(
        live(events, model, champion, again)[1], live(history(NOW), model, champion, learnt)[1]
    )


def test_a_label_changes_no_forecast_before_it_is_known(
    model: CapacityModel, champion: ModelRecord
) -> None:
    panel = launch_panel(history(NOW), NOW, LEARNING_HISTORY)
    assert panel is not None
    border = len(panel.elapsed_h) - 96
    available = panel.available.copy()
    available[border:] = 1.0 - available[border:]

    def made(of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        changed = replace(panel, available=of)
        every = [probed_rows(changed, hours) for hours in LIVE_HORIZONS_H]
        parts = [rows for rows in every if len(rows)]
        rules = rule_parameters(champion.card)
        rows = online_forecasts(changed, parts, forecaster(model), rules, LIVE_HORIZONS_H)
        tick = np.concatenate([part.tick for part in parts])
        before = tick < border
        keys = np.column_stack([tick, rows.pool, rows.horizon_h])[before]
        return keys, rows.probability[before]

    keys, probability = made(panel.available)
    other_keys, other = made(available)
    np.testing.assert_array_equal(keys, other_keys)
    np.testing.assert_array_equal(probability, other)
    assert len(probability) > 200


def test_where_probes_are_many_the_newest_are_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    events = probes(POOLS[0], NOW, 20.0, 1)
    assert learning_span(events, NOW) == LEARNING_HISTORY
    monkeypatch.setattr(launch_forecasts, "MOST_LEARNT", 48 * 10)
    assert learning_span(events, NOW) == timedelta(days=10, minutes=5)
    monkeypatch.setattr(launch_forecasts, "MOST_LEARNT", 48)
    assert learning_span(events, NOW) == HISTORY


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    with bootstrap(load(home=tmp_path / "home", market="simulated", auth="off")) as opened:
        yield opened


def test_the_champion_forecasts_alone_until_weights_can_be_read(
    own_lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    store, predictor, now = own_lab.store, own_lab.predictor, own_lab.clock.now()
    champion = store.registry.champion(CAPACITY_TASK)
    assert champion is not None

    def made_by() -> set[str]:
        forecasts = own_record(store, predictor, SIMULATED, now).forecasts
        return {each.model for each in forecasts.values()}

    assert learn_weights(store, predictor, SIMULATED, now) is None
    assert made_by() == set()
    store.interruptions.add(history(now))
    assert made_by() == {champion.reference}
    weights = learn_weights(store, predictor, SIMULATED, now)
    assert weights is not None
    assert store.online_weights.read(SIMULATED) == weights
    assert made_by() == {f"{champion.reference} {COMBINED}"}

    found = store.online_weights.read_with_state(SIMULATED)
    assert found is not None
    for broken, state in (
        (weights, found[1][: len(found[1]) // 2]),
        (weights, b""),
        (replace(weights, model="another@1.0.0"), found[1]),
        (replace(weights, experts=(MODEL,)), found[1]),
    ):
        store.online_weights.save(broken, state)
        with caplog.at_level(logging.WARNING, "spotlab.runtime.launch_forecasts"):
            caplog.clear()
            assert made_by() == {champion.reference}
        assert "without online weights" in caplog.text
    learn_weights(store, predictor, SIMULATED, now)
    assert made_by() == {f"{champion.reference} {COMBINED}"}
