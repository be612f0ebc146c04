"""Uptime from probes: time-weighted, and a gap is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.components import (
    COMPONENTS,
    MEANINGS,
    NEEDS,
    STATES,
    depends_on,
    needed_by,
)
from spotlab.domain.uptime import MAX_HOLD, Rate, percentile, spells, uptime

START = datetime(2026, 3, 1, tzinfo=UTC)
HOLD_S = MAX_HOLD.total_seconds()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def over(probes: list[tuple[float, str]], until_s: float) -> dict[str, float]:
    found = spells([(at(s), state) for s, state in probes], START, at(until_s))
    return dict(uptime(found).seconds)


def test_a_state_holds_until_the_next_probe() -> None:
    seconds = over([(0, "healthy"), (30, "down"), (60, "healthy")], 90)
    assert seconds == {"healthy": 60, "degraded": 0, "down": 30, "unknown": 0}


def test_a_gap_is_unknown_beyond_what_a_probe_holds() -> None:
    seconds = over([(0, "healthy"), (600, "healthy")], 630)
    assert seconds["healthy"] == HOLD_S + 30
    assert seconds["unknown"] == 600 - HOLD_S
    assert seconds["down"] == 0


def test_before_the_first_probe_nothing_is_known() -> None:
    assert over([(70, "healthy")], 100) == {
        "healthy": 30,
        "degraded": 0,
        "down": 0,
        "unknown": 70,
    }
    nothing = uptime(spells([], START, at(60)))
    assert nothing.up is None
    assert nothing.unknown == 1


def test_a_probe_before_the_window_reaches_into_it() -> None:
    assert over([(-30, "down"), (10, "healthy")], 20)["down"] == 10


def test_degraded_counts_as_up_and_unknown_as_neither() -> None:
    found = uptime(
        spells(
            [(at(0), "degraded"), (at(30), "unknown"), (at(60), "down"), (at(90), "healthy")],
            START,
            at(120),
        )
    )
    assert found.up == pytest.approx(60 / 90)
    assert found.unknown == pytest.approx(30 / 120)


moments = st.lists(st.tuples(st.integers(-200, 4000), st.sampled_from(STATES)), max_size=40).map(
    lambda found: sorted(found, key=lambda each: each[0])
)


@given(moments, st.integers(1, 3600))
def test_spells_cover_the_window_without_gap_or_overlap(
    probes: list[tuple[int, str]], length_s: int
) -> None:
    found = spells([(at(s), state) for s, state in probes], START, at(length_s))
    assert found[0].since == START
    assert found[-1].until == at(length_s)
    assert all(one.until == other.since for one, other in pairwise(found))
    assert all(one.state != other.state for one, other in pairwise(found))
    assert all(spell.seconds > 0 for spell in found)
    summed = uptime(found)
    assert summed.total_s == pytest.approx(length_s)
    assert summed.up is None or 0 <= summed.up <= 1


@given(moments)
def test_what_is_known_is_what_probes_hold(probes: list[tuple[int, str]]) -> None:
    seconds = over([(float(s), state) for s, state in probes], 3600)
    told = [max(0, s) for s, state in probes if state != "unknown"]
    assert 3600 - seconds["unknown"] <= HOLD_S * len(told) + 1e-6


@given(moments, st.integers(0, 3599))
def test_the_state_at_a_moment_is_that_of_the_last_probe_before_it(
    probes: list[tuple[int, str]], moment: int
) -> None:
    found = spells([(at(s), state) for s, state in probes], START, at(3600))
    last = [each for each in probes if each[0] <= moment]
    held = last and moment - last[-1][0] < HOLD_S
    expected = last[-1][1] if held else "unknown"
    spell = next(each for each in found if each.since <= at(moment) < each.until)
    assert spell.state == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert found is not None
    assert sum(v <= found for v in values) >= share * len(values) - 1e-6
    assert sum(v < found for v in values) < share * len(values) + 1e-6


def test_percentiles_by_nearest_rank() -> None:
    values = [float(n) for n in range(1, 21)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99)] == [10, 19, 20]
    assert percentile([], 0.5) is None


def test_a_rate_without_tries_is_unknown() -> None:
    assert Rate(0, 0).success is None
    assert Rate(3, 1).failure == 0.25


def test_needs_name_parts_and_have_no_circle() -> None:
    assert {need.component for need in NEEDS} | {need.on for need in NEEDS} <= set(COMPONENTS)
    for part in COMPONENTS:
        reached, ahead = set[str](), [part]
        while ahead:
            for need in depends_on(ahead.pop()):
                assert need.on != part
                if need.on not in reached:
                    reached.add(need.on)
                    ahead.append(need.on)
    assert {need.component for need in needed_by("database")} == set(COMPONENTS) - {
        "database",
        "Redis cache",
    }


def test_every_part_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(COMPONENTS)
    assert all(meaning.endswith(".") for meaning in MEANINGS.values())
