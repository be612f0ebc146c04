"""The risk of a candidate over time, with an interval, and what moved it.

The curve is `hazard_curve`'s: risk(h) = 1 − exp(−H(h)). Its interval has two parts:

- the long-run hazard's, from the Gamma posterior of prior and own evidence. The older the advisor's
  record behind the prior, the less exposure the prior is worth: in proportion to the share of
  advisor buckets that are unchanged after that time, and least if there is no record.
- the short parts': at the lower end they have no effect, at the upper end twice theirs. The factors
  were learnt on one campaign of one instance type (docs/adr/0043-evidence-over-time.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from spotlab.domain.decision import Candidate
from spotlab.domain.hazard_curve import SHOWN_HORIZONS_H, ShortPart
from spotlab.domain.risk import PRIOR_EXPOSURE_H, Evidence, risk_within

PUBLISHED_SHARES: Final = {168.0: 0.85, 336.0: 0.75, 2088.0: 0.59}
"""Share of advisor buckets that are unchanged after so many hours: 14-16 % change in a week, 25 %
in two weeks, 41 % in 87 days (2022)."""
UNCHANGED: Final = ((24.0, 1.0), *PUBLISHED_SHARES.items(), (11_640.0, 0.344))
"""The same from a day on; the last is measured from 2024 to 2025 (docs/adr/0006)."""
BUCKET_AGE: Final = "advisor_age_h"
"""The feature with the age of the advisor's record."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The risk within a horizon: 0..1, with its 95 % interval."""

    horizon_h: float
    risk: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """A candidate's risk over time.

    Args:
        points: by growing horizon.
        parts: what raises it for a while, newest first.
    """

    points: tuple[CurvePoint, ...]
    parts: tuple[ShortPart, ...]


def unchanged_share(bucket_age_h: float | None) -> float:
    """Share of advisor buckets that are unchanged after so many hours; None: no record.

    >>> unchanged_share(1.0), unchanged_share(168.0), unchanged_share(None)
    (1.0, 0.85, 0.344)
    """
    if bucket_age_h is None:
        return UNCHANGED[-1][1]
    before = UNCHANGED[0]
    for after in UNCHANGED:
        if bucket_age_h <= after[0]:
            if after == before:
                return after[1]
            way = math.log(bucket_age_h / before[0]) / math.log(after[0] / before[0])
            return before[1] + way * (after[1] - before[1])
        before = after
    return before[1]


def risk_curve(
    candidate: Candidate, horizons_h: Sequence[float] = SHOWN_HORIZONS_H
) -> RiskCurve | None:
    """The curve of a candidate; None if its hazard is unknown.

    Args:
        candidate: with its evidence under the policy that decided.
        horizons_h: hours, growing.
    """
    if not math.isfinite(candidate.hazard_per_hour):
        return None
    evidence = candidate.evidence or Evidence(candidate.hazard_per_hour, 0, 0.0)
    known = unchanged_share(candidate.features.get(BUCKET_AGE))
    assumed = replace(evidence, prior_exposure_h=PRIOR_EXPOSURE_H * known)
    low, high = assumed.interval()
    points = []
    for horizon_h in horizons_h:
        multiple = evidence.multiple(horizon_h)
        hazard = evidence.hazard_per_hour * multiple
        hazards = (hazard, min(low, hazard), max(high * (2.0 * multiple - 1.0), hazard))
        risks = (float(risk_within(each, horizon_h)) for each in hazards)
        points.append(CurvePoint(horizon_h, *risks))
    parts = sorted(evidence.parts, key=lambda each: each.age_h)
    return RiskCurve(tuple(points), tuple(parts))
