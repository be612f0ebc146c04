"""Two models on the same rows: equal to the plain scores, paired, and honest about little data."""

from __future__ import annotations

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.training.head_to_head import MEASURES, FloatArray, compare
from spotlab.training.scores import auc, block_interval, brier, pr_auc

NAMES = ("first", "second")


def synthetic_rows(
    rows: int = 600, seed: int = 1
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Outcome, a good forecast, a worse one, and 20 days."""
    rng = np.random.default_rng(seed)
    truth = np.asarray(rng.beta(1.0, 3.0, rows), dtype=np.float64)
    outcome = (rng.random(rows) < truth).astype(np.float64)
    worse = np.clip(np.round(truth + rng.normal(0, 0.25, rows), 1), 0.0, 1.0)
    return outcome, truth, worse, np.sort(rng.integers(0, 20, rows)).astype(np.float64)


def test_figures_are_those_of_the_plain_scores() -> None:
    outcome, good, worse, days = synthetic_rows()
    found = compare(NAMES, outcome, good, worse, days, draws=20)
    for name, measure in (("auc", auc), ("pr_auc", pr_auc), ("brier", brier)):
        plain = measure(outcome, good) - measure(outcome, worse)
        assert found.differences[name].value == pytest.approx(plain, abs=1e-12)
    assert found.scores[1].auc == auc(outcome, worse)
    assert (found.rows, found.blocks, found.refused) == (600, 20, 0)


def test_a_draw_counts_whole_days_in_both() -> None:
    outcome, good, worse, days = synthetic_rows()
    found = compare(NAMES, outcome, good, worse, days, draws=800)

    def gap(seen: FloatArray, one: FloatArray, other: FloatArray) -> float:
        return auc(seen, one) - auc(seen, other)

    low, high = block_interval(
        gap, (outcome, good, worse), [str(day) for day in days], seed=3, draws=800
    )
    assert found.differences["auc"].low == pytest.approx(low, abs=0.01)
    assert found.differences["auc"].high == pytest.approx(high, abs=0.01)
    assert found.differences["auc"].excludes_zero
    assert found.differences["brier"].high < 0.0, "the better model has the lower Brier score"


def test_a_model_against_itself_differs_nowhere() -> None:
    outcome, good, _, days = synthetic_rows()
    found = compare(NAMES, outcome, good, good, days, draws=20)
    assert {gap.value for gap in found.differences.values()} == {0.0}
    assert not found.differences["auc"].excludes_zero
    assert len(found.disagreements) == 0


def test_rows_that_one_refuses_are_counted_and_in_no_figure() -> None:
    outcome, good, worse, days = synthetic_rows()
    holed = worse.copy()
    holed[:100] = np.nan
    found = compare(NAMES, outcome, good, holed, days, draws=5)
    assert (found.rows, found.refused) == (500, 100)
    assert found.scores[0].auc == auc(outcome[100:], good[100:])
    assert found.disagreements.min() >= 100, "places are those of the rows that were given"


def test_disagreements_come_largest_first() -> None:
    outcome, good, worse, days = synthetic_rows()
    found = compare(NAMES, outcome, good, worse, days, draws=5)
    apart = np.abs(good - worse)[found.disagreements]
    assert np.all(np.diff(apart) <= 0.0)
    assert apart[0] == np.abs(good - worse).max()


def test_the_curve_ends_at_the_base_rate() -> None:
    outcome, good, worse, days = synthetic_rows()
    curve = compare(NAMES, outcome, good, worse, days, draws=5).curves[1]
    assert curve.recall[-1] == 1.0
    assert curve.precision[-1] == pytest.approx(outcome.mean())
    assert np.all(np.diff(curve.recall) >= 0.0)


def test_one_day_gives_no_interval() -> None:
    outcome, good, worse, _ = synthetic_rows()
    found = compare(NAMES, outcome, good, worse, np.zeros(600), draws=5)
    assert np.isnan(found.differences["auc"].low)
    assert not found.differences["auc"].excludes_zero


@pytest.mark.parametrize("rows", [0, 5], ids=["no rows", "one outcome"])
def test_rows_that_tell_nothing_are_refused(rows: int) -> None:
    nothing = np.zeros(rows)
    with pytest.raises(InvalidInput, match="first and second have"):
        compare(NAMES, nothing, nothing, nothing, nothing)


def test_the_winner_of_a_measure_needs_an_interval_that_excludes_zero() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.6, 400)
    outcome = (rng.random(400) < truth).astype(np.float64)
    days = np.arange(400) // 20
    better = compare(("a", "b"), outcome, truth, np.clip(truth + 0.4, 0.0, 1.0), days)
    assert better.winner("brier") == 1
    worse = compare(("a", "b"), outcome, np.clip(truth + 0.4, 0.0, 1.0), truth, days)
    assert worse.winner("brier") == -1
    same = compare(("a", "b"), outcome, truth, truth, days)
    assert {same.winner(measure) for measure in MEASURES} == {0}
