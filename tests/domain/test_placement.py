"""Groups of types that are asked for together, and what is known of a pool's placement."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from spotlab.domain.market import Pool
from spotlab.domain.placement import (
    MIN_TYPES,
    PlacementResponse,
    Placements,
    PlacementState,
    Shape,
    groups,
    relevant_groups,
)
from tests.support.feeds import NOW

A, B = "us-east-1a", "us-east-1b"
LARGE, XLARGE = Shape("x86_64", False, 2, 8), Shape("x86_64", False, 4, 16)
ARM, GPU = Shape("arm64", False, 2, 8), Shape("x86_64", True, 4, 16)


def answer(
    age_h: float = 1.0,
    types: tuple[str, ...] = ("c5.large", "m5.large", "m6i.large"),
    **scores: int,
) -> PlacementResponse:
    by_zone = {f"us-east-1{letter}": score for letter, score in scores.items()}
    at = NOW - timedelta(hours=age_h)
    return PlacementResponse(
        False, "acme", "us-east-1", types, at, "AWS test", not by_zone, by_zone
    )


def known(*answers: PlacementResponse) -> Placements:
    return Placements.from_responses(answers, NOW)


def pool(zone: str | None = A, name: str = "m5.large") -> Pool:
    return Pool("us-east-1", zone, name)


def test_alternatives_of_one_shape_are_together() -> None:
    shapes = {"m5.large": LARGE, "m6i.large": LARGE, "m7i.large": LARGE, "m6g.large": ARM}
    assert groups(shapes) == [("m5.large", "m6i.large", "m7i.large")], "arm64 has too few"


def test_a_shape_with_too_few_joins_its_neighbour() -> None:
    shapes = {"m5.large": LARGE, "m6i.large": LARGE, "m5.xlarge": XLARGE, "g4dn.xlarge": GPU}
    assert groups(shapes) == [("m5.large", "m5.xlarge", "m6i.large")]
    shapes["t3.large"] = LARGE
    assert groups(shapes) == [("m5.large", "m5.xlarge", "m6i.large", "t3.large")]


@given(
    st.dictionaries(
        st.integers(0, 60).map("t{}".format), st.sampled_from([LARGE, XLARGE, ARM, GPU])
    )
)
def test_each_type_has_one_group_of_its_kind(shapes: dict[str, Shape]) -> None:
    found = groups(shapes)
    members = [name for group in found for name in group]
    assert len(members) == len(set(members))
    for group in found:
        assert len(group) >= MIN_TYPES
        assert len({(shapes[name].architecture, shapes[name].accelerated) for name in group}) == 1
    without = set(shapes) - set(members)
    kinds = [(shapes[name].architecture, shapes[name].accelerated) for name in without]
    assert all(kinds.count(kind) < MIN_TYPES for kind in kinds)
    assert groups(dict(reversed(shapes.items()))) == found, "whoever asks, the same groups"


def test_the_fleets_own_groups_come_before_its_alternatives() -> None:
    shapes = {f"m{n}.large": LARGE for n in range(10, 20)} | {
        f"m{n}.xlarge": XLARGE for n in range(10, 13)
    }
    first, second = relevant_groups(shapes, {"m19.large": 3, "zz.large": 1})
    assert "m19.large" in first
    assert {"m10.large", "m14.large"} <= set(second)
    assert relevant_groups(shapes, {}) == []


def test_a_score_belongs_to_a_zone_and_a_group() -> None:
    placements = known(answer(a=7, b=2))
    score = placements.score_of(pool())
    assert (score.state, score.score, score.zone) == (PlacementState.SCORED, 7, A)
    assert score.instance_types == ("c5.large", "m5.large", "m6i.large")
    assert score.origin is not None
    assert (score.origin.event_time, score.origin.stale) == (NOW - timedelta(hours=1), False)
    assert placements.score_of(pool(B)).score == 2


def test_a_region_has_the_score_of_its_easiest_zone() -> None:
    score = known(answer(a=2, b=7)).score_of(pool(None))
    assert (score.score, score.zone) == (7, B)


def test_what_is_unknown_is_no_number() -> None:
    placements = known(answer(a=7))
    for unknown in (pool(B), pool(name="x9.large"), Pool("eu-west-1", "eu-west-1a", "m5.large")):
        score = placements.score_of(unknown)
        assert (score.state, score.score) == (PlacementState.UNKNOWN, None)
        assert score.reason
    assert (
        Placements.from_responses((), NOW, "No accounts.").score_of(pool()).reason == "No accounts."
    )


def test_a_refusal_is_told_where_no_score_is_fresh() -> None:
    refused = known(answer()).score_of(pool())
    assert (refused.state, refused.score) == (PlacementState.REFUSED, None)
    assert "quota" in refused.reason
    assert known(answer(8, a=7), answer(1)).score_of(pool()).score == 7, "8 hours old is fresh"
    assert known(answer(13, a=7), answer(1)).score_of(pool()).state is PlacementState.REFUSED


def test_an_old_score_says_so_and_an_older_one_is_gone() -> None:
    old = known(answer(13, a=7), answer(20, a=3)).score_of(pool())
    assert old.origin is not None
    assert (old.score, old.origin.stale) == (7, True)
    assert known(answer(49, a=7)).score_of(pool()).state is PlacementState.UNKNOWN
