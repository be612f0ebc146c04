"""What evidence adds to a hazard, on traces whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spotlab.domain.policy import PolicyParams
from spotlab.sweeps.results.short_evidence import (
    Losses,
    bucket_ratio,
    hours_since,
    short_evidence_section,
)


def losses(evidence: NDArray[np.bool_], with_it: float, without: float, seed: int = 3) -> Losses:
    """Ticks at risk that are lost at these rates, in pools that never refused before."""
    draws = np.random.default_rng(seed).random(evidence.shape)
    lost = draws < np.where(evidence, with_it, without)
    never = np.full(evidence.shape, np.inf)
    day = np.arange(len(evidence)) // 144
    return Losses(np.ones(evidence.shape, dtype=bool), lost, never, day.astype(np.intp))


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_the_ratio_is_what_the_evidence_multiplies_the_rate_by(factor: float) -> None:
    evidence = np.random.default_rng(5).random((40 * 144, 4)) < 0.3
    found = [
        losses(evidence, 0.02 * factor, 0.02, seed).ratio(evidence) for seed in range(100, 120)
    ]
    assert np.mean([each.value for each in found]) == pytest.approx(factor, rel=0.05)
    assert sum(each.low < factor < each.high for each in found) >= 17, "19 of 20 are expected"
    assert all(each.low < each.value < each.high for each in found)


def test_a_pool_that_is_lost_more_often_is_no_evidence() -> None:
    often = np.array([0.2, 0.01])
    evidence = np.random.default_rng(5).random((40 * 144, 2)) < np.array([0.9, 0.1])
    found = losses(evidence, 1.0, 0.0)
    lost = np.random.default_rng(3).random(evidence.shape) < often
    mixed = Losses(found.at_risk, lost, found.refused_h, found.day).ratio(evidence)
    assert mixed.low < 1.0 < mixed.high


def test_without_evidence_there_is_no_ratio() -> None:
    evidence = np.zeros((144 * 5, 1), dtype=bool)
    found = losses(evidence, 0.1, 0.1).ratio(evidence)
    assert np.isnan(found.value)
    assert np.isnan(found.low)


def test_hours_count_from_the_newest_tick() -> None:
    happened = np.array([[False], [True], [False], [False]])
    since = hours_since(happened, np.array([0.0, 1.0, 2.0, 4.0]))
    assert since[:, 0].tolist() == [np.inf, 0.0, 1.0, 3.0]


def test_buckets_are_compared_within_present_ones() -> None:
    family = np.repeat(np.arange(20), 50)
    now = np.tile([0, 4], 500)
    rose = now == 4
    rose[::10] = True
    assert bucket_ratio(rose, now, now, family).value == pytest.approx(1.0)


def test_the_section_says_what_is_missing(tmp_path: Path) -> None:
    assert short_evidence_section(tmp_path, print).skipped


def test_what_does_not_hold_is_off_by_default(shared_data: Path) -> None:
    section = short_evidence_section(shared_data, lambda _: None)
    ratios = {figure.what: figure for figure in section.figures}
    rises = ratios["a rise of 1 % or more within 6 h, second half of the campaign"]
    spread = ratios["a spread of the zones 1 % wider than a day before"]
    for each in (rises, spread):
        assert each.low is not None
        assert each.high is not None
        assert each.low < 1.0 < each.high
    for what, figure in ratios.items():
        if what.startswith("a bucket"):
            assert figure.high is not None
            assert figure.high < 1.0
    off = PolicyParams()
    assert (off.price_factor, off.spread_factor, off.advisor_factor) == (1.0, 1.0, 1.0)
