"""Intervals draw whole blocks; what is not defined is said, never invented."""

from __future__ import annotations

import numpy as np
import pytest

from spotlab.training.block_bootstrap import MEASURES, BlockBootstrap
from spotlab.training.scores import scores


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    forecast = np.round(rng.random(3000), 2)
    blocks = np.repeat(np.arange(30), 100)
    return (rng.random(3000) < forecast).astype(float), forecast, blocks


def test_values_are_those_of_the_plain_scores(
    sample: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    outcome, forecast, blocks = sample
    drawn = BlockBootstrap(outcome, {"m": forecast}, blocks, seed=1, draws=20)
    plain = scores(outcome, forecast).as_dict()

    for measure in MEASURES:
        interval = drawn.interval("m", measure)
        assert interval.value == pytest.approx(plain[measure]), measure
        assert interval.low < interval.high


def test_the_same_seed_gives_the_same_interval(
    sample: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    outcome, forecast, blocks = sample
    one, same = (BlockBootstrap(outcome, {"m": forecast}, blocks, seed=1) for _ in range(2))

    assert one.interval("m", "auc") == same.interval("m", "auc")


def test_rows_that_repeat_within_blocks_make_no_interval_narrower(
    sample: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    outcome, forecast, blocks = sample
    many = [np.repeat(part, 10) for part in (outcome, forecast, blocks)]
    once = BlockBootstrap(outcome, {"m": forecast}, blocks, seed=1).interval("m", "brier")
    often = BlockBootstrap(many[0], {"m": many[1]}, many[2], seed=1).interval("m", "brier")

    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_differences_are_paired(sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    outcome, forecast, blocks = sample
    worse = np.clip(forecast + 0.02, 0, 1)
    drawn = BlockBootstrap(outcome, {"m": forecast, "n": worse}, blocks, seed=1)

    gain = drawn.difference("m", "n", "log_loss")
    alone = drawn.interval("m", "log_loss")

    assert gain.high - gain.low < (alone.high - alone.low) / 2
    assert drawn.difference("m", "m", "auc").value == 0.0
    assert not drawn.difference("m", "m", "auc").excludes_zero


def test_one_outcome_has_no_auc_and_few_blocks_no_interval() -> None:
    forecast = np.linspace(0.1, 0.9, 100)
    blocks = np.arange(100) % 3
    drawn = BlockBootstrap(np.zeros(100), {"m": forecast}, blocks, seed=1)

    auc = drawn.interval("m", "auc")
    brier = drawn.interval("m", "brier")

    assert np.isnan(auc.value)
    assert auc.reason == "every row has the same outcome"
    assert brier.value > 0.0
    assert np.isnan(brier.low)
    assert brier.reason == "3 blocks are too few for an interval"
