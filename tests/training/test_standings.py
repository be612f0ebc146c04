"""Whether the champion is behind a rule by more than chance, and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from spotlab.domain.online_weights import Lag
from spotlab.inference.online.nodes import Place
from spotlab.training.capacity.online import OnlineRows, new_forecaster
from spotlab.training.capacity.standings import lag
from spotlab.training.evaluation_report import MODEL

START = datetime(2026, 11, 1, tzinfo=UTC)
EXPERTS = (MODEL, "streak_only", "pool_rate")


def judged(days: float, *, noise: float, from_day: float = 0.0, seed: int = 0) -> OnlineRows:
    """An hourly forecast of an hour; from a day on, the champion's log-odds are disturbed."""
    rng = np.random.default_rng(seed)
    at_h = np.arange(0.0, days * 24.0)
    truth = rng.uniform(0.1, 0.9, len(at_h))
    outcome = (rng.random(len(at_h)) < truth).astype(np.float64)
    disturbed = np.clip(truth + noise * rng.choice([-1.0, 1.0], len(at_h)), 0.01, 0.99)
    champion = np.where(at_h >= from_day * 24.0, disturbed, truth)
    rule = truth if noise else np.clip(truth + rng.normal(0.0, 0.001, len(at_h)), 0.01, 0.99)
    experts = np.column_stack([champion, np.full(len(at_h), 0.5), rule])
    ones = np.ones(len(at_h))
    forecaster = new_forecaster([Place("", "", "a")], EXPERTS, [1.0])
    pool = np.zeros(len(at_h), dtype=np.intp)
    return OnlineRows(pool, ones, at_h, experts, outcome, ones, truth, EXPERTS, forecaster)


def test_a_champion_that_is_worse_all_along_is_behind_as_soon_as_blocks_suffice() -> None:
    found = lag(judged(28, noise=0.4), START)
    assert found.behind is True
    assert found.rule == "pool_rate"
    assert found.least is not None
    assert found.champion_loss is not None
    assert found.rule_loss is not None
    assert 0.0 < found.least < found.champion_loss - found.rule_loss
    assert found.since is not None
    assert START + timedelta(days=8) <= found.since <= START + timedelta(days=14)


def test_a_champion_that_becomes_worse_is_behind_since_then() -> None:
    found = lag(judged(28, noise=0.4, from_day=10.0), START)
    assert found.behind is True
    assert found.since is not None
    assert START + timedelta(days=10) < found.since < START + timedelta(days=26)
    assert f"since {found.since:%Y-%m-%d}" in found.words("a@1")


def test_what_is_too_short_or_the_same_is_not_behind() -> None:
    short = lag(judged(6, noise=0.4), START)
    assert (short.behind, short.since, short.least) == (None, None, None)
    assert "unknown" in short.words("a@1")
    alarms = [lag(judged(28, noise=0.0, seed=seed), START).behind for seed in range(40)]
    assert sum(each is True for each in alarms) <= 4
    assert None not in alarms


def test_without_rules_or_rows_there_is_nothing_to_compare() -> None:
    nothing = Lag("", None, None, None, 0, None, None)
    assert lag(judged(0, noise=0.4), START) == nothing
    assert nothing.words("a@1") == "No live forecast of capacity has been judged yet."


@pytest.mark.parametrize("rejected", [0, 5])
def test_rows_that_the_champion_rejected_are_not_compared(rejected: int) -> None:
    rows = judged(28, noise=0.4)
    rows.experts[:rejected, 0] = np.nan
    rows.experts[:rejected, 2] = 1.0 - rows.outcome[:rejected]
    whole = lag(judged(28, noise=0.4), START)
    assert lag(rows, START).rule_loss == pytest.approx(whole.rule_loss, abs=0.01)
