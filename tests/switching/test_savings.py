"""Realised savings come from hours and prices, never from the expectation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Got
from spotlab.switching.savings import measure
from tests.support import switches as make
from tests.support.builders import NOW

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
