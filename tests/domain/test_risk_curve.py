"""The risk of a candidate over time, and its interval."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spotlab.domain.decision import Candidate
from spotlab.domain.hazard_curve import ShortCause, ShortPart
from spotlab.domain.market import Pool
from spotlab.domain.risk import Evidence, risk_within
from spotlab.domain.risk_curve import BUCKET_AGE, risk_curve

HAZARD = 1e-4
QUIET = Candidate(
    Pool("us-east-1", "us-east-1a", "m5.large"),
    0.03,
    0.1,
    float(risk_within(HAZARD, 24.0)),
    24.0,
    HAZARD,
    0.031,
    features={BUCKET_AGE: 3.0},
)
PART = ShortPart(ShortCause.CAPACITY, 12.0, 1.0, 0.1)


def with_part(part: ShortPart) -> Candidate:
    evidence = Evidence(HAZARD, 0, 0.0, parts=(part,))
    return replace(QUIET, evidence=evidence, hazard_per_hour=HAZARD * evidence.multiple(24.0))


def test_a_quiet_pool_has_its_prior_at_every_horizon() -> None:
    curve = risk_curve(QUIET)
    assert curve is not None
    assert [each.risk for each in curve.points] == [
        float(risk_within(HAZARD, hours)) for hours in (1.0, 6.0, 24.0, 720.0)
    ]


def test_risk_and_interval_grow_with_the_horizon_and_evidence_raises_the_near_risk() -> None:
    quiet, moved = risk_curve(QUIET), risk_curve(with_part(PART))
    assert quiet is not None
    assert moved is not None
    for name in ("risk", "low", "high"):
        values = [getattr(each, name) for each in moved.points]
        assert values == sorted(values)
    ratios = [a.risk / b.risk for a, b in zip(moved.points, quiet.points, strict=True)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 8
    assert ratios[-1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("age_h", [24.0 * 30, 24.0 * 365])
def test_an_old_bucket_widens_the_interval_and_leaves_the_risk(age_h: float) -> None:
    fresh, old = (
        risk_curve(replace(QUIET, features=features))
        for features in ({BUCKET_AGE: 3.0}, {BUCKET_AGE: age_h})
    )
    unknown = risk_curve(replace(QUIET, features={}))
    assert fresh is not None
    assert old is not None
    assert unknown is not None
    widths = [each.points[2].high - each.points[2].low for each in (fresh, old, unknown)]
    assert widths == sorted(widths)
    assert widths[0] < widths[1]
    assert len({each.points[2].risk for each in (fresh, old, unknown)}) == 1


def test_the_curve_at_the_decisions_horizon_is_the_decisions_risk() -> None:
    candidate = with_part(PART)
    curve = risk_curve(candidate, [candidate.horizon_h])
    assert curve is not None
    assert curve.points[0].risk == pytest.approx(
        float(risk_within(candidate.hazard_per_hour, 24.0)), rel=1e-12
    )


def test_an_unknown_hazard_has_no_curve() -> None:
    assert risk_curve(replace(QUIET, hazard_per_hour=float("nan"))) is None
