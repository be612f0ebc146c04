"""Realised savings come from hours and prices, never from the expectation."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Got
from spotlab.switching.prices import price_of
from spotlab.switching.realised_savings import measure
from tests.support import switches as make
from tests.support.builders import NOW
from tests.support.lab import save_toy_model, small_lab
from tests.support.market import market_data

HOUR = timedelta(hours=1)
GOT = Got(make.NEW_POOL, Lifecycle.SPOT, "i-2", NOW)
DONE = make.switch(got=GOT, started_at=NOW, finished_at=NOW + 0.5 * HOUR)


def prices(pool: Pool, _lifecycle: Lifecycle) -> float | None:
    return {make.OLD_POOL: 0.10, make.NEW_POOL: 0.04}.get(pool)


def test_both_instances_are_paid_for_while_both_run() -> None:
    first = measure(DONE, NOW + 2 * HOUR, prices)
    assert first is not None
    assert first.hours == 2.0
    assert first.paid_usd == pytest.approx(2 * 0.04 + 0.5 * 0.10)
    assert first.instead_usd == pytest.approx(2 * 0.10)
    assert first.saving_usd == pytest.approx(0.07)


def test_each_hour_keeps_the_price_at_which_it_was_billed() -> None:
    first = measure(DONE, NOW + 2 * HOUR, prices)
    later = replace(DONE, realised=first)
    second = measure(later, NOW + 3 * HOUR, lambda _pool, _how: 0.5)
    assert second is not None
    assert second.hours == 3.0
    assert second.paid_usd == pytest.approx(0.13 + 0.5)
    assert second.instead_usd == pytest.approx(0.20 + 0.5)
    assert measure(replace(DONE, realised=second), NOW + 3 * HOUR, prices) == second


def test_an_unknown_price_is_no_saving() -> None:
    assert measure(DONE, NOW + HOUR, lambda _pool, _how: None) is None
    known = measure(DONE, NOW + HOUR, prices)
    assert measure(replace(DONE, realised=known), NOW + 2 * HOUR, lambda _p, _h: None) == known
    assert measure(make.switch(), NOW, prices) is None


def test_at_least_a_minute_is_billed() -> None:
    realised = measure(replace(DONE, finished_at=NOW), NOW + timedelta(seconds=5), prices)
    assert realised is not None
    assert realised.hours == pytest.approx(1 / 60)


def test_nothing_runs_twice_when_the_type_changes_in_place() -> None:
    in_place = replace(DONE, strategy=Strategy.STOP_START)
    realised = measure(in_place, NOW + HOUR, prices)
    assert realised is not None
    assert realised.paid_usd == pytest.approx(0.04)


SPOT, ON_DEMAND = Lifecycle.SPOT, Lifecycle.ON_DEMAND
M6G = Pool("us-east-1", "us-east-1a", "m6g.large")


def test_a_price_is_the_same_in_a_market_and_in_its_scores(tmp_path: Path) -> None:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as lab:
        markets = lab.market(), lab.scored()
    for market in markets:
        assert price_of(market, M6G, SPOT) == pytest.approx(0.0301)
        assert price_of(market, M6G, ON_DEMAND) == pytest.approx(0.077)
        assert price_of(market, replace(M6G, instance_type="x9.huge"), SPOT) is None
        assert price_of(market, replace(M6G, operating_system="Windows"), ON_DEMAND) is None


def test_the_price_of_the_zone_comes_before_that_of_the_region() -> None:
    zones = {None: 0.05, "us-east-1a": 0.03, "us-east-1b": math.nan}
    market = market_data({("m6g.large", zone): price for zone, price in zones.items()})
    assert price_of(market, M6G, SPOT) == 0.03
    assert price_of(market, replace(M6G, availability_zone="us-east-1c"), SPOT) == 0.05
    assert price_of(market, replace(M6G, availability_zone="us-east-1b"), SPOT) is None
